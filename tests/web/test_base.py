"""What every endpoint has in common: methods, Host, bodies, errors, headers."""

import asyncio
import json
from http.client import responses

import pytest

from omnitornado.app import ROUTES

from .conftest import QuietLog, StartSite
from .site import Site, until
from .wire import Connection, build_request, exchange

PATHS = {
    "/.well-known/oauth-authorization-server": "GET",
    "/.well-known/openid-configuration": "GET",
    "/mcp/.well-known/openid-configuration": "GET",
    "/mcp/.well-known/oauth-authorization-server": "GET",
    "/mcp/.well-known/oauth-protected-resource": "GET",
    "/.well-known/oauth-protected-resource": "GET",
    "/authorize": "GET POST",
    "/consent": "POST",
    "/token": "POST",
    "/register": "POST",
    "/register/{client_id}": "GET PUT DELETE",
    "/revoke": "POST",
    "/introspect": "POST",
    "/device_authorization": "POST",
    "/par": "POST",
    "/device": "GET POST",
    "/login": "GET POST",
    "/logout": "GET POST",
    "/account": "GET POST",
    "/omnitornado/style.css": "GET",
    "/healthz": "GET",
    "/": "GET",
    "/mcp": "GET POST DELETE",
}
"""Each URL with the methods it has, HEAD and OPTIONS aside."""

WITH_A_PROVIDER = {"/login/oidc", "/login/oidc/callback"}
"""Not found where nobody signs in through a provider; test_provider.py has them."""

JSON = (
    "/.well-known",
    "/mcp",
    "/token",
    "/register",
    "/revoke",
    "/introspect",
    "/device_authorization",
    "/par",
    "/healthz",
)
PAGES = [path for path in PATHS if not path.startswith(JSON)]
FORMS = [
    "/token",
    "/revoke",
    "/introspect",
    "/par",
    "/register",
    "/login",
    "/logout",
    "/account",
    "/consent",
    "/authorize",
]


def find_allowed(path: str) -> list[str]:
    methods = PATHS[path].split()
    return (["GET", "HEAD"] if "GET" in methods else []) + [m for m in methods if m != "GET"] + ["OPTIONS"]


def test_every_route_is_tried_here() -> None:
    """Our choice: a URL that is added to ROUTES gets the tests of this file."""
    shown = {route.shown.replace("[/path]", "").replace("/path/", "/mcp/") for route in ROUTES}
    assert shown - WITH_A_PROVIDER | {"/mcp"} == set(PATHS)
    assert all(route.specification for route in ROUTES)


@pytest.mark.gen_test(timeout=10)
async def test_a_method_an_endpoint_lacks_is_405_with_allow_in_the_endpoints_own_form(site: Site) -> None:
    """Required by RFC 9110 §15.5.6 (Allow must be there)."""
    for path in PATHS:
        allowed = find_allowed(path)
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "FOO"):
            if method in allowed:
                continue
            response = await site.fetch(path, method=method, body="x" if method[0] == "P" else None)
            assert response.code == 405, (method, path)
            assert sorted(response.headers["Allow"].split(", ")) == sorted(allowed), (method, path)
            if method != "HEAD":
                is_json = path.startswith(JSON)
                assert response.headers["Content-Type"].startswith("application/json") == is_json, path
                assert not is_json or "error" in json.loads(response.body)


@pytest.mark.gen_test
async def test_options_tells_the_methods(site: Site) -> None:
    """Required by RFC 9110 §9.3.7."""
    for path in PATHS:
        response = await site.fetch(path, method="OPTIONS")
        assert (response.code, response.body) == (204, b""), path
        assert sorted(response.headers["Allow"].split(", ")) == sorted(find_allowed(path)), path


@pytest.mark.gen_test
async def test_head_answers_as_get_without_the_body(site: Site) -> None:
    """Required by RFC 9110 §9.3.2."""
    for path, methods in PATHS.items():
        if "GET" not in methods:
            continue
        get, head = await site.fetch(path), await site.fetch(path, method="HEAD")
        assert (head.code, head.body) == (get.code, b""), path
        for name in ("Content-Type", "Cache-Control", "WWW-Authenticate"):
            assert head.headers.get(name) == get.headers.get(name), (path, name)


@pytest.mark.gen_test
async def test_every_answer_carries_the_headers_that_protect_it(site: Site) -> None:
    """Our choice, after OWASP and RFC 9700 §4.16 (clickjacking)."""
    for path in [*PATHS, "/nowhere"]:
        for method in ("GET", "PUT"):
            response = await site.fetch(path, method=method, body="x" if method == "PUT" else None)
            assert response.headers["X-Content-Type-Options"] == "nosniff", path
            assert response.headers["Referrer-Policy"] == "no-referrer", path
            assert "Server" not in response.headers, path
            is_public = method == "GET" and path.startswith(("/.well-known", "/omni", "/mcp/.well"))
            cached = response.headers["Cache-Control"]
            assert cached.startswith("public, max-age=") if is_public else cached == "no-store", path


@pytest.mark.gen_test
@pytest.mark.parametrize("path", FORMS)
async def test_a_body_over_the_limit_is_413_and_not_a_reset(site: Site, path: str) -> None:
    """Required by RFC 9110 §15.5.14; the answer must reach a client that sends everything before it reads."""
    body = b"x" * 2_000_000
    answer = await exchange(site.port, build_request(f"POST {path}", site.port, body=body))
    assert answer.status == 413
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "application/x-www-form-urlencoded"}
    answer = await exchange(
        site.port, build_request(f"POST {path}", site.port, body=chunked, headers=headers)
    )
    assert answer.status == 413


@pytest.mark.gen_test
async def test_a_client_that_asks_before_it_sends_too_much_is_told_at_once(site: Site) -> None:
    """Required by RFC 9110 §10.1.1."""
    headers = {"Content-Length": "2000000", "Expect": "100-continue"}
    answer = await exchange(site.port, build_request("POST /token", site.port, headers=headers))
    assert (answer.status, answer.headers["connection"]) == (413, "close")


@pytest.mark.gen_test
@pytest.mark.parametrize("length", ["9" * 12, "9" * 5000])
async def test_a_body_of_absurd_length_is_refused_unread(site: Site, length: str) -> None:
    """Our choice: gigabytes are not read just to be polite."""
    request = build_request("POST /token", site.port, headers={"Content-Length": length})
    assert (await exchange(site.port, request)).status == 413


@pytest.mark.gen_test
async def test_a_connection_serves_on_after_a_refusal(site: Site) -> None:
    """Our choice: the refused body was read to its end."""
    async with Connection(site.port) as connection:
        connection.send(build_request("POST /token", site.port, body=b"x" * 100_000))
        assert (await connection.read_answer()).status == 413
        connection.send(build_request("GET /healthz", site.port))
        assert (await connection.read_answer()).body == b"ok"


@pytest.mark.gen_test
async def test_a_client_that_leaves_while_it_sends_leaves_nothing_behind(site: Site) -> None:
    """Our choice: nothing waits for a body that will not come, and a stopping server not for it."""
    for path in ("/token", "/mcp", "/nowhere"):
        async with Connection(site.port) as connection:
            # A small body for the MCP endpoint is read before there is a handler.
            length = "99999" if path == "/mcp" else "99"
            connection.send(
                build_request(f"POST {path}", site.port, headers={"Content-Length": length}) + b"x"
            )
            await until(lambda: len(site.services.in_flight))
        await until(lambda: not len(site.services.in_flight))
        await until(lambda: not find_handler_tasks())


def find_handler_tasks() -> list[str]:
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name == "RequestHandler._execute"]


@pytest.mark.gen_test
async def test_a_request_without_host_is_http_1_0_or_refused(site: Site) -> None:
    """Required by RFC 9112 §3.2."""
    answer = await exchange(site.port, b"GET /healthz HTTP/1.1\r\n\r\n")
    assert answer.status == 400
    answer = await exchange(site.port, b"GET /.well-known/oauth-authorization-server HTTP/1.0\r\n\r\n")
    assert json.loads(answer.body)["issuer"] == site.url


@pytest.mark.gen_test
async def test_an_error_nobody_foresaw_is_a_reference_to_the_log(site: Site, quiet_log: QuietLog) -> None:
    """Our choice (HTTP): no stack trace ever leaves the server."""
    site.clock.error = RuntimeError("a secret of the inside")
    for path, method in (("/token", "POST"), ("/authorize?client_id=preset", "GET"), ("/mcp", "POST")):
        quiet_log.expect(r"\.failed request=[\w-]+.*a secret of the inside")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer abc"}
        response = await site.fetch(
            path, method=method, headers=headers, body="" if method == "POST" else None
        )
        assert response.code == 500
        assert response.reason == responses[500]
        assert b"secret" not in response.body
        assert b"Traceback" not in response.body
        reference = quiet_log.found[-1].partition("request=")[2].split()[0]
        assert reference.encode() in response.body
    site.clock.error = None


@pytest.mark.gen_test
async def test_an_origin_of_ones_own_may_read_pages_and_no_other(start_site: StartSite) -> None:
    """Our choice ([server] allowed_origins; Fetch §3.2)."""
    settings = {"server": {"allowed_origins": ["https://friend.example"], "shutdown_grace": 0}}
    site = await start_site(settings=settings)
    for origin, is_allowed in (
        ("https://friend.example", True),
        (site.url, True),
        ("null", False),
        ("https://evil.example", False),
        ("https://friend.example.evil.example", False),
    ):
        response = await site.fetch("/account", headers={"Origin": origin})
        assert response.headers.get("Access-Control-Allow-Origin") == (origin if is_allowed else None)
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.gen_test
@pytest.mark.parametrize("asked", ["a\tb", "\xff", "x" * 5000, "a, b\x7f", "*", ""])
async def test_a_preflight_echoes_only_names_of_headers(site: Site, asked: str) -> None:
    """Our choice: what a client sends is no header of ours until it is checked."""
    headers = {"Origin": "https://app.example", "Access-Control-Request-Headers": asked}
    answer = await exchange(site.port, build_request("OPTIONS /token", site.port, headers=headers))
    assert answer.status == 400 or (
        answer.status == 204
        and answer.headers["access-control-allow-headers"] == "Authorization, Content-Type, DPoP"
    )
