"""kill -9: what was answered is there after the restart."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from .disk import load
from .samples import build_grant, digest

WRITER = f"{__package__}.killed_writer"


def _run_until_killed(path: Path, name: str, lines: int) -> list[list[str]]:
    """What the writer had said it was answered when it was killed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen(
        [sys.executable, "-m", WRITER, str(path), name], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert writer.stdout is not None
    with writer.stdout:
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.readlines()
    writer.wait()
    return [line.split() for line in said if line.endswith("\n")]


@pytest.mark.parametrize("seed", range(4))
def test_what_was_answered_outlives_a_kill(tmp_path: Path, seed: int, warnings: list[str]) -> None:
    """Our choice: durability "always", with snapshots going on all the time."""
    path = tmp_path / "state"
    rng = random.Random(seed)
    said: list[list[str]] = []
    for name in ("first", "second"):
        said += _run_until_killed(path, name, rng.randrange(1, 900))
    warnings.clear()  # a tail that was cut short is to be expected
    found = load(path)
    rotations: dict[str, int] = {}
    revoked = {words[1] for words in said if words[0] == "revoked"}
    for what, name, *rest in said:
        if what == "registered":
            assert name in found["client"]
        elif what == "granted":
            # Its revocation may have been on the disk and the answer not yet out.
            is_living = build_grant(name).grant_id in found["grant"]
            assert (digest(name) in found["access"]) is is_living
            assert found["code"][digest(name)].grant_id == build_grant(name).grant_id
        elif what == "rotated":
            rotations[name] = max(rotations.get(name, 0), int(rest[0]))
            is_living = build_grant(name).grant_id in found["grant"]
            assert (digest(f"access of {name} refresh {rest[0]}") in found["access"]) is is_living
    for name in revoked:
        assert build_grant(name).grant_id not in found["grant"]
    _check_rotations(found, {name: count for name, count in rotations.items() if name not in revoked})


def _check_rotations(found: dict[str, dict[bytes, object]], rotations: dict[str, int]) -> None:
    for name, count in rotations.items():
        grant = found["grant"].get(build_grant(name).grant_id)
        if grant is None:
            # Its revocation was on the disk and the answer not yet out.
            assert int(name.split("-")[1]) % 2 == 1
            assert count == 3
            continue
        later = {digest(f"{name} refresh {number}") for number in range(count, 4)}
        assert grant.refresh_hash in later  # type: ignore[attr-defined]
