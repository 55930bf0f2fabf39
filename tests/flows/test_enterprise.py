"""Enterprise-managed authorization by the real clients: an identity provider's word in place of a page."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import ECKey
from mcp.client import Client
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client

from .conftest import PRESET_SECRET, Serve
from .ledger import Ledger
from .oauth_client import OAuthClient
from .process import PATIENCE, ServerProcess
from .refused import RefusedError
from .sdk import Storage
from .test_sdk_client import call
from .unattended import UnattendedProgram

IDP = "https://idp.example.com"
KEY = ECKey.generate_key("P-256")
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AGENT = {
    "client_id": "agent",
    "client_name": "Agent",
    "client_secret": PRESET_SECRET,
    "grant_types": [GRANT],
}
ACME: dict[str, Any] = {"name": "acme", "issuer": IDP, "jwks": {"keys": [KEY.as_dict(private=False)]}}
JTI = iter(range(10**9))


def issue_assertion(audience: str, resource: str, **changed: Any) -> str:
    """What the provider signs once it has let the client act for ada."""
    now = int(time.time())
    claims = {
        "iss": IDP,
        "sub": "ada",
        "aud": audience,
        "resource": resource,
        "client_id": "agent",
        "jti": f"{now}-{next(JTI)}",
        "iat": now,
        "exp": now + 300,
        "scope": "mcp",
    }
    return jwt.encode({"alg": "ES256", "typ": "oauth-id-jag+jwt"}, claims | changed, KEY)


@pytest.fixture
def server(serve: Serve) -> ServerProcess:
    return serve(clients=[AGENT], identity_providers=[ACME])


@pytest.fixture
def issue(server: ServerProcess, ledger: Ledger) -> Callable[..., str]:
    def issue(**changed: Any) -> str:
        assertion = issue_assertion(server.issuer, server.mcp_url, **changed)
        ledger.note(assertion)
        return assertion

    return issue


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_python_sdk_acts_for_a_person_who_sees_no_page(
    server: ServerProcess, ledger: Ledger, method: Any, mode: str
) -> None:
    """Required by MCP extension io.modelcontextprotocol/enterprise-managed-authorization §5."""
    storage, asked = Storage(ledger), []

    async def fetch_assertion(audience: str, resource: str) -> str:
        asked.append((audience, resource))
        assertion = issue_assertion(audience, resource)
        ledger.note(assertion)
        return assertion

    async def journey() -> None:
        auth = IdentityAssertionOAuthProvider(
            server.mcp_url,
            storage,
            "agent",
            PRESET_SECRET,
            server.issuer,
            fetch_assertion,
            token_endpoint_auth_method=method,
        )
        for _ in range(2):
            async with (
                httpx2.AsyncClient(auth=auth, timeout=PATIENCE) as http,
                Client(streamable_http_client(server.mcp_url, http_client=http), mode=mode) as client,
            ):
                who = {"username": "ada", "client": "Agent", "scopes": ["mcp"]}
                assert await call(client, "whoami") == who
            await asyncio.to_thread(server.restart)

    asyncio.run(journey())
    assert asked == [(server.issuer, server.mcp_url)]
    assert [(one.refresh_token, one.scope, one.expires_in) for one in storage.received] == [
        (None, "mcp", 3600)
    ]


def test_the_typescript_sdk_acts_for_a_person_who_sees_no_page(server: ServerProcess, ledger: Ledger) -> None:
    """Required by MCP extension io.modelcontextprotocol/enterprise-managed-authorization §5."""
    program = UnattendedProgram("client", server, ledger, issue_assertion)
    try:
        options = {"clientId": "agent", "clientSecret": PRESET_SECRET, "expectedIssuer": server.issuer}
        seen, tokens = program.call("enterprise", "whoami", {}, **options)
        assert seen == {"username": "ada", "client": "Agent", "scopes": ["mcp"]}
        assert (tokens["scope"], "refresh_token" in tokens) == ("mcp", False)
        program.close()
    finally:
        program.kill()


@pytest.fixture
def client(server: ServerProcess, ledger: Ledger) -> Iterator[OAuthClient]:
    client = OAuthClient(server, ledger)
    try:
        client.do("discover")
        client.do("use", client=AGENT | {"token_endpoint_auth_method": "client_secret_basic"})
        yield client
        client.close()
    finally:
        client.kill()


def test_a_generic_client_is_told_what_is_wrong_with_an_assertion(
    server: ServerProcess, client: OAuthClient, issue: Callable[..., str]
) -> None:
    """Required by RFC 7523 §2.1 and §3.1, and enterprise-managed-authorization §7.4.2 across a restart."""
    found = client.do("discover")["server"]
    assert found["authorization_grant_profiles_supported"] == ["urn:ietf:params:oauth:grant-profile:id-jag"]
    good = issue()
    tokens = client.do("jwtBearer", assertion=good)
    assert (tokens["scope"], "refresh_token" in tokens) == ("mcp", False)
    assert client.add(2, 3) == 5
    server.restart()
    assert client.add(3, 4) == 7
    for wrong in (good, issue(sub="eve"), issue(aud="https://other.example"), issue(client_id="other")):
        with pytest.raises(RefusedError) as refusal:
            client.do("jwtBearer", assertion=wrong)
        assert (refusal.value.code, refusal.value.data["status"]) == ("invalid_grant", 400)
    with pytest.raises(RefusedError) as refusal:
        client.do("jwtBearer", assertion=issue(), parameters={"resource": "https://other.example/mcp"})
    assert refusal.value.code == "invalid_target"
    client.do("revoke", token=tokens["access_token"])
    with pytest.raises(RefusedError, match="challenge"):
        client.add(2, 3)


def test_authlib_exchanges_an_assertion(
    server: ServerProcess, ledger: Ledger, issue: Callable[..., str]
) -> None:
    """Required by RFC 7523 §2.1."""
    endpoint = f"{server.issuer}/token"
    oauth: Any = OAuth2Client(client_id="agent", client_secret=PRESET_SECRET)
    with oauth:
        token = oauth.fetch_token(endpoint, grant_type=GRANT, assertion=issue(), scope="mcp")
        ledger.note_members(token)
        assert (token["scope"], "refresh_token" in token) == ("mcp", False)
        with pytest.raises(OAuthError, match="invalid_grant"):
            oauth.fetch_token(endpoint, grant_type=GRANT, assertion=issue(iss="https://evil.example"))


def test_a_key_of_another_is_not_believed(server: ServerProcess, client: OAuthClient) -> None:
    """Required by enterprise-managed-authorization §7.4.1."""
    now = int(time.time())
    claims: dict[str, Any] = {"iss": IDP, "sub": "ada", "aud": server.issuer, "client_id": "agent"}
    claims |= {"jti": "1", "iat": now, "exp": now + 300}
    forged = jwt.encode({"alg": "ES256", "typ": "oauth-id-jag+jwt"}, claims, ECKey.generate_key("P-256"))
    with pytest.raises(RefusedError) as refusal:
        client.do("jwtBearer", assertion=forged)
    assert refusal.value.code == "invalid_grant"
    server.wait_for_log("reason=assertion_signature")
