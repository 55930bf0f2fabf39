"""An OpenID provider that does what the specification says, behind a fetch; a test makes it lie."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import msgspec

from omnitornado.base64url import encode
from omnitornado.net.fetched import Fetched, FetchError

from .keys import make_key, publish, sign

PROVIDER = "https://id.example.com"
CLIENT_ID = "our id"
CLIENT_SECRET = "our secret: 100% + more"
NOW = 1_800_000_000.0


class FakeProvider:
    """The provider. Everything public about it may be changed at any time."""

    def __init__(self, issuer: str = PROVIDER, *, algorithm: str = "RS256") -> None:
        self.issuer = issuer
        self.algorithm = algorithm
        self.now = NOW
        self.metadata: dict[str, Any] = {
            "issuer": issuer,
            "authorization_endpoint": issuer + "/authorize",
            "token_endpoint": issuer + "/token",
            "userinfo_endpoint": issuer + "/userinfo",
            "jwks_uri": issuer + "/jwks",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": [algorithm],
            "authorization_response_iss_parameter_supported": True,
        }
        self.claims: dict[str, Any] = {"sub": "248", "email": "Ada@Example.com", "email_verified": True}
        """Of whoever signs in; in the ID token."""
        self.lies: dict[str, Any] = {}
        """Members of the ID token that it would not have; None takes one out."""
        self.userinfo: dict[str, Any] = {"sub": "248"}
        self.signing_key = make_key(algorithm)
        self.published = publish(self.signing_key, kid="1")
        self.token_extra: dict[str, Any] = {}
        """Members of the token response."""
        self.replies: dict[str, Fetched | FetchError] = {}
        """What is said instead, by path."""
        self.takes_codes_again = False
        self.held: dict[str, asyncio.Event] = {}
        """What is said only once something happens, by path."""
        self.asked: list[tuple[str, str]] = []
        """Methods and paths."""
        self.askers: list[str] = []
        self.timeouts: set[float] = set()
        self._codes: dict[str, dict[str, str]] = {}

    # The browser's side

    def authorize(self, url: str, **changed: str | None) -> str:
        """What the browser comes back with; `changed` parameters are added, replaced or, with None, left
        out.
        """
        asked = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(self.metadata["authorization_endpoint"])
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert (asked["client_id"], "openid" in asked["scope"].split(" ")) == (CLIENT_ID, True)
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        answer: dict[str, str | None] = {"code": code, "state": asked["state"], "iss": self.issuer}
        return urlencode({name: value for name, value in (answer | changed).items() if value is not None})

    # The server's side: a `Fetch`

    async def __call__(
        self,
        url: str,
        *,
        max_bytes: int,
        timeout: float = 5.0,  # noqa: ASYNC109 - the protocol's
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        asker: str = "",
    ) -> Fetched:
        path = url.removeprefix(self.issuer.rstrip("/"))
        self.asked.append((method, path))
        self.askers.append(asker)
        self.timeouts.add(timeout)
        assert max_bytes <= 64 * 1024
        if path in self.held:
            await self.held[path].wait()
        reply = self.replies.get(path)
        if isinstance(reply, FetchError):
            raise reply
        if reply is not None:
            return reply
        if path == "/token":
            assert method == "POST"
            return self._redeem(dict(headers or {}), body or b"")
        documents = {
            "/.well-known/openid-configuration": self.metadata,
            "/jwks": self.published,
            "/userinfo": self.userinfo,
        }
        if path == "/userinfo":
            assert (headers or {})["Authorization"] == "Bearer at-1234"
        return build_reply(documents[path])

    def _redeem(self, headers: dict[str, str], body: bytes) -> Fetched:
        form = {name: value[0] for name, value in parse_qs(body.decode()).items()}
        if not self._is_ours(headers, form):
            return build_reply({"error": "invalid_client"}, status=401)
        asked = self._codes.get(form["code"])
        if not self.takes_codes_again:
            self._codes.pop(form["code"], None)
        challenge = encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if (
            asked is None
            or challenge != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            return build_reply({"error": "invalid_grant"}, status=400)
        return build_reply(
            {"access_token": "at-1234", "token_type": "Bearer"}
            | {"id_token": self.build_id_token(asked["nonce"])}
            | self.token_extra
        )

    def _is_ours(self, headers: dict[str, str], form: dict[str, str]) -> bool:
        if "Authorization" in headers:
            pair = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode().split(":")
            return [unquote_plus(part) for part in pair] == [CLIENT_ID, CLIENT_SECRET]
        methods = self.metadata.get("token_endpoint_auth_methods_supported", [])
        secret = None if methods == ["none"] else CLIENT_SECRET
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, secret)

    def build_id_token(self, nonce: str) -> str:
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": int(self.now), "exp": int(self.now) + 300}
        claims |= {"nonce": nonce} | self.claims | self.lies
        told = {name: value for name, value in claims.items() if value is not None}
        return sign(told, key=self.signing_key, algorithm=self.algorithm, kid="1")


def build_reply(document: object, *, status: int = 200, content_type: str = "application/json") -> Fetched:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return Fetched(url="", status=status, headers={"content-type": content_type}, body=body)
