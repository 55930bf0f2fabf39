"""What no honest client sends: every route answers with an error of its own, and the log stays quiet."""

import json
import random
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.ioloop import IOLoop
from web.site import CHALLENGE, Site, build_initialize
from web.test_base import PATHS
from web.wire import Answer, Connection, build_request, exchange

from .hostile import BODIES, FORM, FRAMES, HEADERS, LINES, QUERIES


def check(answer: Answer, sent: bytes) -> None:
    """An answer of ours, or the parser's bare 400: no failure, no trace, no header of the client's."""
    assert 200 <= answer.status < 500, (answer.raw[:200], sent[:300])
    assert b"Traceback" not in answer.raw
    assert "x-injected" not in answer.headers
    if answer.status in (302, 303):
        location = answer.headers["location"]
        assert location.startswith(("/", "https://app.example/callback?"))
        assert not location.startswith("//")
    if "text/html" in answer.headers.get("content-type", ""):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def try_all(site: Site, requests: list[bytes]) -> None:
    for request in requests:
        check(await exchange(site.port, request), request)


@pytest.mark.gen_test(timeout=20)
async def test_hostile_headers(each_site: Site) -> None:
    """Our choice (HTTP): never a 500 from anything a client can send."""
    site = each_site
    for path in PATHS:
        for headers in HEADERS:
            for method in ("GET", "POST", "OPTIONS"):
                body = b"a=1" if method == "POST" else b""
                await try_all(
                    site, [build_request(f"{method} {path}", site.port, headers=headers, body=body)]
                )


@pytest.mark.gen_test(timeout=20)
async def test_hostile_queries(site: Site) -> None:
    """Our choice (HTTP), RFC 9112 §11.1 (response splitting)."""
    browser = site.open_browser()
    await browser.sign_in()
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    for path in PATHS:
        for query in QUERIES:
            for headers in ({}, cookie):
                requests = [build_request(f"GET {path}?{query}", site.port, headers=headers)]
                form = headers | {"Content-Type": FORM}
                requests.append(build_request(f"POST {path}?{query}", site.port, body=b"a=1", headers=form))
                await try_all(site, requests)


@pytest.mark.gen_test(timeout=20)
async def test_hostile_bodies(site: Site) -> None:
    """Our choice (HTTP)."""
    token = (await site.obtain_tokens())["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    for path, methods in PATHS.items():
        if "POST" not in methods:
            continue
        for body in [*BODIES, *(quote(query, safe="=&%").encode() for query in QUERIES)]:
            for content_type in (FORM, "application/json"):
                headers = {"Content-Type": content_type} | (bearer if path == "/mcp" else {})
                await try_all(site, [build_request(f"POST {path}", site.port, body=body, headers=headers)])


@pytest.mark.gen_test(timeout=20)
async def test_hostile_request_lines(each_site: Site) -> None:
    """Our choice (HTTP): other forms of the target lead nowhere."""
    site = each_site
    for path in PATHS:
        for line in LINES:
            method_and_target = line.format(path=path, port=site.port)
            body = b"a=1" if line.startswith("POST") else b""
            request = build_request(method_and_target, site.port, body=body)
            answer = await exchange(site.port, request)
            check(answer, request)
            assert b"evil.example" not in answer.raw


@pytest.mark.gen_test
@pytest.mark.parametrize("frame", FRAMES)
async def test_what_is_no_http_is_400_and_the_end_of_the_connection(each_site: Site, frame: bytes) -> None:
    """Required by RFC 9112 §11.2 (request smuggling): two readers must not take it for two things."""
    site = each_site
    async with Connection(site.port) as connection:
        connection.send(frame)
        answer = Answer(await connection.read_end())
    assert answer.status in (400, 405) or answer.raw == b""
    assert b"Traceback" not in answer.raw
    assert (await site.fetch("/healthz")).code == 200
    assert len(site.services.in_flight) == 0


FRAGMENTS = [
    "%",
    "%00",
    "%ff",
    "%0d%0a",
    "\xff",
    "&",
    "=",
    "+",
    "..",
    "//",
    "\\",
    "'",
    '"',
    "<b>",
    "%F0%9F%98%80",
]
NAMES = ["client_id", "redirect_uri", "state", "scope", "resource", "prompt", "response_type", "next", "code"]
NAMES += [
    "code_challenge",
    "code_challenge_method",
    "grant_type",
    "refresh_token",
    "token",
    "csrf_token",
    "x",
]
KNOWN = [
    "preset",
    "native",
    "https://app.example/callback",
    "code",
    "S256",
    CHALLENGE,
    "mcp",
    "login",
    "none",
]
KNOWN += [
    "/authorize?",
    "/account",
    "authorization_code",
    "refresh_token",
    "http://127.0.0.1:1/callback",
    "\xe9",
]

value = st.lists(st.sampled_from(KNOWN + FRAGMENTS), max_size=4).map("".join)
pairs = st.lists(st.tuples(st.sampled_from(NAMES), value), max_size=12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(list(PATHS)), query=pairs, body=pairs, is_post=st.booleans(), seed=st.integers())
def test_parameters_in_every_mixture(
    io_loop: IOLoop,
    site: Site,
    path: str,
    query: list[tuple[str, str]],
    body: list[tuple[str, str]],
    is_post: bool,
    seed: int,
) -> None:
    """Our choice (HTTP): never a 500 from anything a client can send."""
    target = path + "?" + "&".join(f"{name}={text}" for name, text in query)
    form = "&".join(f"{name}={text}" for name, text in body).encode("latin-1")
    headers = {"Content-Type": FORM} | random.Random(seed).choice(HEADERS)
    if is_post:
        request = build_request(f"POST {target}", site.port, headers=headers, body=form or b"=")
    else:
        request = build_request(f"GET {target}", site.port, headers=headers)
    io_loop.run_sync(lambda: try_all(site, [request]))


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    scalars | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["redirect_uris", "client_name", "grant_types", "response_types", "scope", "contacts", "client_uri"]
MEMBERS += ["token_endpoint_auth_method", "application_type", "software_id", "jwks", "id", "method", "params"]


@pytest.fixture
def token(io_loop: IOLoop, site: Site) -> str:
    tokens: dict[str, str] = io_loop.run_sync(site.obtain_tokens)
    return tokens["access_token"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(MEMBERS), documents, max_size=4))
def test_json_of_every_shape(io_loop: IOLoop, site: Site, token: str, changes: dict[str, object]) -> None:
    """Our choice (HTTP): registration and the MCP endpoint, with a good token."""

    async def send() -> None:
        site.clock.advance(2)  # the rate of registrations
        document = json.dumps({"redirect_uris": ["https://app.example/"]} | changes)
        response = await site.fetch("/register", method="POST", body=document)
        assert response.code in (201, 400), response.body
        response = await site.call(token, build_initialize() | changes)
        assert response.code < 500, response.body

    io_loop.run_sync(send)
