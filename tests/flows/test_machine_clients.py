"""Programs without a person, by the real clients: client_credentials with a secret and with a key."""

import asyncio
from typing import Any

import httpx
import httpx2
import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey
from mcp.client import Client
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.streamable_http import streamable_http_client

from .conftest import PRESET_SECRET, Serve
from .ledger import Ledger
from .oauth_client import OAuthClient
from .process import PATIENCE, ServerProcess
from .refused import RefusedError
from .sdk import Storage
from .test_sdk_client import call
from .unattended import UnattendedProgram

KEY = ECKey.generate_key("P-256")
ROBOT = {"client_id": "robot", "client_name": "Robot", "grant_types": ["client_credentials"], "scope": "mcp"}
BY_SECRET = ROBOT | {"client_secret": PRESET_SECRET}
BY_KEY = ROBOT | {"client_id": "signer", "jwks": {"keys": [KEY.as_dict(private=False)]}}
ITSELF = {"username": "client:robot", "client": "Robot", "scopes": ["mcp"]}


@pytest.fixture
def server(serve: Serve) -> ServerProcess:
    return serve(clients=[BY_SECRET, BY_KEY])


def build_provider(server: ServerProcess, storage: Storage, kind: str) -> httpx2.Auth:
    if kind == "private_key_jwt":
        pem = KEY.as_pem(private=True).decode()
        signing = SignedJWTParameters(
            issuer="signer", subject="signer", signing_key=pem, signing_algorithm="ES256"
        )
        provider = signing.create_assertion_provider()
        return PrivateKeyJWTOAuthProvider(server.mcp_url, storage, "signer", provider, issuer=server.issuer)
    method: Any = kind
    return ClientCredentialsOAuthProvider(
        server.mcp_url, storage, "robot", PRESET_SECRET, method, issuer=server.issuer
    )


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("kind", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_the_python_sdk_calls_tools_without_a_person(
    server: ServerProcess, ledger: Ledger, kind: str, mode: str
) -> None:
    """Required by RFC 6749 §4.4 and the MCP extension of OAuth client credentials."""
    storage = Storage(ledger)

    async def journey() -> None:
        auth = build_provider(server, storage, kind)
        async with (
            httpx2.AsyncClient(auth=auth, timeout=PATIENCE) as http,
            Client(streamable_http_client(server.mcp_url, http_client=http), mode=mode) as client,
        ):
            name = "signer" if kind == "private_key_jwt" else "robot"
            assert await call(client, "whoami") == ITSELF | {"username": f"client:{name}"}
            await asyncio.to_thread(server.restart)
        async with (
            httpx2.AsyncClient(auth=auth, timeout=PATIENCE) as http,
            Client(streamable_http_client(server.mcp_url, http_client=http), mode=mode) as client,
        ):
            assert await call(client, "add", a=2, b=3) == 5

    asyncio.run(journey())
    assert [(one.refresh_token, one.scope, one.expires_in) for one in storage.received] == [
        (None, "mcp", 3600)
    ]


@pytest.mark.parametrize("package", ["sdk", "client"])
def test_the_typescript_sdks_call_tools_without_a_person(
    server: ServerProcess, ledger: Ledger, package: str
) -> None:
    """Required by RFC 6749 §4.4 and the MCP extension of OAuth client credentials."""
    program = UnattendedProgram(package, server, ledger)
    try:
        secret = {"clientId": "robot", "clientSecret": PRESET_SECRET, "expectedIssuer": server.issuer}
        seen, tokens = program.call("secret", "whoami", {}, **secret)
        assert seen == ITSELF
        assert (tokens["scope"], "refresh_token" in tokens) == ("mcp", False)
        pem = KEY.as_pem(private=True).decode()
        key = {"clientId": "signer", "privateKey": pem, "algorithm": "ES256", "expectedIssuer": server.issuer}
        seen, _ = program.call("key", "whoami", {}, **key)
        assert seen == ITSELF | {"username": "client:signer"}
        program.close()
    finally:
        program.kill()


def test_a_generic_client_is_held_to_what_it_may_have(server: ServerProcess, ledger: Ledger) -> None:
    """Required by RFC 6749 §4.4 and §5.2, RFC 8707 §2, RFC 7009; and RFC 9449 §5, whatever the grant."""
    client = OAuthClient(server, ledger)
    try:
        found = client.do("discover")["server"]
        assert "client_credentials" in found["grant_types_supported"]
        secret = BY_SECRET | {"token_endpoint_auth_method": "client_secret_basic"}
        client.do("use", client=secret)
        tokens = client.do("clientCredentials", parameters={"resource": server.mcp_url, "scope": "mcp"})
        assert (tokens["scope"], tokens["expires_in"], "refresh_token" in tokens) == ("mcp", 3600, False)
        assert client.add(2, 3) == 5
        client.do("revoke", token=tokens["access_token"])
        with pytest.raises(RefusedError, match="challenge"):
            client.add(2, 3)
        for parameters, code in (
            ({"scope": "everything"}, "invalid_scope"),
            ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
        ):
            with pytest.raises(RefusedError) as refusal:
                client.do("clientCredentials", parameters=parameters)
            assert (refusal.value.code, refusal.value.data["status"]) == (code, 400)
        client.register("client_secret_basic")
        with pytest.raises(RefusedError) as refusal:
            client.do("clientCredentials")
        assert refusal.value.code == "unauthorized_client"
        client.do("use", client=secret)
        client.do("bind", algorithm="ES256")
        assert client.do("clientCredentials")["token_type"] == "dpop"
        assert client.add(2, 3) == 5
        client.close()
    finally:
        client.kill()


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_authlib_gets_a_token_for_itself(server: ServerProcess, ledger: Ledger, method: str) -> None:
    """Required by RFC 6749 §4.4, RFC 7523 §2.2."""
    endpoint = f"{server.issuer}/token"
    name, secret = ("signer", KEY) if method == "private_key_jwt" else ("robot", PRESET_SECRET)
    oauth: Any = OAuth2Client(client_id=name, client_secret=secret, token_endpoint_auth_method=method)
    oauth.register_client_auth_method(PrivateKeyJWT(endpoint, alg="ES256"))
    with oauth:
        token = oauth.fetch_token(
            endpoint, grant_type="client_credentials", scope="mcp", resource=server.mcp_url
        )
        ledger.note_members(token)
        assert (token["scope"], "refresh_token" in token) == ("mcp", False)
        headers = {"Authorization": f"Bearer {token['access_token']}", "Accept": "text/event-stream"}
        assert httpx.get(server.mcp_url, headers=headers).status_code != 401
        with pytest.raises(OAuthError, match="invalid_scope"):
            oauth.fetch_token(endpoint, grant_type="client_credentials", scope="everything")
