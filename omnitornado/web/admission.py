"""The short way of a POST to a protected endpoint: its head alone shows that it is let in.

Implements: RFC 6750 §2.1, MCP 2026-07-28 basic/transports/streamable-http (Security & Endpoint), for the
common case: each check of `ProtectedHandler` before the body, made without waiting and without a handler.
Nothing is decided here that it would decide otherwise: whatever is not plainly good goes the long way, which
knows what to say.
"""

from typing import Final, NamedTuple

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from omnitornado.mcp.principal import Principal
from omnitornado.oauth.bearer import Bearer, BearerError, build_bearer
from omnitornado.oauth.people import Person
from omnitornado.oauth.secrets import digest
from omnitornado.store.records import AccessToken, Grant
from omnitornado.web.protected import Protection, build_principal
from omnitornado.web.services import Services
from omnitornado.web.whole_request import Fields

LONG_WAY: Final = frozenset({"expect", "origin", "transfer-encoding"})
"""Header fields that the long way looks into."""
SCHEME: Final = "Bearer "
MAX_LENGTH_DIGITS: Final = 12
MAX_KNOWN: Final = 1024
"""Tokens whose identity is remembered."""
MAX_HOSTS: Final = 64
"""Values of `Host` that are remembered."""


class Admitted(NamedTuple):
    """Who is let in, and with which header fields."""

    bearer: Bearer
    principal: Principal
    fields: Fields


class Known(NamedTuple):
    """What a token came to, and the records it was read off."""

    access: AccessToken
    grant: Grant
    person: Person | None
    bearer: Bearer
    principal: Principal


class KnownHosts:
    """Values of `Host` by which this server was asked, and is."""

    __slots__ = ("_services", "names")

    def __init__(self, services: Services) -> None:
        self._services = services
        self.names: set[str] = set()

    def learn(self, request: HTTPServerRequest) -> None:
        """Remember a `Host` that Tornado has found well-formed, if it is this server's."""
        host = request.headers.get("Host")
        if (
            host is not None
            and self._services.find_issuer(request) is not None
            and len(self.names) < MAX_HOSTS
        ):
            self.names.add(host)


class Admission:
    """Lets requests in to one endpoint."""

    def __init__(self, services: Services, protection: Protection) -> None:
        self._services = services
        self._resource = protection.resource
        self._max_body = protection.max_body
        self._needs_dpop = services.proofs.policy.required
        self._known: dict[bytes, Known] = {}
        self.hosts = KnownHosts(services)

    def learn_host(self, request: HTTPServerRequest) -> None:
        """Remember this server's name."""
        self.hosts.learn(request)

    def find_admitted(self, headers: HTTPHeaders) -> Admitted | None:
        """Who a request speaks for; None for one that has to go the long way."""
        fields = find_fields(headers)
        if (
            fields is None
            or not LONG_WAY.isdisjoint(fields)
            or fields.get("host") not in self.hosts.names
            or not self._is_plain_json(fields)
        ):
            return None
        authorization = fields.get("authorization", "")
        if not authorization.startswith(SCHEME):
            return None
        known = self._find_known(authorization[len(SCHEME) :])
        return None if known is None else Admitted(known.bearer, known.principal, fields)

    def _is_plain_json(self, fields: Fields) -> bool:
        """Whether the body is JSON, of a length that is told and not too long."""
        return is_length_within(fields, self._max_body) and fields.get("content-type", "").startswith(
            "application/json"
        )

    def _find_known(self, token: str) -> Known | None:
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
            if access.jkt or self._needs_dpop:
                return None  # the long way looks for a proof
            try:
                bearer = build_bearer(access, grant, person, self._resource)
            except BearerError:
                return None
            known = Known(access, grant, person, bearer, build_principal(bearer))
            if len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[token_hash] = known
        return known


def is_length_within(fields: Fields, limit: int) -> bool:
    """Whether the body's length is told, and at most so many bytes."""
    length = fields.get("content-length", "")
    return length.isascii() and length.isdigit() and len(length) <= MAX_LENGTH_DIGITS and int(length) <= limit


def find_fields(headers: HTTPHeaders) -> Fields | None:
    """Header fields by lower-cased name; None where one came twice."""
    # The fast connection has them like this already.
    fields: Fields | None = getattr(headers, "fields", None)
    if fields is None:
        lines = list(headers.get_all())
        fields = {name.lower(): value for name, value in lines}
        return fields if len(fields) == len(lines) else None
    return fields
