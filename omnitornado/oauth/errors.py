"""Implements: RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 7009 §2.2.1, RFC 8707 §2, RFC 9449 §5 and §8:
error codes and where they may go.
"""

from typing import Final

import msgspec

HTTP_STATUS: Final[dict[str, int]] = {
    # RFC 6749 §5.2 and §4.1.2.1
    "invalid_request": 400,
    "invalid_client": 401,
    "invalid_grant": 400,
    "unauthorized_client": 400,
    "unsupported_grant_type": 400,
    "unsupported_response_type": 400,
    "invalid_scope": 400,
    "access_denied": 403,
    "server_error": 500,
    "temporarily_unavailable": 503,
    # RFC 8707 §2
    "invalid_target": 400,
    # RFC 9449 §5 and §8
    "invalid_dpop_proof": 400,
    "use_dpop_nonce": 400,
    # RFC 8628 §3.5
    "authorization_pending": 400,
    "slow_down": 400,
    "expired_token": 400,
    # RFC 7591 §3.2.2
    "invalid_redirect_uri": 400,
    "invalid_client_metadata": 400,
    "invalid_software_statement": 400,
    "unapproved_software_statement": 400,
    # RFC 6750 §3.1, for the tokens that guard a registration
    "invalid_token": 401,
    # RFC 7009 §2.2.1
    "unsupported_token_type": 400,
    # OpenID Connect Core §3.1.2.6, for clients that send prompt=none or a request object
    "login_required": 400,
    "consent_required": 400,
    "request_not_supported": 400,
    "request_uri_not_supported": 400,
    # RFC 9101 §7, for the name of a pushed request
    "invalid_request_uri": 400,
}


ROUTINE: Final = frozenset({"authorization_pending", "slow_down", "use_dpop_nonce"})
"""What a device is told again and again while it waits, and how a client gets its nonce: no line of the log
for each.
"""


class ValidatedRedirect(msgspec.Struct, frozen=True):
    """A redirect URI that was matched against its client's own, and what a response to it must carry.

    Only `authorize.check_redirect` makes one, so that an address nobody checked can't become a target.
    """

    uri: str
    state: str | None
    issuer: str


class ProtocolError(Exception):
    """An error that knows whom it concerns, as far as the request got: for the log, never for the client."""

    client: str | None = None
    """The client's id."""
    user: str | None = None
    grant: str | None = None
    """The grant's public name."""
    dpop_nonce: str = ""
    """What the answer says in `DPoP-Nonce` (RFC 9449 §8); "" for nothing."""

    def concern(
        self, *, client: str | None = None, user: str | None = None, grant: str | None = None
    ) -> None:
        """Say whom it concerns, where it does not say so yet."""
        self.client = self.client or client
        self.user = self.user or user
        self.grant = self.grant or grant


class concerning:  # noqa: N801 - reads as what it does, and costs less than a generator's context
    """Let an error that leaves this block say whom it concerns, where it does not yet."""

    __slots__ = ("_client", "_grant", "_user")

    def __init__(
        self, *, client: str | None = None, user: str | None = None, grant: str | None = None
    ) -> None:
        self._client, self._user, self._grant = client, user, grant

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ProtocolError):
            error.concern(client=self._client, user=self._user, grant=self._grant)


class OAuthError(ProtocolError):
    """A protocol error: `code` and `description` for the client, `reason` for the log alone.

    `redirect` is set where RFC 6749 §4.1.2.1 lets the error go to the client's redirect URI. `status`
    overrides the code's own HTTP status; `retry_after` is in seconds.
    """

    def __init__(
        self,
        *,
        code: str,
        description: str,
        reason: str = "",
        redirect: ValidatedRedirect | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        dpop_nonce: str = "",
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.reason = reason or code
        self.redirect = redirect
        self.status = status if status is not None else HTTP_STATUS[code]
        self.retry_after = retry_after
        self.dpop_nonce = dpop_nonce

    def build_body(self) -> dict[str, str]:
        """The JSON members of RFC 6749 §5.2."""
        return {"error": self.code, "error_description": printable(self.description)}


def printable(text: str) -> str:
    """`text` within the character set of `error_description` (RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E)."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in text)
