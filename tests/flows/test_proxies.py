"""The server behind a real nginx and a real HAProxy, configured as in `examples/proxies`."""

import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import TOP, ServerProcess
from .proxies import WRITERS, find_free_port, open_proxy
from .raw import RawClient


@pytest.fixture(params=list(WRITERS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(kind: str, context: ssl.SSLContext, serve: Serve, tmp_path: Path) -> Iterator[ServerProcess]:
    port, public = find_free_port(), find_free_port()
    network = {"public_url": f"https://localhost:{public}", "trusted_proxies": ["127.0.0.1"]}
    server = serve(server=network, port=port)
    with open_proxy(kind, tmp_path, public, [port]):
        yield server


@pytest.fixture
def raw(server: ServerProcess, ledger: Ledger, context: ssl.SSLContext) -> Iterator[RawClient]:
    with RawClient(server.issuer, ledger, verify=context) as raw:
        yield raw


@pytest.fixture
def person(server: ServerProcess, ledger: Ledger, context: ssl.SSLContext) -> Iterator[Person]:
    with Person(server.issuer, ledger, verify=context) as person:
        yield person


def test_the_whole_way_goes_through_the_proxy(raw: RawClient, person: Person) -> None:
    """Our choice: every document names the public address, and the login's cookies are bound to it."""
    document = raw.http.get(f"{raw.issuer}/.well-known/oauth-authorization-server").json()
    assert document["issuer"] == raw.issuer
    raw.connect(person)
    assert raw.call_tool("add", {"a": 2, "b": 3}).json()["result"]["structuredContent"] == 5
    assert raw.refresh().status_code == 200
    assert {cookie.name for cookie in person.cookies} >= {"__Host-omnitornado_session"}


def test_http_2_in_front_is_as_good(
    raw: RawClient, person: Person, ledger: Ledger, context: ssl.SSLContext
) -> None:
    """Our choice: what the proxy makes of HTTP/2 is a request like any other, its Host among it."""
    with RawClient(raw.issuer, ledger, verify=context, http2=True) as modern:
        modern.connect(person)
        response = modern.call_tool("add", {"a": 2, "b": 3})
    assert response.http_version == "HTTP/2"
    assert response.json()["result"]["structuredContent"] == 5


def test_a_stream_passes_as_it_comes(raw: RawClient, person: Person, tmp_path: Path) -> None:
    """Our choice: what a tool reports is with the client while the tool still waits."""
    raw.connect(person)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    params = {"name": "wait", "arguments": {"pipe": str(pipe)}, "_meta": {"progressToken": "p"}}
    response = raw.http.send(raw.build_call("tools/call", params), stream=True)
    lines = response.iter_lines()
    assert any("waiting" in line for line in lines)  # the tool waits for the pipe, and would for ever
    threading.Thread(target=pipe.write_text, args=("come",)).start()
    assert any("come" in line for line in lines)
    response.close()


def test_the_client_s_address_is_the_proxy_s_word_alone(
    server: ServerProcess, ledger: Ledger, context: ssl.SSLContext
) -> None:
    """Required by RFC 7239 §8.1, which holds for X-Forwarded-For as well: what a client says of itself before
    it came to a trusted proxy is no more than that.
    """
    network = httpx.HTTPTransport(local_address="127.0.0.9", verify=context)
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http"}
    with RawClient(server.issuer, ledger, verify=context, transport=network, headers=headers) as raw:
        assert raw.register().status_code == 201
    server.wait_for_log("register.succeeded")
    assert server.count_log("address=127.0.0.9") == 1
    assert server.count_log("203.0.113.7") == 0


def test_the_guide_shows_the_files_that_are_tested() -> None:
    """Our choice: nobody copies what no test has seen."""
    guide = (TOP / "docs" / "operations.md").read_text()
    for name in ("nginx.conf", "haproxy.cfg"):
        assert (TOP / "examples" / "proxies" / name).read_text() in guide
