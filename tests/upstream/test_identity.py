"""Who calls reaches the servers behind the login, and nothing else of the caller's does."""

import pytest
from mcp_samples import ANN, ANN_ELSEWHERE, BOB, build_headers, build_stateless

from omnitornado.mcp.principal import Principal
from omnitornado.upstream.identity import build_environment, build_params
from omnitornado.upstream.pool import Owner

from .behind import Behind, read, run

CALLER = {"username": "ann", "client_id": "client-1", "client_name": "First client", "scopes": ["mcp"]}


def test_each_person_has_a_process_that_knows_who_they_are() -> None:
    """Our choice: the person is in the environment, the caller in `_meta` of each request."""

    async def scenario(behind: Behind) -> None:
        session = await behind.open()
        bobs = await behind.open(BOB)
        pids = [
            (await one).text
            for one in (
                session.call("pid"),
                behind.call("pid"),
                behind.call("pid", principal=ANN_ELSEWHERE),
                bobs.call("pid"),
                behind.call("pid", principal=BOB),
            )
        ]
        assert len({*pids[:3]}) == len({*pids[3:]}) == 1
        assert len({*pids}) == len(behind.pool) == 2
        environment = read(await session.call("environment"))
        assert environment["OMNITORNADO_USERNAME"] == "ann"
        assert "OMNITORNADO_CLIENT_ID" not in environment
        assert read(await bobs.call("environment"))["OMNITORNADO_USERNAME"] == "bob"
        assert read(await session.call("meta")) == {"omnitornado/caller": CALLER}
        assert read(await behind.call("meta")) == {"omnitornado/caller": CALLER}
        elsewhere = read(await behind.call("meta", principal=ANN_ELSEWHERE))["omnitornado/caller"]
        assert (elsewhere["username"], elsewhere["client_id"]) == ("ann", "client-2")

    run(scenario)


def test_a_process_of_a_session_knows_its_client_and_ends_with_it() -> None:
    """Our choice: `per = "session"`; without sessions, one for each client of a person."""

    async def scenario(behind: Behind) -> None:
        one, two = await behind.open(), await behind.open()
        assert (await one.call("pid")).text != (await two.call("pid")).text
        environment = read(await one.call("environment"))
        assert environment["OMNITORNADO_CLIENT_ID"] == "client-1"
        assert environment["OMNITORNADO_CLIENT_NAME"] == "First client"
        first = (await behind.call("pid")).text
        assert (await behind.call("pid")).text == first
        assert (await behind.call("pid", principal=ANN_ELSEWHERE)).text != first
        assert len(behind.pool) == 4
        assert (await behind.wire.delete(one.headers)).status == 204
        assert behind.pool.peek(Owner("ann", b"")) is None
        assert len([owner for owner in behind.pool._peers if isinstance(owner.key, bytes)]) == 1

    run(scenario, sharing="session", max_children=40)


def test_a_shared_process_has_nobody_in_its_environment() -> None:
    """Our choice: it learns from each request who calls."""

    async def scenario(behind: Behind) -> None:
        assert (await behind.call("pid")).text == (await behind.call("pid", principal=BOB)).text
        environment = read(await behind.call("environment"))
        assert not [name for name in environment if name.startswith("OMNITORNADO")]
        assert read(await behind.call("meta", principal=BOB))["omnitornado/caller"]["username"] == "bob"

    run(scenario, sharing="shared")


def test_of_our_own_environment_a_process_gets_little() -> None:
    """Our choice: the rest may hold secrets."""

    async def scenario(behind: Behind) -> None:
        environment = read(await behind.call("environment"))
        assert environment["OWN"] == "value"
        assert environment["PASSED"] == "passed on"
        assert environment["HOME"] == "/nowhere"
        assert "SECRET" not in environment

    run(scenario)


@pytest.mark.parametrize("key", ["omnitornado/caller", "omnitornado/x", "OmniTornado/caller"])
def test_a_client_cannot_say_that_it_is_somebody_else(key: str) -> None:
    """Our choice: that place of `_meta` is ours."""

    async def scenario(behind: Behind) -> None:
        forged = {key: {"username": "root"}, "com.example/x": 1}
        message = build_stateless("tools/call", {"name": "meta", "arguments": {}}, **forged)
        answer = await behind.wire.post(message, build_headers(message))
        assert read(answer) == {"omnitornado/caller": CALLER, "com.example/x": 1}
        session = await behind.open()
        answer = await session.ask("tools/call", name="meta", _meta=forged)
        assert read(answer) == {"omnitornado/caller": CALLER, "com.example/x": 1}

    run(scenario)


def test_the_environment_cannot_be_broken_by_a_name() -> None:
    """Our choice: names of clients are their own words."""
    odd = Principal("a\0b\ud800", "c", "x\0=y", frozenset())
    environment = build_environment(
        {"OMNITORNADO_USERNAME": "configured"}, [], principal=odd, names_client=True, own={}
    )
    assert environment == {
        "OMNITORNADO_USERNAME": "ab?",
        "OMNITORNADO_CLIENT_ID": "c",
        "OMNITORNADO_CLIENT_NAME": "x=y",
    }
    assert build_environment({"OMNITORNADO_CLIENT_ID": "x"}, [], principal=None, own={}) == {}


def test_parameters_keep_what_is_the_clients_own() -> None:
    """Required by MCP 2026-07-28 basic/index, `_meta`: what is not known passes through."""
    meta = {"progressToken": "theirs", "io.modelcontextprotocol/protocolVersion": "2026-07-28", "x": [1]}
    params = build_params({"name": "n", "own": {"y": 2}, "_meta": meta}, ANN, 7)
    assert params == {
        "name": "n",
        "own": {"y": 2},
        "_meta": {"x": [1], "omnitornado/caller": CALLER, "progressToken": 7},
    }
    assert build_params({"_meta": "no object"}, ANN, None) == {"_meta": {"omnitornado/caller": CALLER}}
