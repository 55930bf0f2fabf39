"""Any sequence of transitions, with restarts anywhere between them, answers as the model does."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omnitornado.store.embedded import EmbeddedStore

from .conftest import SMALL
from .model import Model
from .samples import (
    START,
    Clock,
    WatchedFiles,
    build_access,
    build_address,
    build_binding,
    build_client,
    build_code,
    build_consent,
    build_device,
    build_document,
    build_grant,
    build_mcp_session,
    build_pushed,
    build_session,
    build_successor,
    build_task,
    copy_files,
    digest,
)

Step = tuple[str, int, int, int]

# Two of each are enough for every collision there is, and few enough for collisions to be found.
PEOPLE = ("ada", "eve")
CLIENTS = ("c0", "c1", "c2", "c3", "c4")
METHODS = (
    "register_client",
    "update_client",
    "delete_client",
    "issue_code",
    "issue_code",
    "push_request",
    "redeem_code",
    "redeem_code",
    "redeem_code",
    "rotate_refresh",
    "rotate_refresh",
    "open_device",
    "decide_device",
    "poll_device",
    "redeem_device",
    "issue_grant",
    "issue_access",
    "revoke_access",
    "revoke_grant",
    "touch_grant",
    "disconnect_client",
    "open_session",
    "close_session",
    "open_mcp_session",
    "find_mcp_session",
    "subscribe_mcp_session",
    "set_mcp_log_level",
    "close_mcp_session",
    "know_address",
    "start_task",
    "start_task",
    "end_task",
    "interrupt_tasks",
    "keep_document",
    "forget_document",
    "use_once",
    "use_once",
)
AROUND = ("wait", "wait", "sweep", "snapshot", "stop", "kill")

steps = st.lists(
    st.tuples(st.sampled_from(METHODS + AROUND), st.integers(0, 4), st.integers(0, 3), st.integers(0, 5)),
    max_size=40,
)


def _build_call(step: Step, now: float) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments for a method; records are told apart by their index, and by when they were made."""
    method, index, other, variant = step
    person, client_id = PEOPLE[other % 2], CLIENTS[index]
    grant = build_grant(
        f"g{index}",
        username=person,
        client_id=CLIENTS[other],
        created_at=now,
        last_used_at=now,
        expires_at=now + 100 * (variant + 1),
        refresh_hash=None if variant == 5 else digest("r0"),
    )
    access = build_access(grant, expires_at=now + 70 * (variant + 1))
    key = digest(f"key {index}")
    device = digest(f"device {index % 3}")
    build: dict[str, Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]] = {
        "register_client": lambda: (
            (
                build_client(
                    client_id,
                    issued_at=now,
                    expires_at=now + 90 if variant % 2 else None,
                    registration_hash=None if variant == 5 else digest("ra0"),
                ),
            ),
            {},
        ),
        "update_client": lambda: (
            (
                build_client(
                    client_id, client_name=f"n{variant}", registration_hash=digest(f"ra{variant % 2}")
                ),
                digest(f"ra{other % 2}"),
            ),
            {"now": now},
        ),
        "delete_client": lambda: ((client_id, digest(f"ra{other % 2}")), {"now": now}),
        "issue_code": lambda: (
            (
                key,
                build_code(client_id=CLIENTS[other] if variant == 4 else "client-1", expires_at=now + 60),
            ),
            {
                "is_unasked": variant == 3,
                "pushed": digest(f"pushed {other % 2}") if variant in (2, 4) else None,
                "bind_redirect": build_binding(redirect_uri=f"https://{variant % 2}")
                if variant < 2
                else None,
                "remember": [
                    build_consent(
                        username=person,
                        client_id=client_id,
                        scope=(f"s{variant}",),
                        granted_at=now,
                        resource=f"/{variant % 2}",
                    )
                ]
                if variant > 1
                else [],
            },
        ),
        "push_request": lambda: (
            (
                digest(f"pushed {index}"),
                build_pushed(
                    client_id="client-1" if other % 2 else CLIENTS[other],
                    pushed_at=now,
                    party="preset" if variant == 3 else "",
                    expires_at=now + 50 * (variant + 1),
                ),
            ),
            {"now": now},
        ),
        "redeem_code": lambda: ((key, grant, digest(f"t{index}{variant}"), access), {"now": now}),
        "open_device": lambda: (
            (
                device,
                build_device(
                    f"d{other % 2}",
                    client_id=CLIENTS[other],
                    issued_at=now,
                    code_expires_at=now + 40 * (variant + 1),
                    expires_at=now + 80 * (variant + 1),
                ),
            ),
            {"now": now},
        ),
        "decide_device": lambda: (
            (device, digest(f"d{other % 2}")),
            {"username": person, "scope": None if variant == 5 else (f"s{variant}",), "now": now},
        ),
        "poll_device": lambda: (
            (device, digest(f"d{other % 2}")),
            {"client_id": CLIENTS[variant % 4], "now": now},
        ),
        "redeem_device": lambda: (
            (device, digest(f"d{variant % 2}"), grant, digest(f"t{index}{variant}"), access),
            {"now": now},
        ),
        "rotate_refresh": lambda: (
            (
                grant.grant_id,
                digest(f"r{other}"),
                build_successor(f"r{(other + 1) % 4}", expires_at=now + 200),
                digest(f"t{index}{variant}"),
                access,
            ),
            {"client_id": CLIENTS[variant % 4], "grace": 30.0, "now": now},
        ),
        "issue_grant": lambda: ((grant, digest(f"t{index}{variant}"), access), {"now": now}),
        "issue_access": lambda: ((digest(f"t{index}{variant}"), access), {"now": now}),
        "revoke_access": lambda: ((digest(f"t{index}{variant}"),), {}),
        "revoke_grant": lambda: ((grant.grant_id,), {}),
        "touch_grant": lambda: ((grant.grant_id,), {"now": now}),
        "disconnect_client": lambda: (
            (),
            {
                "username": person,
                "client_id": "client-1" if variant > 3 else CLIENTS[variant],
                "grant_id": grant.grant_id,
            },
        ),
        "open_session": lambda: (
            (key, build_session(username=person, signed_in_at=now, expires_at=now + 100 * (variant + 1))),
            {"replaces": digest(f"key {variant}") if variant < 3 else None},
        ),
        "close_session": lambda: ((key,), {}),
        "open_mcp_session": lambda: (
            (key, build_mcp_session(username=person, created_at=now, expires_at=now + 100 * (variant + 1))),
            {},
        ),
        "find_mcp_session": lambda: ((key,), {"now": now}),
        "subscribe_mcp_session": lambda: (
            (key, f"a://{variant % 3}"),
            {"is_wanted": variant != 5, "now": now},
        ),
        "set_mcp_log_level": lambda: ((key, f"l{variant % 2}"), {"now": now}),
        "close_mcp_session": lambda: ((key,), {}),
        "know_address": lambda: (
            (key, build_address(username=person, expires_at=now + 90 * (variant + 1))),
            {},
        ),
        "start_task": lambda: (
            (
                key,
                build_task(
                    username=person,
                    path=f"/{variant % 2}",
                    created_at=now,
                    expires_at=now + 80 * (variant + 1),
                ),
            ),
            {"now": now},
        ),
        "end_task": lambda: (
            (key,),
            {"status": "completed", "cause": "", "sealed": b"x" * 5 * variant, "now": now},
        ),
        "interrupt_tasks": lambda: ((), {"path": f"/{variant % 2}", "now": now}),
        "keep_document": lambda: (
            (client_id, build_document(fetched_at=now, expires_at=now + 90 * (variant + 1))),
            {},
        ),
        "forget_document": lambda: ((client_id,), {}),
        "use_once": lambda: (
            (("assertion", "dpop")[variant // 3], person, f"value {index}"),
            {"expires_at": now + 60 * (variant + 1), "now": now, "wait": variant % 2 == 0},
        ),
    }
    args, members = build[method]()
    return args, members


def _build_questions(now: float) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Everything there is to ask."""
    at = {"now": now}
    questions: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    for index, client_id in enumerate(CLIENTS):
        key = digest(f"key {index}")
        questions += [
            ("find_client", (client_id,), at),
            ("find_document", (client_id,), at),
            ("find_code", (key,), at),
            ("find_pushed", (digest(f"pushed {index}"),), at),
            ("find_device", (digest(f"device {index % 3}"),), at),
            ("find_grant", (build_grant(f"g{index}").grant_id,), at),
            ("find_session", (key,), at),
            ("is_known_address", (key,), at),
            ("find_task", (key,), at),
            *(("find_access", (digest(f"t{index}{variant}"),), at) for variant in range(6)),
        ]
        for person in PEOPLE:
            consent = {
                "username": person,
                "client_id": client_id,
                "redirect_uri": build_consent().redirect_uri,
            }
            for resources in (["/0"], ["/1"], ["/0", "/1"]):
                for scope in ((), ("s2",), ("s2", "s4")):
                    asked = consent | {"resources": resources, "scope": scope}
                    questions.append(("has_consent", (), asked))
    questions += [("find_grants", (person,), at) for person in PEOPLE]
    return [*questions, ("find_redirect_binding", ("client-1",), {})]


class _Pair:
    """The store and its model, driven together."""

    def __init__(self, folder: Path, durability: str) -> None:
        self.clock = Clock()
        self.model = Model(SMALL, self.clock)
        self.path = folder / "0" / "state"
        self.folder = folder
        self.durability = durability
        self.copies = 0
        self.files = WatchedFiles()

    async def open(self) -> None:
        self.store = EmbeddedStore.open(
            self.path,
            clock=self.clock,
            limits=SMALL,
            max_unused_clients=SMALL.unused_clients,
            durability=self.durability,  # type: ignore[arg-type]
            files=self.files,
        )
        await self.store.start()

    async def take(self, step: Step) -> None:
        # Time moves a little with each step, so that "the oldest" is never a tie.
        self.clock.now += 0.5
        match step[0]:
            case "wait":
                self.clock.now += (1, 20, 45, 130)[step[2]]
            case "sweep":
                await self.store.sweep()
            case "snapshot":
                assert await self.store.save_snapshot()
            case "stop":
                await self.store.close()
                await self.open()
            case "kill":
                await self._kill()
            case method:
                args, members = _build_call(step, self.clock.now)
                got = await getattr(self.store, method)(*args, **members)
                expected = getattr(self.model, method)(*args, **members)
                if method == "register_client":
                    # Whether one that has lapsed counts among those that went depends on when it was swept.
                    got = tuple(client_id for client_id in got if client_id in expected)
                assert got == expected, step

    async def _kill(self) -> None:
        # What nobody waits for may be lost by a kill; the next flush takes it along.
        await self.store._engine.journal.flush()  # type: ignore[union-attr]
        self.copies += 1
        with self.files.turn:
            copy = copy_files(self.path, self.folder / str(self.copies))
        await self.store.close()
        self.path = copy
        await self.open()

    async def compare(self) -> None:
        for method, args, members in _build_questions(self.clock.now):
            got = await getattr(self.store, method)(*args, **members)
            assert got == getattr(self.model, method)(*args, **members), (method, args, members)


@pytest.mark.parametrize("durability", ["always", "interval"])
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(taken=steps)
def test_restarts_make_no_difference(durability: str, taken: list[Step]) -> None:
    """Our choice: a clean stop or a kill between any two transitions changes no later answer."""

    async def scenario(folder: Path) -> None:
        pair = _Pair(folder, durability)
        await pair.open()
        try:
            for step in taken:
                await pair.take(step)
            await pair.compare()
            await pair.take(("kill", 0, 0, 0))
            await pair.compare()
            await pair.take(("stop", 0, 0, 0))
            await pair.compare()
        finally:
            await pair.store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))


def test_the_model_itself_starts_empty() -> None:
    """Our choice: a model that knew something from the start would prove nothing."""
    model = Model(SMALL, lambda: START)
    assert model.find_grants("ada", now=START) == []
