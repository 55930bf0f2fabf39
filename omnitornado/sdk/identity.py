"""The signed-in person, where tools of the official SDK and of fastmcp look for them: `get_access_token()`,
`ctx.request_context.request.user`, fastmcp's `CurrentAccessToken()` and `TokenClaim(…)`.

Our choice; the claims carry the names of RFC 7662 §2.2. The SDK binds a session to client, issuer and subject
of the request that opened it: all three stay the same for as long as a person uses a client.

The access token itself is not there. Tools must not pass it on (MCP 2026-07-28 basic/authorization, Access
Token Privilege Restriction), so `token` holds a name for it that opens nothing. It is never empty and no two
tokens share one: caches use it as their key.
"""

import functools
import hashlib
from typing import Any, Final

import msgspec

from omnitornado.base64url import encode

WITHHELD: Final = "withheld-"
"""What every name of a token begins with."""


class Caller(msgspec.Struct, frozen=True):
    """A person and the client they use. `issuer` and `resource` are addresses; `expires_at` is in seconds
    since the epoch.
    """

    username: str
    client_id: str
    client_name: str
    scopes: tuple[str, ...]
    token_name: str
    expires_at: float
    issuer: str
    resource: str
    is_machine: bool = False
    """Whether the client acts for itself: then there is no one whose `username` could be told."""

    def build_claims(self) -> dict[str, Any]:
        return {
            "iss": self.issuer,
            "sub": self.username,
            "aud": self.resource,
            "exp": int(self.expires_at),
            "scope": " ".join(self.scopes),
            "client_id": self.client_id,
            **({} if self.is_machine else {"username": self.username}),
            "client_name": self.client_name,
        }


def name_token(token: str) -> str:
    """A name for an access token: the same each time, another for each token, and no way back."""
    return WITHHELD + encode(hashlib.sha256(b"omnitornado token name\0" + token.encode()).digest()[:18])


def build_identity(caller: Caller) -> dict[str, Any]:
    """What stands in a connection scope."""
    return {"user": build_user(caller), "auth": build_credentials(caller)}


def build_user(caller: Caller) -> Any:
    """The `AuthenticatedUser` of the SDK: `scope["user"]`."""
    from mcp.server.auth.provider import AccessToken

    token = AccessToken(
        token=caller.token_name,
        client_id=caller.client_id,
        scopes=list(caller.scopes),
        expires_at=int(caller.expires_at),
        resource=caller.resource,
        subject=caller.username,
        claims=caller.build_claims(),
    )
    return _find_user_class()(token, caller.username)


def build_credentials(caller: Caller) -> Any:
    """The `AuthCredentials` of Starlette: `scope["auth"]`."""
    from starlette.authentication import AuthCredentials

    return AuthCredentials(list(caller.scopes))


@functools.cache
def _find_user_class() -> Any:
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

    class SignedInUser(AuthenticatedUser):
        """`request.user`: the SDK's own calls itself by the client's id, which says nothing of the person."""

        def __init__(self, token: Any, username: str) -> None:
            super().__init__(token)
            self.username = username

        @property
        def identity(self) -> str:
            return self.username

    return SignedInUser
