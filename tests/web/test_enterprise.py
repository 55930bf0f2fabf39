"""Enterprise-managed authorization over HTTP: an assertion in, a person's tools out."""

import json
from pathlib import Path
from typing import Any

import pytest
from oauth.fetching import FakeFetch
from oauth.keys import make_key, publish, sign
from tornado.httpclient import HTTPResponse

from omnitornado.config import ConfigError

from .browser import find_forms
from .conftest import StartSite
from .site import CLIENTS, SECRET, Site, build_stateless, read_json

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag"
EXTENSION = "io.modelcontextprotocol/enterprise-managed-authorization"
IDP = "https://idp.example"
DOCUMENT = IDP + "/.well-known/openid-configuration"
AGENT = {
    "client_id": "agent",
    "client_secret": SECRET,
    "client_name": "Agent",
    "redirect_uris": ["https://agent.example/callback"],
    "grant_types": ["authorization_code", GRANT],
}
ACME: dict[str, Any] = {"name": "acme", "issuer": IDP}
JTI = iter(range(10**9))


async def start(start_site: StartSite, provider: dict[str, Any] = ACME, **settings: Any) -> Site:
    fetch = FakeFetch()
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    fetch.documents[DOCUMENT] = {"issuer": IDP} | dict.fromkeys(names, IDP + "/keys")
    fetch.documents[IDP + "/keys"] = publish(make_key())
    tables = {"identity_providers": [provider]} | settings
    return await start_site(clients=[*CLIENTS, AGENT], settings=tables, fetch=fetch)


def build_assertion(site: Site, **changed: Any) -> str:
    now = site.clock.now
    claims = {
        "iss": IDP,
        "sub": "ada",
        "aud": site.url,
        "client_id": "agent",
        "jti": str(next(JTI)),
        "iat": now,
        "exp": now + 300,
        "resource": site.mcp_url,
    }
    return sign(claims | changed, typ="oauth-id-jag+jwt")


async def bring(site: Site, assertion: str, **fields: str) -> HTTPResponse:
    sent = {"grant_type": GRANT, "assertion": assertion, "client_id": "agent"}
    return await site.post_token(sent | fields)


async def call(site: Site, token: str, name: str) -> Any:
    message, headers = build_stateless("tools/call", {"name": name, "arguments": {}})
    return read_json(await site.call(token, message, **headers))["result"]["structuredContent"]


@pytest.mark.gen_test
async def test_an_assertion_opens_the_persons_tools(start_site: StartSite) -> None:
    """Required by enterprise-managed-authorization §5 (MCP extension): keys are found by the issuer alone."""
    site = await start(start_site)
    response = await bring(site, build_assertion(site))
    assert (response.code, response.headers["Cache-Control"]) == (200, "no-store")
    body = read_json(response)
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert await call(site, body["access_token"], "whoami") == "ada by agent"


@pytest.mark.gen_test
async def test_the_profile_is_advertised_where_somebody_is_trusted(start_site: StartSite) -> None:
    """Required by enterprise-managed-authorization §6, and by server/discover; but not who is trusted."""
    for site, is_there in ((await start(start_site), True), (await start_site(), False)):
        raw = await site.fetch("/.well-known/oauth-authorization-server")
        document = read_json(raw)
        assert (GRANT in document["grant_types_supported"]) is is_there
        assert document.get("authorization_grant_profiles_supported") == ([PROFILE] if is_there else None)
        assert b"idp.example" not in raw.body
        message, headers = build_stateless("server/discover", {})
        token = (await site.obtain_tokens())["access_token"]
        found = read_json(await site.call(token, message, **headers))["result"]["capabilities"]
        assert (EXTENSION in found.get("extensions", {})) is is_there


@pytest.mark.gen_test
async def test_a_refusal_is_told_in_the_one_shape(start_site: StartSite) -> None:
    """Required by RFC 7521 §4.1.1 and RFC 6749 §5.2."""
    site = await start(start_site)
    for assertion, status, error in (
        ("x", 400, "invalid_grant"),
        (build_assertion(site, aud="https://other.example"), 400, "invalid_grant"),
        (build_assertion(site, sub="eve"), 400, "invalid_grant"),
        ("x" * 70_000, 413, None),
    ):
        response = await bring(site, assertion)
        assert response.code == status
        if error is not None:
            assert read_json(response)["error"] == error
            assert b"eve" not in response.body


@pytest.mark.gen_test
async def test_a_provider_that_is_away_is_503(start_site: StartSite) -> None:
    """Our choice: and the log says which and why."""
    site = await start(start_site)
    fetch = site.services.fetch
    assert isinstance(fetch, FakeFetch)
    del fetch.documents[IDP + "/keys"]
    response = await bring(site, build_assertion(site))
    assert (response.code, read_json(response)["error"]) == (503, "temporarily_unavailable")
    assert response.headers["Retry-After"] == "5"


@pytest.mark.gen_test
async def test_the_person_sees_the_app_and_can_disconnect_it(start_site: StartSite) -> None:
    """Our choice: a connection as any other; what let it in is named."""
    site = await start(start_site)
    token = read_json(await bring(site, build_assertion(site)))["access_token"]
    browser = site.open_browser()
    await site.obtain_tokens(browser)
    page = await browser.get("/account")
    assert b"by the word of acme" in page.body
    for form in [form for form in find_forms(page) if "public_id" in form.fields]:
        await browser.submit(form)
    message, headers = build_stateless("tools/list", {})
    assert (await site.call(token, message, **headers)).code == 401


@pytest.mark.gen_test
async def test_somebody_who_is_not_listed_is_let_in_where_that_is_said(start_site: StartSite) -> None:
    """Our choice: under a name of their own, with the scopes of their provider, and by its word alone."""
    site = await start(start_site, ACME | {"people": "any", "claims": {"groups": "tools"}, "scopes": ["mcp"]})
    refused = await bring(site, build_assertion(site, sub="eve"))
    assert read_json(refused)["error"] == "invalid_grant"
    response = await bring(site, build_assertion(site, sub="eve", groups=["tools"]))
    token = read_json(response)["access_token"]
    assert await call(site, token, "whoami") == "idp:acme:eve by agent"
    assert site.services.people.find_by_spelling("idp:acme:eve") is None


@pytest.mark.gen_test
async def test_the_audit_log_says_who_vouched(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: who came in by whose word, what was refused and why, and never the assertion."""
    path = tmp_path / "audit.jsonl"
    site = await start(start_site, audit={"path": str(path)})
    good, bad = build_assertion(site), build_assertion(site, resource="https://other.example/mcp")
    token = read_json(await bring(site, good))["access_token"]
    await bring(site, good)
    await bring(site, bad)
    audit = site.services.audit
    assert audit is not None
    audit.close()
    text = path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (issued,) = [line for line in lines if line["event"] == "token.issued"]
    seen = [issued[name] for name in ("reason", "client", "user", "provider")]
    assert seen == ["assertion_redeemed", "agent", "ada", "acme"]
    refused = [(line["reason"], line["client"]) for line in lines if line["event"] == "token.refused"]
    assert refused == [("assertion_replayed", "agent"), ("assertion_resource", "agent")]
    for secret in (good, bad, token):
        assert secret not in text
        assert secret.split(".")[-1] not in text


@pytest.mark.gen_test
async def test_a_provider_that_could_vouch_for_nobody_is_refused_at_the_start(start_site: StartSite) -> None:
    """Our choice: with the reason, before anything is served."""
    for changed, reason in (
        ({"subjects": {"00u1": "nobody"}}, "nobody in .*users.* is called 'nobody'"),
        ({"jwks": {"keys": []}}, "keys of acme: no key in the set can be used"),
        ({"jwks_uri": "https://127.0.0.1/keys"}, "keys of acme: its host must be a name"),
    ):
        with pytest.raises(ConfigError, match=reason):
            await start(start_site, ACME | changed)
    site = await start(start_site, ACME | {"subjects": {"00u1": "bob"}})
    token = read_json(await bring(site, build_assertion(site, sub="00u1")))["access_token"]
    assert await call(site, token, "whoami") == "bob by agent"


@pytest.mark.gen_test
async def test_whoever_signs_in_through_the_provider_is_the_same_person(start_site: StartSite) -> None:
    """Our choice: by its page or by its word."""
    oidc = {"issuer": IDP, "client_id": "x", "allowed_claims": ["groups=tools"], "username_prefix": "corp:"}
    site = await start(start_site, ACME | {"people": "login"}, login={"oidc": oidc})
    assert read_json(await bring(site, build_assertion(site, sub="u1")))["error"] == "invalid_grant"
    response = await bring(site, build_assertion(site, sub="u1", groups=["tools"]))
    assert await call(site, read_json(response)["access_token"], "whoami") == "corp:u1 by agent"
