"""How the process ends: what is in flight is answered, streams end, and a start that can't be says why."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import toml

from omnitornado.store.header import HEADER_SIZE

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import PATIENCE, ServerProcess, build_command, build_environment
from .raw import RawClient

SIGNALS = [signal.SIGTERM, signal.SIGINT]
REVISIONS = ["2025-11-25", "2026-07-28"]


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    """A named pipe: who reads it waits until the test writes."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return str(path)


@contextmanager
def call_in_flight(
    raw: RawClient, name: str, arguments: dict[str, Any]
) -> Iterator[Iterator[dict[str, Any]]]:
    """A tool call that has begun; gives the messages of its stream that come after the first progress."""
    params = {"name": name, "arguments": arguments, "_meta": {"progressToken": 0}}
    response = raw.http.send(raw.build_call("tools/call", params, request_id=7), stream=True)
    try:
        messages = parse_events(response.iter_lines())
        assert next(messages)["params"] == {
            "progressToken": 0,
            "progress": 0,
            "total": 1,
            "message": "waiting",
        }
        yield messages
    finally:
        response.close()


def parse_events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The messages of a stream: an event without data only primes the client to come back."""
    for line in lines:
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


@pytest.fixture
def connected(server: ServerProcess, raw: RawClient, person: Person) -> RawClient:
    """A client with tokens."""
    raw.connect(person)
    return raw


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("revision", REVISIONS)
def test_a_call_in_flight_is_answered_before_the_end(
    server: ServerProcess, connected: RawClient, pipe: str, revision: str, number: signal.Signals
) -> None:
    """Our choice: stopping takes nothing back that was begun."""
    if revision != "2026-07-28":
        connected.initialize(revision)
    with call_in_flight(connected, "wait", {"pipe": pipe}) as messages:
        server.send_signal(number)
        server.wait_for_log("server.stopping in_flight=1")
        Path(pipe).write_text("the answer")
        answer = list(messages)
    assert [message["id"] for message in answer] == [7]
    assert answer[0]["result"]["content"] == [{"type": "text", "text": "the answer"}]
    server.check_end(server.wait())
    assert server.count_log("server.stopped") == 1
    assert server.count_log("server.cut") == 0


def test_a_call_without_a_stream_is_answered_too(
    server: ServerProcess, connected: RawClient, pipe: str
) -> None:
    """Our choice: one JSON answer, as it would have come otherwise."""
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(connected.call_tool("wait", {"pipe": pipe})))
    caller.start()
    with open(pipe, "w") as writer:  # returns when the tool reads
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("server.stopping in_flight=1")
        writer.write("the answer")
    caller.join(PATIENCE)
    assert answers[0].headers["Content-Type"] == "application/json"
    assert answers[0].json()["result"]["content"] == [{"type": "text", "text": "the answer"}]
    server.check_end(server.wait())


@pytest.mark.parametrize("number", SIGNALS)
def test_an_open_stream_ends_and_does_not_hold_the_end_up(
    server: ServerProcess, connected: RawClient, number: signal.Signals
) -> None:
    """Required by RFC 9112 §7.1: the chunked body is closed, so that an end is not taken for a break."""
    connected.initialize("2025-11-25")
    with connected.listen() as lines:
        assert next(lines) == ": keep-alive"
        server.send_signal(number)
        # An event without data primes the client to come back; no message has it.
        assert [line for line in lines if line.startswith("data: {")] == []
    server.check_end(server.wait())
    assert server.count_log("server.cut") == 0


def test_while_it_stops_other_requests_are_told_so(
    server: ServerProcess, connected: RawClient, pipe: str
) -> None:
    """Our choice: 503 on connections that are open still, and no new connection."""
    with (
        httpx.Client(timeout=PATIENCE) as http,
        call_in_flight(connected, "wait", {"pipe": pipe}) as messages,
    ):
        assert http.get(f"{server.issuer}/healthz").status_code == 200
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("server.stopping")
        assert http.get(f"{server.issuer}/healthz").status_code == 503
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.issuer}/healthz")
        Path(pipe).write_text("the answer")
        assert [message["id"] for message in messages] == [7]
    server.check_end(server.wait())


@pytest.mark.parametrize("tool", ["wait", "wait_forever"])
@pytest.mark.parametrize("revision", REVISIONS)
def test_a_call_that_outlasts_the_grace_is_told_that_the_server_stops(
    serve: Serve, ledger: Ledger, pipe: str, revision: str, tool: str
) -> None:
    """Our choice ([server] shutdown_grace): an answer all the same, and a line in the log. Nor does a plain
    tool's thread, which nothing can stop, hold the process.
    """
    server = serve(server={"shutdown_grace": 0})
    with Person(server.issuer, ledger) as person, RawClient(server.issuer, ledger) as raw:
        raw.connect(person)
        if revision != "2026-07-28":
            raw.initialize(revision)
        with call_in_flight(raw, tool, {"pipe": pipe} if tool == "wait" else {}) as messages:
            server.send_signal(signal.SIGTERM)
            answer = list(messages)
    assert [message["id"] for message in answer] == [7]
    assert "stopping" in json.dumps(answer[0])
    server.check_end(server.wait())
    assert server.count_log("server.cut in_flight=1") == 1


@pytest.mark.parametrize(
    ("sent", "begun"),
    [
        (b"", 0),
        (b"POST /mcp HT", 0),
        (b"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\ngrant_type=", 1),
        (b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{", 1),
    ],
    ids=["idle", "half a line", "half a form", "half a message"],
)
def test_a_client_that_says_no_more_does_not_hold_the_end_up(serve: Serve, sent: bytes, begun: int) -> None:
    """Our choice: its connection is closed, once the grace is over where a request has begun."""
    server = serve(server={"shutdown_grace": 0})
    with (
        httpx.Client(timeout=PATIENCE) as http,
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as silent,
    ):
        silent.sendall(sent)
        assert http.get(f"{server.issuer}/healthz").status_code == 200
        server.send_signal(signal.SIGTERM)
        assert silent.recv(1) == b""
    server.check_end(server.wait())
    assert server.count_log("server.cut") == begun


def test_a_second_signal_changes_nothing(server: ServerProcess, connected: RawClient, pipe: str) -> None:
    """Our choice: an impatient Ctrl-C does not cost anybody their answer."""
    with call_in_flight(connected, "wait", {"pipe": pipe}) as messages:
        server.send_signal(signal.SIGINT)
        server.wait_for_log("server.stopping")
        server.send_signal(signal.SIGINT)
        server.send_signal(signal.SIGTERM)
        Path(pipe).write_text("the answer")
        assert [message["id"] for message in messages] == [7]
    server.check_end(server.wait())


def test_the_state_is_one_snapshot_after_a_clean_end(server: ServerProcess, connected: RawClient) -> None:
    """Our choice: what a start must read is one file and an empty journal."""
    server.stop()
    journals = list(server.folder.glob("journey.state.journal.*"))
    assert [path.stat().st_size for path in journals] == [HEADER_SIZE]
    assert (server.folder / "journey.state").stat().st_size > 100


# Starts that can't be


def start_in_vain(folder: Path, settings: dict[str, Any] | str, *options: str) -> str:
    """The one line on standard error of a server that ends with 2 before it served."""
    config = folder / "in-vain.toml"
    config.write_text(settings if isinstance(settings, str) else toml.dumps(settings))
    command = build_command(config, *options)
    ended = subprocess.run(
        command, cwd=folder, env=build_environment(), capture_output=True, text=True, timeout=PATIENCE
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def test_a_second_server_on_the_same_state_is_refused(server: ServerProcess) -> None:
    """Our choice: exit code 2 and one line; the first goes on."""
    reason = start_in_vain(server.folder, server.settings, "--port", "0")
    assert "journey.state.lock: another process is using this store" in reason
    assert httpx.get(f"{server.issuer}/healthz").status_code == 200


def test_a_port_in_use_is_refused(server: ServerProcess) -> None:
    """Our choice: exit code 2 and one line that names the port."""
    settings = server.settings | {"store": {"path": "other.state"}}
    reason = start_in_vain(server.folder, settings, "--port", str(server.port))
    assert f"can't listen on 127.0.0.1 port {server.port}: Address already in use" in reason


def test_a_port_that_somebody_else_holds_is_refused(serve: Serve) -> None:
    """Our choice: as above, with the line of the file."""
    server = serve()
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        settings = server.settings | {"store": {"path": "other.state"}, "server": {"port": port}}
        reason = start_in_vain(server.folder, settings)
    assert re.match(r".*/in-vain\.toml:[0-9]+: \[server\] port: can't listen on 127\.0\.0\.1 port", reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[server\n", "in-vain.toml:1: "),
        ("[server]\nprot = 1\n", "in-vain.toml:2: [server] prot: unknown key; did you mean port?"),
        ('[server]\nport = "x"\n', "in-vain.toml:2: [server] port: "),
        ('[server]\nhost = "0.0.0.0"\n', "in-vain.toml:1: [server] public_url: needed because host"),
        ('[mcp]\napp = "nowhere:mcp"\n', "in-vain.toml:2: [mcp] app: nowhere:mcp: ModuleNotFoundError"),
        ('[store]\npath = "/proc/nowhere/state"\n', "/proc/nowhere"),
        ('[store]\nurl = "redis://a:b@127.0.0.1:1/0"\nstart_timeout = 0\n', "redis://127.0.0.1:1/0: "),
    ],
)
def test_a_bad_configuration_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """Our choice: exit code 2, and one line with the file, the line, the key and the reason."""
    assert reason in start_in_vain(tmp_path, text)


def test_a_damaged_store_is_refused(server: ServerProcess, connected: RawClient) -> None:
    """Our choice: rather no start than one that has forgotten what it promised."""
    server.stop()
    state = server.folder / "journey.state"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    assert "journey.state: record " in start_in_vain(server.folder, server.settings, "--port", "0")
