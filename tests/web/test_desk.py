"""The short way to the token and the registration endpoint: who takes it gets what the long way gives, and
whoever should not, does not.
"""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from omnitornado.web.base import OAUTH_BODY
from omnitornado.web.desk import DESK_HANDLERS, DeskHandler
from omnitornado.web.site import Site as Application

from .conftest import QuietLog, StartSite
from .short_way import note_paths
from .site import SECRET, Site, until
from .wire import Answer, Connection, build_request, exchange

FAST = {"server": {"speed": "auto", "shutdown_grace": "0s"}}
BOTH = pytest.mark.parametrize("settings", [None, FAST], ids=["plain", "fast"])
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
METADATA = b'{"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none"}'
PRESET = {"client_id": "preset", "client_secret": SECRET}
UNKNOWN = {"grant_type": "authorization_code", "code": "x", **PRESET}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each request that has taken the short way."""
    return note_paths(monkeypatch, DeskHandler)


async def post(site: Site, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    return await exchange(site.port, build_request(f"POST {path}", site.port, headers=headers, body=body))


async def post_token(site: Site, fields: dict[str, str], path: str = "/token") -> Answer:
    return await post(site, path, urlencode(fields).encode(), FORM)


async def refresh(site: Site, token: str, path: str = "/token") -> Answer:
    fields = {"grant_type": "refresh_token", "refresh_token": token}
    return await post_token(site, PRESET | fields, path)


def drop(headers: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ("date", *names)}


async def learn(site: Site, short: list[str]) -> None:
    """The server knows its own name then: the first request for it goes the long way."""
    assert (await post_token(site, UNKNOWN)).status == 400
    assert short == []


@pytest.mark.gen_test
@BOTH
async def test_both_ways_give_tokens_and_registrations_alike(
    start_site: StartSite, short: list[str], settings: dict[str, Any] | None
) -> None:
    """Our choice: the short way is shorter, and nothing else; the long one here is a question mark longer."""
    site = await start_site(settings=settings)
    await learn(site, short)
    tokens = await site.obtain_tokens()
    short.clear()
    slow, quick = [await refresh(site, tokens["refresh_token"], path) for path in ("/token?", "/token")]
    assert short == ["/token"]
    assert quick.status == 200
    assert (quick.status, drop(quick.headers), quick.body) == (slow.status, drop(slow.headers), slow.body)
    assert quick.headers["cache-control"] == "no-store"
    assert quick.headers["pragma"] == "no-cache"
    quick, slow = [await post(site, path, METADATA, JSON) for path in ("/register", "/register?")]
    assert short == ["/token", "/register"]
    assert quick.status == slow.status == 201
    assert drop(quick.headers) == drop(slow.headers)
    found, expected = json.loads(quick.body), json.loads(slow.body)
    assert found.keys() == expected.keys()
    assert found["client_id"] != expected["client_id"]
    assert found["registration_client_uri"].startswith(f"http://127.0.0.1:{site.port}/register/omt_ci_")
    assert {name for name in found if found[name] != expected[name]} <= {
        "client_id",
        "client_id_issued_at",
        "registration_access_token",
        "registration_client_uri",
    }


BAD: list[tuple[str, bytes, dict[str, str], int]] = [
    ("/token", b"", FORM, 401),
    ("/token", b"grant_type=refresh_token&client_id=nobody", FORM, 401),
    ("/token", b"grant_type=refresh_token&client_id=preset&client_secret=wrong", FORM, 401),
    ("/token", b"grant_type=x", FORM | {"Authorization": "Basic cHJlc2V0Ondyb25n"}, 401),
    ("/token", b"grant_type=x", FORM | {"Authorization": "Bearer x"}, 401),
    ("/token", urlencode({"grant_type": "x", **PRESET}).encode(), FORM, 400),
    ("/token", urlencode({"grant_type": "refresh_token", **PRESET}).encode(), FORM, 400),
    ("/token", b"grant_type=a&grant_type=b", FORM, 400),
    ("/token", b"grant_type=%ff", FORM, 400),
    ("/token", b"grant_type=%00", FORM, 400),
    ("/token", b"grant_type=a%62c&client_id=+%20%2B", FORM, 401),
    ("/token", b"&".join(b"a%d=b" % n for n in range(65)), FORM, 400),
    ("/token", b"grant_type=x", JSON, 400),
    ("/token", b"grant_type=x", {}, 400),
    ("/token", b"x", FORM | {"Origin": "https://elsewhere.example"}, 401),
    ("/register", b"", JSON, 400),
    ("/register", b"[]", JSON, 400),
    ("/register", b"{", JSON, 400),
    ("/register", b"\xff", JSON, 400),
    ("/register", b"[" * 50_000, JSON, 400),
    ("/register", b'{"redirect_uris": ["http://elsewhere.example/"]}', JSON, 400),
    ("/register", b'{"redirect_uris": 5}', JSON, 400),
]


@pytest.mark.gen_test
@BOTH
async def test_what_is_refused_is_refused_in_the_same_words(
    start_site: StartSite, short: list[str], settings: dict[str, Any] | None
) -> None:
    """Required by RFC 6749 §5.2, RFC 7591 §3.2.2: whichever way a request takes."""
    site = await start_site(settings=settings)
    await learn(site, short)
    for number, (path, body, headers, status) in enumerate(BAD, 1):
        sent = {"Content-Length": str(len(body))} | headers
        quick, slow = await post(site, path, body, sent), await post(site, path + "?", body, sent)
        assert len(short) == number, body
        assert quick.status == status, body
        assert (quick.status, drop(quick.headers), quick.body) == (
            slow.status,
            drop(slow.headers),
            slow.body,
        )


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1"}, 400),
        ({"Expect": "100-continue"}, 400),
        ({"Transfer-Encoding": "chunked"}, 400),
        ({"Content-Length": str(OAUTH_BODY + 1)}, 413),
        ({"X-Again": "1\r\nX-Again: 2"}, 400),
        ({"Authorization": "Basic eDp5\r\nAuthorization: Basic eDp5"}, 400),
    ],
)
async def test_whatever_is_not_plainly_good_is_judged_as_ever(
    site: Site, short: list[str], headers: dict[str, str], status: int
) -> None:
    """Required by RFC 9112 §6, RFC 9110 §10.1.1, and our choices: names, lengths, repeated fields."""
    await learn(site, short)
    body = urlencode(UNKNOWN).encode()
    if "Transfer-Encoding" in headers:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    if "Content-Length" in headers:
        body = b"x" * (OAUTH_BODY + 1)
    async with Connection(site.port) as connection:
        connection.send(build_request("POST /token", site.port, headers=FORM | headers, body=body))
        if "Expect" in headers:
            assert (await connection.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        assert (await connection.read_answer()).status == status
    assert short == []


@pytest.mark.gen_test
async def test_other_methods_and_paths_go_the_long_way(site: Site, short: list[str]) -> None:
    """Our choice: the short way is for a POST to the very path."""
    await learn(site, short)
    for line, status in (
        ("GET /token", 405),
        ("OPTIONS /register", 204),
        ("POST /token/", 404),
        ("POST /register/x", 405),
        ("POST //token", 404),
        (f"POST http://127.0.0.1:{site.port}/token", 401),
    ):
        request = build_request(line, site.port, headers=FORM | {"Content-Length": "0"})
        assert (await exchange(site.port, request)).status == status, line
    assert short == []


@pytest.mark.gen_test
async def test_a_name_that_is_not_this_servers_is_not_learned(site: Site, short: list[str]) -> None:
    """Required by MCP security best practices (DNS rebinding): a rebound name gets in by no way."""
    for host, status in (("localhost", 400), ("evil.example", 421), ("a b", 400)):
        taken = len(short)
        headers = FORM | {"Host": f"{host}:{site.port}"}
        answers = [await post(site, "/token", urlencode(UNKNOWN).encode(), headers) for _ in range(2)]
        assert [answer.status for answer in answers] == [status] * 2
        assert len(short) == taken + (host == "localhost")


@pytest.mark.gen_test
@BOTH
async def test_a_limit_counts_whichever_way_is_taken(
    start_site: StartSite, short: list[str], settings: dict[str, Any] | None
) -> None:
    """Our choice ([registration] rate_per_minute): 429 with Retry-After."""
    site = await start_site(settings=(settings or {}) | {"registration": {"rate_per_minute": 3}})
    await learn(site, short)
    paths = ("/register", "/register?", "/register", "/register", "/register?")
    answers = [await post(site, path, METADATA, JSON) for path in paths]
    assert [answer.status for answer in answers] == [201] * 3 + [429] * 2
    assert answers[3].headers["retry-after"] == answers[4].headers["retry-after"] == "20"
    assert answers[3].body == answers[4].body


@pytest.mark.gen_test
async def test_a_proxy_is_believed_as_in_the_long_way(start_site: StartSite, short: list[str]) -> None:
    """Our choice: [server] trusted_proxies."""
    server = {"trusted_proxies": ["127.0.0.1"], "shutdown_grace": "0s"}
    site = await start_site(settings={"server": server, "registration": {"rate_per_minute": 1}})
    await learn(site, short)
    for number in range(2):
        forwarded = {"X-Forwarded-For": f"192.0.2.{number}", "X-Forwarded-Proto": "https"}
        answer = await post(site, "/register", METADATA, JSON | forwarded)
        assert json.loads(answer.body)["registration_client_uri"].startswith(
            f"https://127.0.0.1:{site.port}/"
        )
        assert (await post(site, "/register", METADATA, JSON | forwarded)).status == 429
    assert short == ["/register"] * 4


@pytest.mark.gen_test
@BOTH
async def test_answers_keep_the_order_of_their_requests(
    start_site: StartSite, short: list[str], settings: dict[str, Any] | None
) -> None:
    """Required by RFC 9112 §9.3.2; in one packet and in pieces, some that wait for the disk among others."""
    site = await start_site(settings=settings)
    await learn(site, short)
    bad = urlencode(UNKNOWN).encode()
    requests = [
        build_request("POST /register", site.port, headers=JSON, body=METADATA),
        build_request("POST /token", site.port, headers=FORM, body=bad),
        build_request("GET /healthz", site.port),
        build_request("POST /register", site.port, headers=JSON, body=METADATA),
        build_request("POST /token", site.port, headers=FORM, body=bad),
    ]
    async with Connection(site.port) as connection:
        connection.send(b"".join(requests)[:-10])
        statuses = [(await connection.read_answer()).status for _ in range(4)]
        connection.send(requests[-1][-10:])
        statuses.append((await connection.read_answer()).status)
    assert statuses == [201, 400, 200, 201, 400]
    assert len(short) == 4
    await until(lambda: len(site.services.in_flight) == 0)


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
    await learn(site, short)
    request = build_request("POST /register", site.port, headers=JSON | fields, body=METADATA)
    async with Connection(site.port) as connection:
        connection.send(request.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1))
        answer = await connection.read_answer()
        assert answer.status == 201
        said = answer.headers.get("connection", "close" if version == "1.0" else "keep-alive")
        assert said.lower() == ("keep-alive" if "keep-alive" in fields.values() else "close")
    assert short == ["/register"]


@pytest.mark.gen_test
@BOTH
async def test_a_client_that_leaves_leaves_nothing_behind(
    start_site: StartSite, short: list[str], tmp_path: Path, settings: dict[str, Any] | None
) -> None:
    """Our choice: before its body has come, and while the disk is waited for."""
    site = await start_site(settings=settings, store=tmp_path / "state")
    await learn(site, short)
    request = build_request("POST /register", site.port, headers=JSON, body=METADATA)
    journal: Any = site.services.store._engine.journal  # type: ignore[attr-defined]
    async with Connection(site.port) as connection:
        connection.send(request[:-5])
        await until(lambda: len(site.services.in_flight) == 1)
    await until(lambda: len(site.services.in_flight) == 0)
    assert short == []
    clients = site.services.store.stats().records["client"]  # type: ignore[attr-defined]
    async with journal._turn:  # nothing gets to the disk meanwhile
        async with Connection(site.port) as connection:
            connection.send(request)
            await until(lambda: journal._waiters)
        await until(lambda: len(site.services.in_flight) == 0)
    await until(lambda: not journal._waiters)
    assert site.services.store.stats().records["client"] == clients + 1  # type: ignore[attr-defined]
    assert (await post(site, "/register", METADATA, JSON)).status == 201


@pytest.mark.gen_test
@BOTH
async def test_what_goes_wrong_is_told_as_ever(
    start_site: StartSite, short: list[str], quiet_log: QuietLog, settings: dict[str, Any] | None
) -> None:
    """Our choice: 503 with Retry-After where the disk takes nothing, and an error of our own is a 500 with a
    reference; the connection goes on after both.
    """
    site = await start_site(settings=settings)
    await learn(site, short)
    async with Connection(site.port) as connection:
        request = build_request("POST /register", site.port, headers=JSON, body=METADATA)
        site.break_store()
        quiet_log.expect("register.unavailable reason=store_unavailable")
        connection.send(request)
        answer = await connection.read_answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        site.clock.error = ValueError("a secret of the inside")
        quiet_log.expect("register.failed")
        connection.send(request)
        answer = await connection.read_answer()
        site.clock.error = None
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert json.loads(answer.body)["error"] == "server_error"
        assert answer.headers["access-control-allow-origin"] == "*"
    assert len(short) == 2


@pytest.mark.gen_test
async def test_requests_at_once_each_get_their_own(site: Site, short: list[str]) -> None:
    """Our choice: what is remembered between requests is the head of an answer alone."""
    await learn(site, short)
    answers = await asyncio.gather(*(post(site, "/register", METADATA, JSON) for _ in range(30)))
    assert {answer.status for answer in answers} == {201}
    assert len({json.loads(answer.body)["client_id"] for answer in answers}) == 30


def test_only_what_any_page_may_call_has_a_short_way() -> None:
    """Our choice: its answers differ by their body alone, never by where a request comes from."""
    for usual, quick in DESK_HANDLERS.items():
        assert issubclass(quick, usual)
        assert quick.is_cors_open


@pytest.mark.gen_test
async def test_the_short_ways_are_the_endpoints_own_paths(site: Site) -> None:
    """Our choice: as the one table of routes has them."""
    application = site.server._http.request_callback
    assert isinstance(application, Application)
    assert set(application.desks) == {"/token", "/register"}
