"""The doctor against running servers: ours, and small ones that are broken on purpose."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from net.https_site import make_certificate
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from omnitornado.cli import main
from omnitornado.doctor.answers import MAX_BODY
from omnitornado.doctor.asking import Asker
from omnitornado.doctor.clients import CLIENTS
from omnitornado.doctor.examine import Report
from omnitornado.doctor.findings import FAILS
from omnitornado.doctor.walker import visit

from .conftest import QuietLog, StartSite
from .site import Site

PATIENCE = 60.0


class Broken(RequestHandler):
    """A server that does most things wrong, and notes what it was asked."""

    asked: list[tuple[str, str]]

    def initialize(self, asked: list[tuple[str, str]]) -> None:
        self.asked = asked
        asked.append((str(self.request.method), self.request.path))
        self.base = f"http://{self.request.host}"

    async def prepare(self) -> None:
        answer = getattr(
            self, "on" + self.request.path.replace("/", "_").replace("-", "_").replace(".", "_"), None
        )
        if answer is None:
            self.set_status(404)
            self.finish("\x1b[2J nothing")
        else:
            answer()

    def on_mcp(self) -> None:
        self.set_status(405 if self.request.method == "HEAD" else 401)
        self.set_header("WWW-Authenticate", "Bearer")
        self.finish()

    def on__well_known_oauth_protected_resource(self) -> None:
        self.finish({"resource": "http://10.0.0.1/mcp", "authorization_servers": [self.base + "/"]})

    def on__well_known_oauth_authorization_server(self) -> None:
        names = ("authorize", "token", "register")
        endpoints = {f"{'registration' if name == 'register' else name}_endpoint": name for name in names}
        endpoints["authorization_endpoint"] = endpoints.pop("authorize_endpoint")
        places = {key: f"{self.base}/{name}" for key, name in endpoints.items()}
        self.finish({"issuer": self.base, "response_types_supported": ["code"], **places})

    def on_register(self) -> None:
        self.set_status(201)
        document = msgspec.json.decode(self.request.body)
        link = {"registration_client_uri": "http://127.0.0.1:1/steal", "registration_access_token": "t"}
        self.finish(document | {"client_id": "c\x1b[31m", "client_secret": "s"} | link)

    def on_authorize(self) -> None:
        self.set_status(401)
        self.finish()


@pytest.fixture
def asker(io_loop: Any) -> Iterator[Asker]:
    asker = Asker(time_limit=PATIENCE)
    yield asker
    asker.close()


class Served:
    """A handler on a free port."""

    def __init__(self, handler: type[RequestHandler], **arguments: Any) -> None:
        sock, port = bind_unused_port()
        application = Application([(r"/.*", handler, arguments)], log_function=lambda handler: None)
        self._server = HTTPServer(application)
        self._server.add_socket(sock)
        self.url = f"http://127.0.0.1:{port}/mcp"

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop()


async def run(*arguments: str) -> tuple[int, str, str]:
    """The command, as a process of its own: the server it asks lives in this one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "omnitornado", "doctor", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


def find_codes(reports: tuple[Report, ...], name: str) -> set[str]:
    (report,) = [one for one in reports if one.name == name]
    return {finding.code for finding in report.findings if finding.level == FAILS}


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_our_own_server_passes_with_every_client_and_nothing_stays_behind(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: exit code 0, and each registration is deleted again."""
    with caplog.at_level(logging.INFO, logger="omnitornado"):
        code, output, errors = await run(f"{site.url}/mcp")
    assert (code, errors) == (0, "")
    assert output.splitlines()[-1] == "Would fail: none"
    assert "no_deletion" not in output
    assert all(f"\n{client.name}: passes" in output for client in CLIENTS)
    assert caplog.text.count("register.succeeded") == len(CLIENTS)
    assert caplog.text.count("register.deleted") == len(CLIENTS)


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_nobody_registers_where_that_is_not_wanted(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: `--no-register` leaves nothing in the server's log of registrations; and JSON is whole."""
    with caplog.at_level(logging.INFO, logger="omnitornado"):
        code, output, errors = await run(f"{site.url}/mcp", "--no-register", "--json")
    assert (code, errors) == (0, "")
    assert "register.succeeded" not in caplog.text
    assert "client_unknown" in caplog.text
    written = msgspec.json.decode(output)
    assert written["fails"] is False
    assert [client["name"] for client in written["clients"]] == [client.name for client in CLIENTS]


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_an_address_pasted_with_another_ending_is_told_of(site: Site, asker: Asker) -> None:
    """Our choice: clients that compare letter by letter would stop."""
    reports = await visit(f"{site.url.replace('127.0.0.1', 'localhost')}/mcp/", asker, register=False)
    assert any(report.fails for report in reports)


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_a_server_without_registration_is_told_of(start_site: StartSite, asker: Asker) -> None:
    """Our choice: a client without a document of its own has no way in."""
    site = await start_site(settings={"registration": {"enabled": False}})
    reports = await visit(f"{site.url}/mcp", asker)
    assert find_codes(reports, "Gemini CLI") == {"no_identity"}


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_a_server_for_pushed_requests_alone_is_told_of(start_site: StartSite, asker: Asker) -> None:
    """Our choice: no MCP client pushes its request."""
    site = await start_site(settings={"pushed_requests": {"required": True}})
    reports = await visit(f"{site.url}/mcp", asker)
    assert all("push_required" in find_codes(reports, client.name) for client in CLIENTS)


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_a_broken_server_is_told_of_and_gets_no_control_of_the_terminal() -> None:
    """Our choice: exit code 1; everything wrong at once, each in its client's lines."""
    asked: list[tuple[str, str]] = []
    with Served(Broken, asked=asked) as served:
        code, output, errors = await run(served.url, "--json")
        shown_code, shown, _ = await run(served.url)
    assert (code, shown_code, errors) == (1, 1, "")
    found = {
        client["name"]: {one["code"] for one in client["findings"] if one["level"] == FAILS}
        for client in msgspec.json.decode(output)["clients"]
    }
    common = {"resource_differs", "issuer_differs", "no_s256", "authorize_401"}
    assert found["Codex"] == common | {"no_none", "secret_issued"}
    assert found["Gemini CLI"] == found["Codex"] | {"not_401", "no_resource_metadata"}
    assert found["Python SDK"] == common
    assert all(line.isprintable() for line in shown.splitlines())
    # A link that leads elsewhere is not followed with the token, and says so.
    assert "stays behind" in shown
    assert not [method for method, _ in asked if method == "DELETE"]


class Large(RequestHandler):
    """Sends more than anybody reads, and then never ends."""

    async def get(self) -> None:
        self.set_header("X-Long", "x" * 1000)
        self.write(b"x" * (MAX_BODY + 1))
        await self.flush()


class Endless(RequestHandler):
    """Sends a head and a stream that never ends."""

    async def get(self) -> None:
        self.write(b"data: 1\n\n")
        await self.flush()
        await asyncio.Event().wait()


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_an_answer_is_read_within_bounds(asker: Asker) -> None:
    """Our choice: too much is not read on, and a stream that never ends is left, with its status known."""
    with Served(Large) as served:
        answer = await asker.ask("GET", served.url, {})
        assert (answer.status, answer.body) == (200, b"")
    quick = Asker(time_limit=0.5)
    with Served(Endless) as served:
        answer = await quick.ask("GET", served.url, {})
        assert (answer.status, answer.body) == (200, b"")
    quick.close()


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_a_public_server_sends_nobody_to_a_private_address(asker: Asker) -> None:
    """Our choice: what a document names is resolved, checked and asked in one; loopback is not asked."""
    asked: list[tuple[str, str]] = []
    with Served(Broken, asked=asked) as served:
        asker.resolver.is_guarded = True
        for url in (served.url, served.url.replace("127.0.0.1", "localhost"), "http://169.254.169.254/"):
            answer = await asker.ask("GET", url, {})
            assert (answer.status, answer.trouble) == (0, "guarded")
    assert asked == []


@pytest.mark.gen_test(timeout=PATIENCE)
async def test_what_goes_wrong_on_the_way_has_its_word(asker: Asker, quiet_log: QuietLog) -> None:
    """Our choice: a port that nobody listens at, no such name, no TLS, a certificate of its own."""
    quiet_log.expect("SSL Error")
    sock, port = bind_unused_port()
    sock.close()
    assert (await asker.ask("GET", f"http://127.0.0.1:{port}/", {})).trouble == "refused"
    assert (await asker.ask("GET", "http://nobody.invalid/", {})).trouble == "name"
    plain = await asyncio.start_server(
        lambda _, writer: writer.write(b"HTTP/1.1 400 No\r\n\r\n"), "127.0.0.1"
    )
    port = plain.sockets[0].getsockname()[1]
    assert (await asker.ask("GET", f"https://127.0.0.1:{port}/", {})).trouble == "tls"
    plain.close()
    signed = await asyncio.start_server(lambda *_: None, "127.0.0.1", ssl=make_certificate()[0])
    port = signed.sockets[0].getsockname()[1]
    assert (await asker.ask("GET", f"https://localhost:{port}/", {})).trouble == "certificate"
    signed.close()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "required: URL"),
        (["mcp.example.com/mcp"], "must begin with https://"),
        (["https://user:secret@example.com/"], "no user"),
        (["https://nobody.invalid/mcp"], "can't be resolved"),
        (["http://127.0.0.1:1/mcp"], "nothing answers"),
        (["http://x/\x1b[31m"], "can't have"),
    ],
)
def test_an_address_that_is_of_no_use_ends_with_one_line(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Our choice: exit code 2 and one printable line on standard error."""
    assert main(["doctor", *arguments]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert reason in errors
    assert errors.rstrip("\n").isprintable()
