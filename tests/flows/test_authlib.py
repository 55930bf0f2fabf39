"""Authlib's OAuth 2.0 client, as the preset client with a secret, and as clients without one."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from .conftest import PRESET_SECRET, Serve
from .ledger import Ledger
from .person import Person
from .process import ServerProcess
from .raw import EVENTS, find_query

CALLBACK = "http://127.0.0.1:45454/callback"
"""Registered without a port: on loopback any matches (RFC 8252 §7.3)."""
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
METHODS = ["client_secret_basic", "client_secret_post"]
WITHOUT_SECRET = ["none", "private_key_jwt"]


class AuthlibApplication:
    """An application that uses Authlib, and knows the server's addresses from its metadata.

    With a secret it is the preset client. Without one it registers itself, which Authlib has nothing for.
    """

    def __init__(self, server: ServerProcess, ledger: Ledger, method: str) -> None:
        self.ledger = ledger
        self.mcp_url = server.mcp_url
        self.metadata = httpx.get(f"{server.issuer}/.well-known/oauth-authorization-server").json()
        client_id, secret = ("preset", PRESET_SECRET) if method in METHODS else self._register(method)
        self.oauth: Any = OAuth2Client(
            client_id=client_id,
            client_secret=secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            redirect_uri=CALLBACK,
            scope="mcp",
            code_challenge_method="S256",
        )
        self.oauth.register_client_auth_method(PrivateKeyJWT(alg="ES256"))
        self.oauth.metadata["token_endpoint"] = self.metadata["token_endpoint"]

    def _register(self, method: str) -> tuple[str, Any]:
        """A client id, and what Authlib proves itself with: for `private_key_jwt` the private key."""
        document: dict[str, Any] = {
            "client_name": "Authlib app",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token", DEVICE_CODE],
            "token_endpoint_auth_method": method,
        }
        key = ECKey.generate_key("P-256") if method == "private_key_jwt" else None
        if key is not None:
            document["jwks"] = {"keys": [key.as_dict(private=False)]}
        response = httpx.post(self.metadata["registration_endpoint"], json=document)
        assert response.status_code == 201, response.text
        self.ledger.note_members(response.json())
        return response.json()["client_id"], key

    def authorize(self, person: Person, *, is_pushed: bool = False) -> dict[str, Any]:
        """Through the browser to tokens."""
        verifier = generate_token(64)
        self.ledger.note(verifier)
        url, state = self.oauth.create_authorization_url(
            self.metadata["authorization_endpoint"], code_verifier=verifier, resource=self.mcp_url
        )
        if is_pushed:
            url = self._push(url)
        callback = person.approve(url)
        assert callback.startswith(CALLBACK + "?")
        assert find_query(callback)["iss"] == self.metadata["issuer"]
        return self._note(
            self.oauth.fetch_token(
                self.metadata["token_endpoint"],
                authorization_response=callback,
                state=state,
                code_verifier=verifier,
            )
        )

    def _push(self, url: str) -> str:
        """Authlib has nothing for RFC 9126 but its way to authenticate: gives the address with the name."""
        request = find_query(url)
        del request["client_id"]  # Authlib adds it with the proof, and RFC 6749 §3.1 wants none twice
        pushed = self.post_authenticated("pushed_authorization_request_endpoint", **request)
        name = urlencode({"client_id": self.oauth.client_id, "request_uri": pushed["request_uri"]})
        return f"{self.metadata['authorization_endpoint']}?{name}"

    def post_authenticated(self, endpoint: str, **form: str) -> dict[str, Any]:
        """A form to an endpoint of the metadata, with the proof that Authlib makes."""
        auth = self.oauth.client_auth(self.oauth.token_endpoint_auth_method)
        response = self.oauth.request(
            "POST", self.metadata[endpoint], withhold_token=True, data=form, auth=auth
        )
        assert response.status_code in (200, 201), response.text
        return self._note(response.json())

    def poll(self, device_code: str) -> dict[str, Any]:
        return self._note(
            self.oauth.fetch_token(
                self.metadata["token_endpoint"], grant_type=DEVICE_CODE, device_code=device_code
            )
        )

    def introspect(self, token: str) -> dict[str, Any]:
        response = self.oauth.introspect_token(self.metadata["introspection_endpoint"], token)
        return dict(response.json())

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        return self._note(self.oauth.refresh_token(self.metadata["token_endpoint"], refresh_token))

    def revoke(self, token: str, hint: str) -> int:
        response = self.oauth.revoke_token(self.metadata["revocation_endpoint"], token, token_type_hint=hint)
        return int(response.status_code)

    def call_add(self, a: int, b: int, **options: Any) -> Any:
        """A tool call with the token that Authlib holds; gives the response."""
        return self.oauth.post(
            self.mcp_url,
            json={
                "jsonrpc": "2.0",
                "id": 0,
                "method": "tools/call",
                "params": {
                    "name": "add",
                    "arguments": {"a": a, "b": b},
                    "_meta": {
                        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                        "io.modelcontextprotocol/clientInfo": {"name": "authlib", "version": "1"},
                        "io.modelcontextprotocol/clientCapabilities": {},
                    },
                },
            },
            headers={
                "Accept": EVENTS,
                "MCP-Protocol-Version": "2026-07-28",
                "Mcp-Method": "tools/call",
                "Mcp-Name": "add",
            },
            **options,
        )

    def _note(self, token: dict[str, Any]) -> dict[str, Any]:
        self.ledger.note_members(token)
        return dict(token)


@pytest.fixture
def application(server: ServerProcess, ledger: Ledger, method: str) -> Iterator[AuthlibApplication]:
    application = AuthlibApplication(server, ledger, method)
    yield application
    application.oauth.close()


@pytest.mark.parametrize("method", METHODS + WITHOUT_SECRET)
def test_code_refresh_and_revocation(application: AuthlibApplication, person: Person) -> None:
    """Required by RFC 6749 §2.3.1, §4.1 and §6, RFC 7636, RFC 7009, RFC 7523 §2.2: Authlib sends the secret
    un-encoded, and signs for the endpoint's address and not for the issuer.
    """
    first = application.authorize(person)
    assert first["token_type"] == "Bearer"
    assert first["scope"] == "mcp"
    assert first["expires_in"] == 3600
    assert application.call_add(2, 3).json()["result"]["structuredContent"] == 5

    second = application.refresh(first["refresh_token"])
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert application.call_add(3, 4).json()["result"]["structuredContent"] == 7

    assert application.revoke(second["access_token"], "access_token") == 200
    assert application.call_add(1, 1).status_code == 401
    second = application.refresh(second["refresh_token"])
    assert application.call_add(4, 5).json()["result"]["structuredContent"] == 9
    assert application.revoke(second["refresh_token"], "refresh_token") == 200
    assert application.call_add(1, 1).status_code == 401
    with pytest.raises(OAuthError, match="invalid_grant"):
        application.refresh(second["refresh_token"])


@pytest.mark.parametrize("method", METHODS + WITHOUT_SECRET)
def test_a_pushed_request(application: AuthlibApplication, person: Person) -> None:
    """Required by RFC 9126 §2 and §4."""
    application.authorize(person, is_pushed=True)
    assert application.call_add(2, 3).json()["result"]["structuredContent"] == 5


@pytest.mark.parametrize("method", METHODS + WITHOUT_SECRET)
def test_a_device_code(serve: Serve, ledger: Ledger, method: str) -> None:
    """Required by RFC 8628 §3: with the preset client, or as one that registered itself."""
    client = {"client_id": "preset", "client_secret": PRESET_SECRET}
    server = serve(clients=[client | {"grant_types": [DEVICE_CODE, "refresh_token"]}])
    application = AuthlibApplication(server, ledger, method)
    codes = application.post_authenticated("device_authorization_endpoint", scope="mcp")
    with pytest.raises(OAuthError, match="authorization_pending"):
        application.poll(codes["device_code"])
    with Person(server.issuer, ledger) as person:
        person.let_in(codes)
    first = application.poll(codes["device_code"])
    assert application.call_add(2, 3).json()["result"]["structuredContent"] == 5
    application.refresh(first["refresh_token"])
    assert application.call_add(3, 4).json()["result"]["structuredContent"] == 7
    application.oauth.close()


@pytest.mark.parametrize("method", METHODS)
def test_a_resource_server_asks_about_a_token(serve: Serve, ledger: Ledger, method: str) -> None:
    """Required by RFC 7662 §2."""
    guard = {"server_id": "guard", "server_secret": "guard secret: 100%", "resources": ["/mcp"]}
    server = serve(resource_servers=[guard])
    application, asking = (
        AuthlibApplication(server, ledger, method),
        AuthlibApplication(server, ledger, method),
    )
    asking.oauth.client_id, asking.oauth.client_secret = guard["server_id"], guard["server_secret"]
    with Person(server.issuer, ledger) as person:
        tokens = application.authorize(person)
    told = asking.introspect(tokens["access_token"])
    assert (told["active"], told["client_id"], told["scope"]) == (True, "preset", "mcp")
    assert application.revoke(tokens["access_token"], "access_token") == 200
    assert asking.introspect(tokens["access_token"]) == {"active": False}
    assert asking.introspect(tokens["refresh_token"]) == {"active": False}
    application.oauth.close()
    asking.oauth.close()


@pytest.mark.parametrize("method", METHODS + WITHOUT_SECRET)
def test_an_expired_token_is_refreshed_by_the_client_itself(
    application: AuthlibApplication, person: Person
) -> None:
    """Required by RFC 6749 §6: Authlib refreshes before it sends a request with a token past its time."""
    first = application.authorize(person)
    application.oauth.token = first | {"expires_at": 1}
    assert application.call_add(2, 3).status_code == 200
    second = application._note(application.oauth.token)
    assert second["access_token"] != first["access_token"]


@pytest.mark.parametrize("method", METHODS)
def test_the_second_authorization_asks_for_nothing(application: AuthlibApplication, person: Person) -> None:
    """Our choice: consent is remembered for a preset confidential client, whatever its loopback port."""
    application.authorize(person)
    application.authorize(person)
    assert (person.sign_ins, person.approvals) == (1, 1)


@pytest.mark.parametrize("method", METHODS)
def test_a_client_with_one_method_is_held_to_it(serve: Serve, ledger: Ledger, method: str) -> None:
    """Required by RFC 7591 §2, token_endpoint_auth_method."""
    client = {
        "client_id": "preset",
        "client_secret": PRESET_SECRET,
        "token_endpoint_auth_method": method,
        "redirect_uris": ["http://127.0.0.1/callback"],
    }
    server = serve(clients=[client])
    with Person(server.issuer, ledger) as person:
        for used in METHODS:
            application = AuthlibApplication(server, ledger, used)
            if used == method:
                application.authorize(person)
                assert application.call_add(2, 3).status_code == 200
            else:
                with pytest.raises(OAuthError, match="invalid_client"):
                    application.authorize(person)
            application.oauth.close()
