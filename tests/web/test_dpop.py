"""DPoP over HTTP: headers, challenges, nonces, streams, names of the server, and the short way."""

import json
from pathlib import Path
from typing import Any

import pytest
from oauth.keys import make_key
from oauth.proofs import find_thumbprint, prove
from tornado.httpclient import HTTPResponse
from tornado.ioloop import IOLoop

from omnitornado.oauth.dpop import ALGORITHMS
from omnitornado.web.mcp_call import McpCallHandler

from .conftest import StartSite
from .short_way import note_paths
from .site import CALLBACK, SECRET, VERIFIER, Site, build_initialize, build_stateless, read_json
from .streams import begin
from .wire import Connection, build_request, exchange

MESSAGE, MIRRORED = build_stateless("tools/call", {"name": "whoami", "arguments": {}})
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"} | {
    name.replace("_", "-"): value for name, value in MIRRORED.items()
}
BODY = json.dumps(MESSAGE)
THIEF = make_key(name="thief")


class Holder:
    """A client with a key."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.nonce: str | None = None

    def prove(self, path: str, **more: Any) -> str:
        known: dict[str, Any] = {"issuer": self.site.url, "now": self.site.clock.now, "nonce": self.nonce}
        return prove(path, **(known | more))

    async def ask_token(self, *proofs: str, **fields: str) -> HTTPResponse:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = {"client_id": "preset", "client_secret": SECRET} | fields
        body = "&".join(f"{name}={value}" for name, value in sent.items())
        if len(proofs) == 1:
            headers["DPoP"] = proofs[0]
        return await self.site.fetch("/token", method="POST", headers=headers, body=body)

    async def connect(self, **changed: Any) -> dict[str, Any]:
        code = await self.site.obtain_code()
        fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        tokens = read_json(await self.ask_token(self.prove("/token", **changed), **fields))
        assert tokens["token_type"] == "DPoP", tokens
        return tokens

    async def call(
        self,
        token: str,
        *,
        scheme: str = "DPoP",
        proof: str | None = None,
        method: str = "POST",
        path: str = "/mcp",
        with_proof: bool = True,
        **more: Any,
    ) -> HTTPResponse:
        headers = HEADERS | {"Authorization": f"{scheme} {token}"} | more
        if with_proof:
            headers["DPoP"] = proof or self.prove(path, token=token, htm=method)
        return await self.site.fetch(
            path, method=method, headers=headers, body=BODY if method == "POST" else None
        )


@pytest.fixture(params=["off", "auto"], ids=["plain", "fast"])
def site(io_loop: IOLoop, start_site: StartSite, request: pytest.FixtureRequest) -> Site:
    """On Tornado's own connection, and on the fast one."""
    tables = {"server": {"speed": request.param, "shutdown_grace": "0s"}}
    site: Site = io_loop.run_sync(lambda: start_site(settings=tables))
    return site


@pytest.fixture
def holder(site: Site) -> Holder:
    return Holder(site)


@pytest.mark.gen_test
async def test_a_bound_token_opens_the_endpoint_with_a_proof_each_time(holder: Holder) -> None:
    """Required by RFC 9449 §5 and §7.1: each method, each request its own proof."""
    token = (await holder.connect())["access_token"]
    for _ in range(2):
        response = await holder.call(token)
        assert (response.code, b"ada by preset" in response.body) == (200, True)
    assert (await holder.call(token, method="HEAD")).code == 200
    response = await holder.call(token, method="GET")
    assert response.code in (400, 405)


@pytest.mark.gen_test
async def test_a_proof_that_was_seen_is_good_for_nothing(holder: Holder, site: Site) -> None:
    """Required by RFC 9449 §11.1: at the token endpoint and at the resource."""
    tokens = await holder.connect()
    token = tokens["access_token"]
    proof = holder.prove("/mcp", token=token)
    assert (await holder.call(token, proof=proof)).code == 200
    response = await holder.call(token, proof=proof)
    assert response.code == 401
    assert response.headers["WWW-Authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    proof = holder.prove("/token")
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await holder.ask_token(proof, **fields)).code == 200
    response = await holder.ask_token(proof, **fields)
    assert (response.code, read_json(response)["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.gen_test
@pytest.mark.parametrize("other", ["/mcp/", "/mcp?again=1"])
async def test_a_proof_is_as_used_at_the_same_place_by_another_spelling(holder: Holder, other: str) -> None:
    """Required by RFC 9449 §11.1: where two spellings are one place to `htu`, they are one to the replay."""
    token = (await holder.connect())["access_token"]
    proof = holder.prove("/mcp", token=token)
    assert (await holder.call(token, proof=proof)).code == 200
    assert (await holder.call(token, proof=proof, path=other)).code == 401
    proof = holder.prove("/mcp", token=token)
    assert (await holder.call(token, proof=proof, path=other)).code == 200
    assert (await holder.call(token, proof=proof)).code == 401


@pytest.mark.gen_test
async def test_a_stolen_token_is_refused_by_both_ways(holder: Holder, short: list[str]) -> None:
    """Required by RFC 9449 §7.2: as a bearer token it gets in by neither of the two ways."""
    token = (await holder.connect())["access_token"]
    await holder.call(token)
    for scheme in ("Bearer", "bearer"):
        for with_proof in (True, False):
            response = await holder.call(token, scheme=scheme, with_proof=with_proof)
            assert response.code == 401
            challenge = response.headers["WWW-Authenticate"]
            assert challenge.startswith('Bearer error="invalid_token"')
            assert challenge.endswith(f', DPoP algs="{" ".join(ALGORITHMS)}"')
    for scheme, proof in (
        ("DPoP", holder.prove("/mcp", token=token, key=THIEF)),
        ("DPoP", holder.prove("/mcp", token=token, issuer="https://mcp.example")),
        ("DPoP", holder.prove("/mcp", token="omt_at_another")),
    ):
        response = await holder.call(token, scheme=scheme, proof=proof)
        assert response.code == 401
        assert json.loads(response.body)["error"]["code"] == -32600
    assert short == []


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for each request that has taken the short way."""
    return note_paths(monkeypatch, McpCallHandler)


@pytest.mark.gen_test
async def test_bearer_tokens_take_the_short_way_as_ever(site: Site, holder: Holder, short: list[str]) -> None:
    """Our choice: who proves no key pays nothing for those who do."""
    plain = (await site.obtain_tokens())["access_token"]
    await holder.call(plain, scheme="Bearer", with_proof=False)
    short.clear()
    assert (await holder.call(plain, scheme="Bearer", with_proof=False)).code == 200
    assert short == ["/mcp"]
    bound = (await holder.connect())["access_token"]
    assert (await holder.call(bound)).code == 200
    assert short == ["/mcp"]
    response = await holder.call(plain)
    assert (response.code, short) == (401, ["/mcp"])
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.gen_test
async def test_two_proofs_are_one_too_many(site: Site, holder: Holder) -> None:
    """Required by RFC 9449 §4.3, check 1: in two headers, or in one with a comma."""
    token = (await holder.connect())["access_token"]
    first, second = (holder.prove("/mcp", token=token) for _ in range(2))
    request = build_request(
        "POST /mcp", site.port, headers=HEADERS | {"Authorization": f"DPoP {token}"}, body=BODY.encode()
    )
    doubled = request.replace(b"\r\n", f"\r\nDPoP: {first}\r\nDPoP: {second}\r\n".encode(), 1)
    assert (await exchange(site.port, doubled)).status == 401
    assert (await holder.call(token, proof=f"{first}, {second}")).code == 401
    assert (await holder.call(token, proof=first)).code == 200
    form = b"grant_type=refresh_token&refresh_token=x&client_id=preset&client_secret=" + SECRET.encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for _ in range(2):  # the first request for a name takes the long way
        request = build_request("POST /token", site.port, headers=kind, body=form)
        lines = "".join(f"\r\nDPoP: {holder.prove('/token')}" for _ in range(2)) + "\r\n"
        answer = await exchange(site.port, request.replace(b"\r\n", lines.encode(), 1))
        assert (answer.status, json.loads(answer.body)["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.gen_test
async def test_an_enormous_proof_is_refused_before_it_is_read(holder: Holder) -> None:
    """Our choice: everything has a size."""
    token = (await holder.connect())["access_token"]
    response = await holder.call(token, proof=holder.prove("/mcp", token=token, padding="x" * 20_000))
    assert response.code == 401
    assert "too long" in response.headers["WWW-Authenticate"]


@pytest.mark.gen_test
async def test_a_nonce_is_told_in_a_header(start_site: StartSite) -> None:
    """Required by RFC 9449 §8, §8.2 and §9: in the refusal, and in answers while it is in use."""
    site = await start_site(settings={"dpop": {"token_nonces": True, "resource_nonces": True}})
    holder = Holder(site)
    code = await site.obtain_code()
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    refusal = await holder.ask_token(holder.prove("/token"), **fields)
    assert (refusal.code, read_json(refusal)["error"]) == (400, "use_dpop_nonce")
    assert refusal.headers["Cache-Control"] == "no-store"
    assert "DPoP-Nonce" in refusal.headers["Access-Control-Expose-Headers"]
    holder.nonce = refusal.headers["DPoP-Nonce"]
    response = await holder.ask_token(holder.prove("/token"), **fields)
    token = read_json(response)["access_token"]
    assert response.headers["DPoP-Nonce"] == holder.nonce

    refusal = await holder.call(token, proof=holder.prove("/mcp", token=token, nonce=None))
    assert refusal.code == 401
    assert refusal.headers["WWW-Authenticate"].startswith('DPoP error="use_dpop_nonce"')
    assert refusal.headers["DPoP-Nonce"] == holder.nonce
    assert (await holder.call(token)).headers["DPoP-Nonce"] == holder.nonce
    site.clock.advance(120)
    response = await holder.call(token)
    assert response.headers["DPoP-Nonce"] != holder.nonce
    site.clock.advance(120)
    refusal = await holder.call(token)
    assert (refusal.code, refusal.headers["DPoP-Nonce"] != holder.nonce) == (401, True)


@pytest.mark.gen_test
async def test_where_none_is_needed_no_nonce_is_told(holder: Holder) -> None:
    """Our choice: a client that is told one has to keep it."""
    token = (await holder.connect())["access_token"]
    assert "DPoP-Nonce" not in (await holder.call(token)).headers


@pytest.mark.gen_test
async def test_the_public_name_counts_whatever_host_says(start_site: StartSite) -> None:
    """Required by RFC 9449 §4.3, check 9: a proof for another server is none here, though that one passes it
    on with its own `Host`.
    """
    site = await start_site(public_url="https://mcp.example")
    holder = Holder(site)
    token = (await holder.connect(issuer="https://mcp.example"))["access_token"]
    proof = holder.prove("/mcp", token=token, issuer="https://mcp.example")
    assert (await holder.call(token, proof=proof, Host="inside.example")).code == 200
    for issuer, host in ((site.url, f"127.0.0.1:{site.port}"), ("https://evil.example", "evil.example")):
        proof = holder.prove("/mcp", token=token, issuer=issuer)
        assert (await holder.call(token, proof=proof, Host=host)).code == 401


@pytest.mark.gen_test
async def test_a_trusted_proxy_says_by_what_scheme_it_was_asked(start_site: StartSite) -> None:
    """Our choice ([server] trusted_proxies): on loopback, where no public_url says it."""
    for trusted, status in ((["127.0.0.1"], 200), ([], 401)):
        site = await start_site(settings={"server": {"trusted_proxies": trusted}})
        holder = Holder(site)
        token = (await holder.connect())["access_token"]
        proof = holder.prove("/mcp", token=token, issuer=f"https://localhost:{site.port}")
        forwarded: dict[str, Any] = {"Host": f"localhost:{site.port}", "X-Forwarded-Proto": "https"}
        assert (await holder.call(token, proof=proof, **forwarded)).code == status


@pytest.mark.gen_test
async def test_a_stream_goes_on_with_the_proof_it_began_with(start_site: StartSite) -> None:
    """Required by RFC 9449 §7.1: a proof is for one request; while that lasts, the token is asked again."""
    site = await start_site(keep_alive=0.02)
    holder = Holder(site)
    token = (await holder.connect())["access_token"]
    opened = await site.call(
        None,
        build_initialize(),
        Authorization=f"DPoP {token}",
        DPoP=holder.prove("/mcp", token=token),
    )
    session = opened.headers["Mcp-Session-Id"]
    proof = holder.prove("/mcp", token=token, htm="GET")
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof, "Mcp-Session-Id": session}
    request = build_request("GET /mcp", site.port, headers=headers | {"Accept": "text/event-stream"})
    async with Connection(site.port) as connection:
        await begin(connection, request)
        site.clock.advance(600)
        for _ in range(3):
            await connection.read_until(b": keep-alive\n\n")
        await site.post_token({"token": token}, path="/revoke")
        await connection.read_until(b"\r\n0\r\n\r\n")


@pytest.mark.gen_test
async def test_the_documents_say_what_can_be_proven(start_site: StartSite) -> None:
    """Required by RFC 9449 §5.1 and RFC 9728 §2."""
    for required in (False, True):
        site = await start_site(settings={"dpop": {"required": required}})
        server = read_json(await site.fetch("/.well-known/oauth-authorization-server"))
        resource = read_json(await site.fetch("/.well-known/oauth-protected-resource/mcp"))
        for document in (server, resource):
            assert document["dpop_signing_alg_values_supported"] == list(ALGORITHMS)
        assert resource.get("dpop_bound_access_tokens_required") is (True if required else None)


@pytest.mark.gen_test
async def test_where_every_token_has_to_be_bound_no_other_is_given_or_taken(
    start_site: StartSite, short: list[str]
) -> None:
    """Our choice ([dpop] required)."""
    site = await start_site(settings={"dpop": {"required": True}})
    holder = Holder(site)
    refusal = await site.redeem(await site.obtain_code())
    assert (refusal.code, read_json(refusal)["error"]) == (400, "invalid_dpop_proof")
    challenge = (await site.fetch("/mcp")).headers["WWW-Authenticate"]
    assert challenge.startswith("DPoP ")
    assert "resource_metadata=" in challenge
    token = (await holder.connect())["access_token"]
    assert (await holder.call(token)).code == 200
    for _ in range(2):
        assert (await holder.call(token, scheme="Bearer", with_proof=False)).code == 401
    assert short == []


@pytest.mark.gen_test
async def test_a_scope_that_is_lacking_is_asked_for_by_the_same_scheme(site: Site, holder: Holder) -> None:
    """Required by RFC 6750 §3.1 and RFC 9449 §7.1."""
    token = (await holder.connect())["access_token"]
    message, mirrored = build_stateless("tools/call", {"name": "reset", "arguments": {}})
    headers = HEADERS | {name.replace("_", "-"): value for name, value in mirrored.items()}
    headers |= {"Authorization": f"DPoP {token}", "DPoP": holder.prove("/mcp", token=token)}
    response = await site.fetch("/mcp", method="POST", headers=headers, body=json.dumps(message))
    assert response.code == 403
    assert response.headers["WWW-Authenticate"].startswith('DPoP error="insufficient_scope"')


@pytest.mark.gen_test
async def test_a_page_elsewhere_may_send_a_proof(start_site: StartSite) -> None:
    """Required by Fetch §3.3: the preflight lets the header through, and the nonce can be read."""
    site = await start_site(settings={"server": {"allowed_origins": ["https://app.example"]}})
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    for path in ("/token", "/mcp"):
        for names in ("authorization,dpop", ""):
            headers = asked | {"Access-Control-Request-Headers": names}
            response = await site.fetch(path, method="OPTIONS", headers=headers)
            assert "dpop" in response.headers["Access-Control-Allow-Headers"].lower()
            assert "DPoP-Nonce" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.gen_test
async def test_a_code_is_bound_from_the_authorization_request_on(site: Site, holder: Holder) -> None:
    """Required by RFC 9449 §10: through the browser, and back."""
    code = await site.obtain_code(dpop_jkt=find_thumbprint())
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    refusal = await holder.ask_token(holder.prove("/token", key=THIEF), **fields)
    assert (refusal.code, read_json(refusal)["error"]) == (400, "invalid_grant")
    assert read_json(await holder.ask_token(holder.prove("/token"), **fields))["token_type"] == "DPoP"
    location = site.build_authorize_url(dpop_jkt="short")
    response = await site.open_browser().get(location)
    assert response.headers["Location"].startswith(f"{CALLBACK}?error=invalid_request")


@pytest.mark.gen_test
async def test_a_restart_frees_no_token_from_its_key(start_site: StartSite, tmp_path: Path) -> None:
    """Required by RFC 9449 §6: what a token is bound to is kept, and so are nonces' key and the proofs that
    were taken.
    """
    nonces = {"dpop": {"token_nonces": True, "resource_nonces": True}}
    tables: dict[str, Any] = {"settings": nonces, "store": tmp_path / "state"}
    site = await start_site(**tables)
    holder = Holder(site)
    holder.nonce = await site.services.proofs.nonces.issue(now=site.clock.now)
    tokens = await holder.connect()
    token = tokens["access_token"]
    issuer, proof = site.url, holder.prove("/mcp", token=token)
    assert (await holder.call(token, proof=proof)).code == 200
    await site.server.stop()
    site = await start_site(**tables, port=site.port)
    holder.site = site
    assert site.url == issuer
    assert (await holder.call(token, scheme="Bearer", with_proof=False)).code == 401
    refusal = await holder.call(token, proof=proof)
    assert 'error="invalid_dpop_proof"' in refusal.headers["WWW-Authenticate"]
    assert (await holder.call(token)).code == 200
