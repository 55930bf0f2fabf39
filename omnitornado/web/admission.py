"""The short way of a POST to a protected endpoint: its head alone shows that it is let in.

Implements: RFC 6750 §2.1, MCP 2026-07-28 basic/transports/streamable-http (Security & Endpoint), for the
common case: each check of `ProtectedHandler` before the body, made without waiting and without a handler.
Nothing is decided here that it would decide otherwise: whatever is not plainly good goes the long way, which
knows what to say.
"""

from typing import Final, NamedTuple

from tornado.httputil import HTTPServerRequest

from omnitornado.mcp.principal import Principal
from omnitornado.oauth.bearer import Bearer, BearerError, build_bearer
from omnitornado.oauth.people import Person
from omnitornado.oauth.secrets import digest
from omnitornado.store.records import AccessToken, Grant
from omnitornado.web.protected import Protection, build_principal
from omnitornado.web.services import Services

LONG_WAY: Final = ("Expect", "Origin", "Transfer-Encoding")
"""Headers that the long way looks into."""
SCHEME: Final = "Bearer "
MAX_LENGTH_DIGITS: Final = 12
MAX_KNOWN: Final = 1024
"""Tokens whose identity is remembered."""


class Admitted(NamedTuple):
    """Who is let in."""

    bearer: Bearer
    principal: Principal


class Known(NamedTuple):
    """What a token came to, and the records it was read off."""

    access: AccessToken
    grant: Grant
    person: Person | None
    admitted: Admitted


class Admission:
    """Lets requests in to one endpoint."""

    def __init__(self, services: Services, protection: Protection) -> None:
        self._services = services
        self._resource = protection.resource
        self._max_body = protection.max_body
        self._known: dict[bytes, Known] = {}

    def find_admitted(self, request: HTTPServerRequest) -> Admitted | None:
        """Who a request speaks for; None for one that has to go the long way."""
        headers = request.headers
        if any(name in headers for name in LONG_WAY) or not self._is_plain_json(request):
            return None
        if self._services.find_issuer(request) is None:
            return None
        values = headers.get_list("Authorization")
        if len(values) != 1 or not values[0].startswith(SCHEME):
            return None
        return self._find_by_token(values[0][len(SCHEME) :])

    def _is_plain_json(self, request: HTTPServerRequest) -> bool:
        """Whether the body is JSON, of a length that is told and not too long."""
        length = request.headers.get("Content-Length", "")
        return (
            length.isascii()
            and length.isdigit()
            and len(length) <= MAX_LENGTH_DIGITS
            and int(length) <= self._max_body
            and request.headers.get("Content-Type", "").startswith("application/json")
        )

    def _find_by_token(self, token: str) -> Admitted | None:
        # The records are looked up for each request, and so is what has become of them. Only what follows
        # from them is remembered, for as long as they are the same.
        token_hash = digest(token)
        found = self._services.store.find_access_now(token_hash, now=self._services.clock())
        if found is None:
            return None
        access, grant = found
        person = self._services.people.find(grant.username)
        known = self._known.get(token_hash)
        if known is None or known.access is not access or known.grant is not grant or known.person != person:
            try:
                bearer = build_bearer(access, grant, person, self._resource)
            except BearerError:
                return None
            known = Known(access, grant, person, Admitted(bearer, build_principal(bearer)))
            if len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[token_hash] = known
        return known.admitted
