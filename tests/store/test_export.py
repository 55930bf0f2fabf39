"""An export shows what there is, and nothing that opens a door or could be compared with what does."""

import asyncio
import json
from pathlib import Path
from typing import Any

from omnitornado.store.export import export_lines
from omnitornado.store.memory import State

from .disk import opened
from .samples import (
    START,
    build_access,
    build_binding,
    build_code,
    build_consent,
    build_grant,
    build_pushed,
    build_session,
    build_successor,
    digest,
)

KEY = b"k" * 32
PUSHED = build_pushed(query=f"client_id=client-1&code_challenge={build_code().code_challenge}&state=s3cret")


def _export(path: Path, key: bytes = KEY) -> list[dict[str, Any]]:
    async def scenario() -> list[bytes]:
        async with opened(path) as store:
            grant = build_grant(sealed_refresh=b"sealed")
            await store.issue_code(
                digest("code"), build_code(), bind_redirect=build_binding(), remember=[build_consent()]
            )
            await store.redeem_code(digest("code"), grant, digest("t0"), build_access(grant), now=START)
            await store.rotate_refresh(
                grant.grant_id,
                digest("grant-1 refresh 0"),
                build_successor("grant-1 refresh 1"),
                digest("t1"),
                build_access(grant),
                client_id="client-1",
                grace=30,
                now=START,
            )
            await store.open_session(digest("session"), build_session())
            await store.push_request(digest("pushed"), PUSHED, now=START)
            await store.find_or_create_key("state", b"the server's own key, 32 bytes..", now=START)
            return list(export_lines(store.state, key))

    return [json.loads(line) for line in asyncio.run(scenario())]


def _find_texts(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set().union(*map(_find_texts, value.values()))
    return set().union(*map(_find_texts, value)) if isinstance(value, list) else set()


def test_every_record_is_a_line_that_says_what_it_is(tmp_path: Path) -> None:
    """Our choice."""
    lines = _export(tmp_path / "state")
    kinds = [line["kind"] for line in lines]
    assert sorted(kinds) == [
        *("access", "access", "binding", "code", "consent", "grant", "key", "pushed", "session")
    ]
    grant = next(line["record"] for line in lines if line["kind"] == "grant")
    assert (grant["username"], grant["client_id"], grant["created_at"]) == ("ada", "client-1", START)


def test_lines_that_belong_together_can_be_told(tmp_path: Path) -> None:
    """Our choice: a token and its grant share a fingerprint."""
    lines = _export(tmp_path / "state")
    grant = next(line for line in lines if line["kind"] == "grant")
    assert grant["key"] == grant["record"]["grant_id"]
    owners = [line["record"]["grant_id"] for line in lines if line["kind"] in ("access", "code")]
    assert owners == [grant["key"]] * 3


def test_nothing_in_it_can_be_compared_with_a_secret(tmp_path: Path) -> None:
    """Our choice: neither digests nor sealed values nor keys, in any spelling; and no two exports agree."""
    lines = _export(tmp_path / "one" / "state")
    text = json.dumps(lines)
    secrets = [digest(name) for name in ("code", "t0", "t1", "session", "pushed", "grant-1 refresh 1")]
    for secret in (*secrets, build_grant().grant_id, b"sealed access", b"the server's own key"):
        assert secret.hex() not in text
        assert secret.decode("latin-1") not in text
    assert build_code().code_challenge not in text
    assert "s3cret" not in text
    marked = {one for one in _find_texts(lines) if one.startswith("#")}
    others = {one for one in _find_texts(_export(tmp_path / "two" / "state", b"o" * 32)) if one[:1] == "#"}
    assert len(marked) > 8
    assert not marked & others


def test_an_empty_store_is_no_line() -> None:
    """Our choice."""
    assert list(export_lines(State(), KEY)) == []
