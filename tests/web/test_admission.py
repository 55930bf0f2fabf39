"""The short way to `/mcp`: who takes it gets what the long way gives, and whoever should not, does not."""

import json
import subprocess
import sys
from typing import Any

import pytest
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest, RequestStartLine

from omnitornado.mcp.server import MCPServer
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.serving.memory import YOUNG
from omnitornado.web.admission import Admission
from omnitornado.web.mcp_call import McpCallHandler
from omnitornado.web.protected import Protection
from omnitornado.web.site import Site as Application
from omnitornado.web.whole_request import WholeRequest, WholeRequestDelegate

from .conftest import QuietLog, StartSite
from .short_way import note_paths
from .site import Site, build_stateless, until
from .wire import Answer, Connection, build_request, exchange

MESSAGE, MIRRORED = build_stateless("tools/call", {"name": "whoami", "arguments": {}})
START_LINE = RequestStartLine("POST", "/mcp", "HTTP/1.1")
BODY = json.dumps(MESSAGE).encode()
GRANULARITY = 61.0
"""Seconds after which a grant's use is noted again."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each request that has taken the short way."""
    return note_paths(monkeypatch, McpCallHandler)


def build_headers(token: str, **more: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"} | MIRRORED
    return {name.replace("_", "-"): value for name, value in headers.items()} | more


async def post(site: Site, headers: dict[str, str], body: bytes = BODY, path: str = "/mcp") -> Answer:
    return await exchange(site.port, build_request(f"POST {path}", site.port, headers=headers, body=body))


class Connected(HTTPConnection):
    """Somebody at the other end."""

    class context:  # noqa: N801 - as Tornado names it
        remote_ip = "192.0.2.1"
        protocol = "https"


def find_admission(site: Site) -> Admission:
    application = site.server._http.request_callback
    assert isinstance(application, Application)
    (door,) = application.doors.values()
    return door.admission


async def obtain_token(site: Site) -> str:
    """A token. The server knows its own name then: the first request for it goes the long way."""
    await site.fetch("/mcp", method="POST", body="")
    token: str = (await site.obtain_tokens())["access_token"]
    return token


@pytest.mark.gen_test
async def test_both_ways_give_the_same_answer(site: Site, short: list[str]) -> None:
    """Our choice: the short way is shorter, and nothing else."""
    token = await obtain_token(site)
    quick = await post(site, build_headers(token))
    assert short == ["/mcp"]
    slow = await post(site, build_headers(token, Authorization=f"bearer  {token}"))
    assert short == ["/mcp"]
    assert quick.status == 200
    assert json.loads(quick.body)["result"]["content"][0]["text"] == "ada by preset"
    assert (quick.status, quick.headers, quick.body) == (slow.status, slow.headers, slow.body)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": "Basic x"}, 401),
        ({"Authorization": ""}, 401),
        ({"Content-Type": "multipart/form-data"}, 200),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 200),
        ({"Expect": "100-continue"}, 200),
        ({"Mcp-Name": "add"}, 400),
    ],
)
async def test_whatever_is_not_plainly_good_is_judged_as_ever(
    site: Site, short: list[str], headers: dict[str, str], status: int
) -> None:
    """Required by RFC 6750 §3.1, MCP 2026-07-28 streamable-http (Security & Endpoint, Server Validation)."""
    token = await obtain_token(site)
    sent = {"Host": f"127.0.0.1:{site.port}"} | build_headers(token) | headers
    async with Connection(site.port) as connection:
        connection.send(build_request("POST /mcp", site.port, headers=sent, body=BODY))
        if "Expect" in headers:
            assert (await connection.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        assert (await connection.read_answer()).status == status
    assert short == (["/mcp"] if "Mcp-Name" in headers else [])


@pytest.mark.gen_test
async def test_a_path_that_is_another_goes_the_long_way(site: Site, short: list[str]) -> None:
    """Our choice: with a final slash or a query it is the same endpoint; a longer path is none."""
    token = await obtain_token(site)
    assert (await post(site, build_headers(token), path="/mcp/")).status == 200
    assert (await post(site, build_headers(token), path="/mcp//")).status == 404
    assert (await post(site, build_headers(token), path="//mcp")).status == 404
    assert short == []
    assert (await post(site, build_headers(token), path="/mcp?a=b")).status == 200
    assert short == []


@pytest.mark.gen_test
async def test_a_second_authorization_header_closes_the_short_way(site: Site, short: list[str]) -> None:
    """Required by RFC 6750 §3.1 invalid_request."""
    token = await obtain_token(site)
    request = build_request("POST /mcp", site.port, headers=build_headers(token), body=BODY)
    for other in (token, "x"):
        twice = request.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {other}\r\n\r\n".encode(), 1)
        assert (await exchange(site.port, twice)).status == 400
    assert short == []


@pytest.mark.gen_test
@pytest.mark.parametrize("length", ["", "-1", "+5", "0x10", "1" * 30, "5,5", "4194305"])
async def test_a_length_that_is_none_or_too_long_closes_the_short_way(
    site: Site, short: list[str], length: str
) -> None:
    """Required by RFC 9112 §6.3, RFC 9110 §15.5.14."""
    token = await obtain_token(site)
    headers = build_headers(token) | {"Content-Length": length, "Connection": "close"}
    async with Connection(site.port) as connection:
        connection.send(build_request("POST /mcp", site.port, headers=headers))
        connection.writer.write_eof()
        raw = await connection.read_end()
    assert not raw.startswith(b"HTTP/1.1 200 ")
    assert short == []


@pytest.mark.gen_test
async def test_what_a_token_came_to_is_forgotten_with_what_it_was_read_off(
    site: Site, short: list[str]
) -> None:
    """Required by RFC 7009 §2, RFC 6750 §3.1 and our choice: looked up for each request."""
    token, other = await obtain_token(site), await obtain_token(site)
    assert [(await post(site, build_headers(one))).status for one in (token, other, token)] == [200] * 3
    people = site.services.people._people
    assert isinstance(people, dict)
    person = people.pop("ada")
    assert (await post(site, build_headers(token))).status == 401
    people["ada"] = type(person)("ada", person.password_hash, ())  # who may grant nothing any more
    assert (await post(site, build_headers(token))).status == 403
    people["ada"] = person
    assert (await post(site, build_headers(token))).status == 200
    await site.post_token({"token": token}, path="/revoke")
    assert (await post(site, build_headers(token))).status == 401
    assert (await post(site, build_headers(other))).status == 200
    site.clock.advance(3601)
    assert (await post(site, build_headers(other))).status == 401
    assert len(short) == 5


@pytest.mark.gen_test
async def test_a_grants_use_is_noted_as_ever(site: Site, short: list[str]) -> None:
    """Our choice: once a minute a request goes the long way, which notes it."""
    token = await obtain_token(site)
    await post(site, build_headers(token))
    site.clock.advance(GRANULARITY)
    await post(site, build_headers(token))
    assert len(short) == 1
    (grant,) = await site.services.store.find_grants("ada", now=site.clock())
    assert grant.last_used_at == site.clock()
    await post(site, build_headers(token))
    assert len(short) == 2


@pytest.mark.gen_test
async def test_a_token_for_another_endpoint_is_not_let_in(site: Site) -> None:
    """Required by RFC 8707 §2: a token is good for the resource that it was issued for."""
    token = await obtain_token(site)
    headers = HTTPHeaders(
        {"Host": f"127.0.0.1:{site.port}", "Content-Length": "1", "Content-Type": "application/json"}
        | {"Authorization": f"Bearer {token}"}
    )
    request = HTTPServerRequest(start_line=START_LINE, headers=headers)
    for path, is_let_in in (("/mcp", True), ("/other", False), ("/mcp", True)):
        resource = ProtectedResource(path=path, name="a", scope=("mcp",))
        admission = Admission(site.services, Protection(resource=resource, max_body=1))
        assert admission.find_admitted(headers) is None
        admission.learn_host(request)
        assert (admission.find_admitted(headers) is not None) is is_let_in


@pytest.mark.gen_test
async def test_a_name_is_learned_when_it_is_this_servers(site: Site, short: list[str]) -> None:
    """Required by MCP 2026-07-28 streamable-http (Security & Endpoint): a rebound name gets in by no way."""
    token = await obtain_token(site)
    for host, status in (("localhost", 200), ("evil.example", 421), ("localhost, a", 400), ("a b", 400)):
        headers = {"Host": f"{host}:{site.port}"} | build_headers(token)
        taken = len(short)
        assert [(await post(site, headers)).status for _ in range(2)] == [status] * 2
        assert len(short) == taken + (status == 200)
    admission = find_admission(site)
    assert admission.hosts.names == {f"127.0.0.1:{site.port}", f"localhost:{site.port}"}


@pytest.mark.gen_test
async def test_so_many_names_are_remembered_and_no_more(
    start_site: StartSite, short: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: with a public URL every name is taken, but not kept."""
    monkeypatch.setattr("omnitornado.web.admission.MAX_HOSTS", 3)
    site = await start_site(public_url="https://mcp.example")
    for number in range(5):
        await exchange(site.port, build_request("POST /mcp", site.port, headers={"Host": f"a{number}"}))
    assert find_admission(site).hosts.names == {"a0", "a1", "a2"}


def test_a_request_of_the_short_way_is_what_tornado_makes_of_it() -> None:
    """Our choice: a handler can't tell them apart."""
    headers = HTTPHeaders({"Host": "A.example:80"})
    connection, server = Connected(), object()
    usual = HTTPServerRequest(
        start_line=START_LINE, headers=headers, body=b"a", connection=connection, server_connection=server
    )
    quick = WholeRequest(START_LINE, headers, headers["Host"], b"a", connection, server)
    expected, found = vars(usual), vars(quick) | {"host_name": quick.host_name}
    assert abs(expected.pop("_start_time") - found.pop("_start_time")) < 60
    assert found == expected
    assert quick.full_url() == usual.full_url()
    assert quick.cookies == usual.cookies


@pytest.mark.gen_test
async def test_so_many_tokens_are_remembered_and_no_more(
    site: Site, short: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: bounded, and the oldest goes."""
    monkeypatch.setattr("omnitornado.web.admission.MAX_KNOWN", 2)
    tokens = [await obtain_token(site) for _ in range(4)]
    for token in (*tokens, *tokens):
        assert (await post(site, build_headers(token))).status == 200
    assert len(find_admission(site)._known) == 2
    assert len(short) == 8


@pytest.mark.gen_test
async def test_a_body_in_pieces_is_waited_for_and_counts_as_under_way(site: Site, short: list[str]) -> None:
    """Our choice: a server that stops lets it come."""
    token = await obtain_token(site)
    request = build_request("POST /mcp", site.port, headers=build_headers(token), body=BODY)
    cut = request.index(b"\r\n\r\n") + 4
    async with Connection(site.port) as connection:
        for piece in (request[:-20], request[-20:-10]):
            connection.send(piece)
            await until(lambda: len(site.services.in_flight) == 1)
        (under_way,) = site.services.in_flight._requests
        assert isinstance(under_way, WholeRequestDelegate)
        await until(lambda: sum(map(len, under_way._chunks)) == len(request) - cut - 10)
        assert short == []
        connection.send(request[-10:])
        assert (await connection.read_answer()).status == 200
        await until(lambda: len(site.services.in_flight) == 0)
        connection.send(request[:-5])
        await until(lambda: len(site.services.in_flight) == 1)
    await until(lambda: len(site.services.in_flight) == 0)
    assert short == ["/mcp"]


# Answers whose head is ready


FAST = {"server": {"speed": "auto", "shutdown_grace": "0s"}}
BOTH = pytest.mark.parametrize("settings", [None, FAST], ids=["plain", "fast"])


def drop_date(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "date"}


@pytest.mark.gen_test
async def test_a_ready_head_is_the_head_that_tornado_writes(start_site: StartSite, short: list[str]) -> None:
    """Our choice: a client can't tell the ways apart, nor the connections."""
    plain, fast = await start_site(), await start_site(settings=FAST)
    answers = []
    for site in (plain, fast):
        token = await obtain_token(site)
        for authorization in ("Bearer", "bearer"):
            headers = build_headers(token) | {"Authorization": f"{authorization} {token}"}
            answers.append(await post(site, headers))
    assert len(short) == 2
    assert len({answer.body for answer in answers}) == 1
    assert [drop_date(answer) for answer in answers] == [drop_date(answers[0])] * 4
    assert all(answer.headers["date"].endswith("GMT") for answer in answers)


@pytest.mark.gen_test
@BOTH
async def test_ready_answers_keep_the_order_of_their_requests(
    start_site: StartSite, short: list[str], settings: dict[str, Any] | None
) -> None:
    """Required by RFC 9112 §9.3.2; some in one packet, one in pieces, an error among them."""
    site = await start_site(settings=settings)
    token = await obtain_token(site)
    requests = []
    for number in range(6):
        message, mirrored = build_stateless("tools/call", {"name": "add", "arguments": {"a": number, "b": 1}})
        if number == 2:
            message["params"]["name"] = "whoami"  # not what the header says
        headers = build_headers(token) | {name.replace("_", "-"): value for name, value in mirrored.items()}
        body = json.dumps(message).encode()
        requests.append(build_request("POST /mcp", site.port, headers=headers, body=body))
    async with Connection(site.port) as connection:
        connection.send(b"".join(requests[:4]) + requests[4][:-10])
        for number in range(4):
            answer = await connection.read_answer()
            assert answer.status == (400 if number == 2 else 200)
            if number != 2:
                assert json.loads(answer.body)["result"]["structuredContent"] == number + 1
        connection.send(requests[4][-10:] + requests[5])
        for number in (4, 5):
            answer = await connection.read_answer()
            assert json.loads(answer.body)["result"]["structuredContent"] == number + 1
    assert len(short) == 6
    await until(lambda: len(site.services.in_flight) == 0)


@pytest.mark.gen_test
@BOTH
async def test_a_slow_reader_gets_no_further_answer_before_it_has_read(
    start_site: StartSite, short: list[str], settings: dict[str, Any] | None
) -> None:
    """Our choice: requests sent without reading wait in the client's own buffers, not in ours."""
    runs = 0
    mcp = MCPServer("long")

    @mcp.tool()
    async def spell() -> str:
        nonlocal runs
        runs += 1
        return str(runs % 10) * 25_000

    site = await start_site(mcp=mcp, settings=settings)
    token = await obtain_token(site)
    message, mirrored = build_stateless("tools/call", {"name": "spell", "arguments": {}})
    headers = build_headers(token, **{name.replace("_", "-"): value for name, value in mirrored.items()})
    request = build_request("POST /mcp", site.port, headers=headers, body=json.dumps(message).encode())
    count = 600  # some 30 MB of answers: more than the buffers of two sockets
    async with Connection(site.port) as connection:
        connection.send(request * count)
        await until(lambda: runs > 0)
        seen = quiet = 0
        while quiet < 20:  # round trips, in each of which the server could have answered one more
            assert (await exchange(site.port, build_request("GET /healthz", site.port))).status == 200
            quiet = quiet + 1 if runs == seen else 0
            seen = runs
        assert seen < count
        for number in range(1, count + 1):
            answer = await connection.read_answer()
            text = json.loads(answer.body)["result"]["content"][0]["text"]
            assert text == str(number % 10) * 25_000
    assert short == ["/mcp"] * count


@pytest.mark.gen_test
@BOTH
@pytest.mark.parametrize(
    ("version", "fields"),
    [("1.1", {"Connection": "close"}), ("1.0", {}), ("1.0", {"Connection": "keep-alive"})],
)
async def test_a_connection_with_something_to_say_says_it(
    start_site: StartSite,
    short: list[str],
    version: str,
    fields: dict[str, str],
    settings: dict[str, Any] | None,
) -> None:
    """Required by RFC 9112 §9.6: a ready head would not tell that the connection ends."""
    site = await start_site(settings=settings)
    token = await obtain_token(site)
    request = build_request("POST /mcp", site.port, headers=build_headers(token) | fields, body=BODY)
    async with Connection(site.port) as connection:
        connection.send(request.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1))
        answer = await connection.read_answer()
        assert answer.status == 200
        ends = "keep-alive" not in fields.values()
        said = answer.headers.get("connection", "close" if version == "1.0" else "keep-alive")
        assert said.lower() == ("close" if ends else "keep-alive")
        if ends:
            assert await connection.read_end() == b""
    assert short == ["/mcp"]


@pytest.mark.gen_test
async def test_what_goes_wrong_in_the_short_way_is_told_as_ever(
    start_site: StartSite, quiet_log: QuietLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: an error of our own is a 500 with a reference, and the connection goes on."""
    for settings in (None, FAST):
        site = await start_site(settings=settings)
        token = await obtain_token(site)

        async def fail(*args: object) -> None:
            raise RuntimeError("a secret of the inside")

        quiet_log.expect("mcp.failed")
        request = build_request("POST /mcp", site.port, headers=build_headers(token), body=BODY)
        async with Connection(site.port) as connection:
            with monkeypatch.context() as patched:
                patched.setattr(site.endpoint, "handle_post", fail)
                connection.send(request)
                answer = await connection.read_answer()
            assert answer.status == 500
            assert "Internal error, reference" in json.loads(answer.body)["error"]["message"]
            assert b"secret" not in answer.raw
            connection.send(request)
            assert (await connection.read_answer()).status == 200


def test_what_stands_when_the_server_answers_is_left_out_of_the_collection() -> None:
    """Our choice: of the whole process, which therefore is nothing but the server."""
    script = (
        "import gc\n"
        "from omnitornado.serving.memory import settle_collector\n"
        "settle_collector()\n"
        "print(gc.get_threshold()[0], gc.get_freeze_count() > 1000)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(YOUNG), "True"]
