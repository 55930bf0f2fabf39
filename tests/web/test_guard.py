"""`require_token` and `AuthorizationServer` in an application of somebody else's."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from oauth.keys import make_key
from oauth.proofs import prove
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import Application, RequestHandler

from omnitornado.app import AuthorizationServer, require_token
from omnitornado.oauth.client import build_preset
from omnitornado.oauth.dpop import ALGORITHMS
from omnitornado.store.transitions import StoreUnavailable

from .browser import Browser
from .site import CALLBACK, CHALLENGE, SECRET, VERIFIER, Clock, read_json, read_query


def check_password(username: str, password: str) -> bool:
    return username == "ada" and password == "password"


@pytest.fixture
def auth(io_loop: IOLoop, clock: Clock, http_port: int) -> Iterator[AuthorizationServer]:
    client = build_preset(client_id="preset", client_secret=SECRET, redirect_uris=[CALLBACK])
    auth = AuthorizationServer(
        issuer=f"http://127.0.0.1:{http_port}",
        validate_user=check_password,
        clients=[client],
        store=None,
        clock=clock,
    )
    io_loop.run_sync(auth.start)
    yield auth
    io_loop.run_sync(auth.close)


@pytest.fixture
def app(auth: AuthorizationServer) -> Application:
    @require_token(auth, "/api", scope="api")
    class Api(RequestHandler):
        """Somebody's own handler."""

        def prepare(self) -> None:
            self.prepared = True

        def get(self) -> None:
            assert self.prepared
            who = self.current_user
            self.write({"who": who.username, "client": who.client_id, "scope": list(who.scope)})

        post = get

    @require_token(auth, "/api", scope=("api", "write"))
    class Write(RequestHandler):
        async def prepare(self) -> None:
            self.prepared = True

        async def get(self) -> None:
            assert self.prepared
            self.write("written")

    class Open(RequestHandler):
        def get(self) -> None:
            self.write("open")

    assert Api.__name__ == "Api"
    return Application(
        [*auth.routes, ("/api", Api), ("/write", Write), ("/open", Open)], log_function=lambda _: None
    )


@pytest.fixture
def http_server(
    app: Application, io_loop: IOLoop, _unused_port: tuple[socket.socket, int]
) -> Iterator[HTTPServer]:
    server = HTTPServer(app)
    server.add_socket(_unused_port[0])
    yield server
    server.stop()
    io_loop.run_sync(server.close_all_connections)


@pytest.fixture
def base_url(http_port: int) -> str:
    return f"http://127.0.0.1:{http_port}"


@pytest.fixture
def browser(http_client: AsyncHTTPClient, base_url: str) -> Browser:
    return Browser(http_client, base_url)


async def obtain_token(browser: Browser, scope: str) -> str:
    url = f"/authorize?response_type=code&client_id=preset&prompt=consent&scope={scope}"
    location = await browser.approve(f"{url}&code_challenge={CHALLENGE}&code_challenge_method=S256")
    fields = {"grant_type": "authorization_code", "code": read_query(location)["code"]}
    fields |= {"code_verifier": VERIFIER, "client_id": "preset", "client_secret": SECRET}
    token: str = read_json(await browser.post("/token", fields))["access_token"]
    return token


async def call(browser: Browser, path: str, token: str | None, method: str = "GET") -> HTTPResponse:
    headers = {} if token is None else {"Authorization": token}
    return await browser.request(method, path, headers=headers, body="" if method == "POST" else None)


@pytest.mark.gen_test
async def test_a_token_opens_the_handler_and_tells_who_it_is(browser: Browser) -> None:
    """Our choice (Python)."""
    token = await obtain_token(browser, "api")
    for method in ("GET", "POST"):
        response = await call(browser, "/api", f"Bearer {token}", method)
        assert json.loads(response.body) == {"who": "ada", "client": "preset", "scope": ["api"]}
    assert (await call(browser, "/open", None)).body == b"open"


@pytest.mark.gen_test
async def test_without_a_good_token_the_challenge_leads_to_the_metadata(
    browser: Browser, base_url: str
) -> None:
    """Required by RFC 6750 §3 and RFC 9728 §5.1, for every method."""
    tail = f'scope="api", resource_metadata="{base_url}/.well-known/oauth-protected-resource/api"'
    tail += f', DPoP algs="{" ".join(ALGORITHMS)}"'
    for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
        response = await call(browser, "/api", None, method)
        assert (response.code, response.headers["WWW-Authenticate"]) == (401, f"Bearer {tail}")
    for header in ("Bearer unknown", "Bearer", "Bearer a b", "Bearer \xff", "bearer unknown"):
        response = await call(browser, "/api", header)
        assert response.code == 401
        assert response.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
        assert response.headers["WWW-Authenticate"].endswith(tail)
        assert (response.headers["Cache-Control"], read_json(response)["error"]) == (
            "no-store",
            "invalid_token",
        )
    document = read_json(await browser.get("/.well-known/oauth-protected-resource/api"))
    assert document["resource"] == f"{base_url}/api"


@pytest.mark.gen_test
async def test_a_token_without_the_scope_is_told_what_is_needed(
    browser: Browser, auth: AuthorizationServer
) -> None:
    """Required by RFC 6750 §3.1."""
    auth.protect("/other", scope=["write"])
    token = await obtain_token(browser, "api")
    assert (await call(browser, "/api", f"Bearer {token}")).code == 200
    response = await call(browser, "/write", f"Bearer {token}")
    assert (response.code, read_json(response)["error"]) == (403, "insufficient_scope")
    assert 'scope="api write"' in response.headers["WWW-Authenticate"]
    token = await obtain_token(browser, "api%20write")
    assert (await call(browser, "/write", f"Bearer {token}")).body == b"written"


@pytest.mark.gen_test
async def test_a_token_ends_for_the_handler_too(browser: Browser, clock: Clock) -> None:
    """Required by RFC 6750 §3.1: expiry is checked on each request."""
    token = await obtain_token(browser, "api")
    clock.advance(3600)
    assert (await call(browser, "/api", f"Bearer {token}")).code == 401


@pytest.mark.gen_test
async def test_a_store_that_can_not_tell_is_503(browser: Browser, auth: AuthorizationServer) -> None:
    """Our choice: neither let in nor told that the token is bad."""

    async def fail(*args: object, **kwargs: object) -> None:
        raise StoreUnavailable("the disk is full")

    auth.store.find_access = fail  # type: ignore[method-assign]
    response = await call(browser, "/api", "Bearer abc")
    assert (response.code, response.headers["Retry-After"]) == (503, "5")
    assert read_json(response)["error"] == "temporarily_unavailable"


@pytest.mark.gen_test
async def test_the_endpoints_work_under_the_applications_own_addresses(
    browser: Browser, base_url: str
) -> None:
    """Our choice (Python): the OAuth half alone; what is the server's own is not taken."""
    document = read_json(await browser.get("/.well-known/oauth-authorization-server"))
    assert document["issuer"] == base_url
    for path in ("/login", "/authorize", "/account", "/omnitornado/style.css"):
        assert (await browser.get(path)).code in (200, 302, 400), path
    for path in ("/", "/healthz", "/mcp"):
        assert (await browser.get(path)).code == 404, path


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "example.com",
        "ftp://example.com",
        "https://example.com/",
        "https://example.com/a",
        "https://",
        "https://example.com?x",
        "https://example.com#x",
        "https://user@example.com",
        "https://example.com:99999",
    ],
)
def test_an_issuer_is_an_origin(issuer: str) -> None:
    """Required by RFC 8414 §2; a path would need other addresses."""
    with pytest.raises(ValueError, match=r"."):
        AuthorizationServer(issuer=issuer, validate_user=check_password, store=None)


@pytest.mark.gen_test
async def test_a_bound_token_opens_the_handler_with_a_proof_alone(
    browser: Browser, base_url: str, clock: Clock
) -> None:
    """Required by RFC 9449 §7.1 and §7.2: in somebody else's application as in ours."""
    url = f"/authorize?response_type=code&client_id=preset&scope=api&code_challenge={CHALLENGE}"
    code = read_query(await browser.approve(url + "&code_challenge_method=S256"))["code"]
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    fields |= {"client_id": "preset", "client_secret": SECRET}
    known: dict[str, Any] = {"issuer": base_url, "now": clock.now}
    answer = await browser.post("/token", fields, headers={"DPoP": prove("/token", **known)})
    token = read_json(answer)["access_token"]

    async def use(path: str = "/api", *, scheme: str = "DPoP", **proof: Any) -> HTTPResponse:
        headers = {"Authorization": f"{scheme} {token}"}
        headers |= {"DPoP": prove(**({"path": path, "htm": "GET", "token": token} | known | proof))}
        return await browser.request("GET", path, headers=headers)

    assert json.loads((await use()).body)["who"] == "ada"
    assert (await use(jti="seen")).code == 200
    wrong: list[dict[str, Any]] = [{"jti": "seen"}, {"htu": base_url + "/write"}, {"htm": "POST"}]
    for changed in [*wrong, {"key": make_key(name="thief")}]:
        response = await use(**changed)
        assert response.code == 401, changed
        assert response.headers["WWW-Authenticate"].startswith("DPoP error=")
    response = await use(scheme="Bearer")
    assert (response.code, read_json(response)["error"]) == (401, "invalid_token")
    response = await use("/write")
    assert (response.code, read_json(response)["error"]) == (403, "insufficient_scope")
    assert response.headers["WWW-Authenticate"].startswith("DPoP error=")
    response = await use(nonce="made up")
    assert read_json(response)["error"] == "use_dpop_nonce"
    response = await use(nonce=response.headers["DPoP-Nonce"])
    assert (response.code, "DPoP-Nonce" in response.headers) == (200, True)
