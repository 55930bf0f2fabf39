"""What every endpoint behind the login does before its own work: Host and Origin, the token, the
challenge, and errors in the form of JSON-RPC.

Implements: RFC 6750 §2.1 and §3, RFC 9449 §7, RFC 9728 §5.1, MCP 2026-07-28
basic/transports/streamable-http (Security & Endpoint) and MCP 2025-11-25 basic/transports.
"""

import logging
from dataclasses import dataclass
from http.client import responses
from typing import Any

from tornado.web import HTTPError, stream_request_body

from omnitornado.mcp.event_stream import Event
from omnitornado.mcp.exchange import Reply
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.replies import CONTENT_TYPE
from omnitornado.oauth.bearer import Bearer, BearerError, build_challenges, check_bearer
from omnitornado.oauth.people import is_machine
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.store.transitions import StoreUnavailable
from omnitornado.web.base import find_detail
from omnitornado.web.event_stream import SLICE, EventStreamHandler, build_event
from omnitornado.web.services import Services

AUTHENTICATED = ("POST", "GET", "HEAD", "DELETE")
"""A preflight carries no token, and what else there is answers 405."""


@dataclass(frozen=True, kw_only=True)
class Protection:
    """How one protected endpoint is kept. `max_body` in bytes; `keep_alive`, between two signs of life of a
    stream, and `write_timeout`, for a client to read, in seconds.
    """

    resource: ProtectedResource
    max_body: int
    keep_alive: float = 15.0
    write_timeout: float = 30.0


@stream_request_body
class ProtectedHandler(EventStreamHandler):
    """A handler behind the login. In its methods `bearer` and `principal` say who calls."""

    event = "mcp"
    content_type = "application/json"
    _bearer: Bearer | None = None

    def initialize(self, services: Services, protection: Protection) -> None:  # type: ignore[override]
        super().initialize(services)
        self.resource = protection.resource
        self.max_body = protection.max_body
        self.keep_alive = protection.keep_alive
        self.write_timeout = protection.write_timeout

    def check_request(self) -> None:
        super().check_request()
        origin = self.request.headers.get("Origin")
        if origin is not None and not self.is_allowed_origin(origin):
            # streamable-http, Security & Endpoint: a page elsewhere must not reach a local server.
            raise HTTPError(403, "Origin is not allowed")

    async def prepare(self) -> None:
        """Authenticate before the body comes: nothing is kept of what a stranger sends."""
        super().prepare()
        if self._refusal is None and self.request.method in AUTHENTICATED:
            try:
                self._bearer = await self.authenticate()
                if self._bearer.dpop_nonce:
                    self.set_header("DPoP-Nonce", self._bearer.dpop_nonce)
            except (BearerError, StoreUnavailable) as error:
                self.refuse(error)

    async def head(self) -> None:  # type: ignore[override]
        """Gemini CLI reads the challenge off a HEAD; with a good token there is nothing to say."""
        self.clear_header("Content-Type")

    @property
    def bearer(self) -> Bearer:
        """What the token says. Only after `prepare`."""
        assert self._bearer is not None  # noqa: S101 - for the type checker: the method would not run
        return self._bearer

    @property
    def principal(self) -> Principal:
        """Who calls. Only after `prepare`."""
        return build_principal(self.bearer)

    async def authenticate(self) -> Bearer:
        """Who calls. A proof is for the request and is looked at once, the token whenever this is asked.
        Raises: BearerError, which becomes the challenge; StoreUnavailable.
        """
        values = self.request.headers.get_list("Authorization")
        if len(values) > 1:
            raise BearerError(
                code="invalid_request",
                description="more than one Authorization header",
                reason="token_two_headers",
            )
        now = self.now
        bearer = await check_bearer(
            values[0] if values else None,
            self.resource,
            self.services.store,
            self.services.people,
            proofs=self.services.proofs,
            request=self.services.build_proof_request(self.request, self.issuer),
            proven="" if self._bearer is None else self._bearer.jkt,
            now=now,
        )
        await self.services.store.touch_grant(bearer.grant_id, now=now)
        return bearer

    async def is_still_authenticated(self) -> bool:
        """Whether the token of a stream without an end is still good."""
        try:
            await self.authenticate()
        except BearerError as error:
            self.log("mcp.stream_ended", reason=error.reason)
            return False
        return True

    def build_challenges(self, error: BearerError) -> str:
        """The WWW-Authenticate header for this endpoint."""
        return build_challenges(error, self.resource, self.services.proofs, issuer=self.issuer)

    async def write_reply(self, reply: Reply) -> None:
        """The last word: an event on a stream, or the answer itself."""
        if not self.is_open or self.finish_at_once(reply):
            return
        if not self.is_streaming:
            self._write_head(reply)
        if reply.body is None:
            return
        if reply.stream:
            await self.write_chunk(build_event(Event(reply.body)))
            return
        # Of what Tornado would find out and check by itself: it is a number.
        self._headers["Content-Length"] = str(len(reply.body))
        self.write(reply.body)
        if len(reply.body) > SLICE:
            await self.finish_in_time()

    def finish_at_once(self, reply: Reply) -> bool:
        """Give the answer by a shorter way, where there is one."""
        return False

    def _write_head(self, reply: Reply) -> None:
        if reply.status != 200:
            self.set_status(reply.status)
        if reply.headers is not CONTENT_TYPE:
            if "Content-Type" not in reply.headers:
                self.clear_header("Content-Type")
            for name, value in reply.headers.items():
                self.set_header(name, value)
        if reply.required_scopes:
            error = BearerError(
                code="insufficient_scope",
                description="the access token lacks a scope",
                reason="scope_insufficient",
                scope=sorted(reply.required_scopes | set(self.resource.scope)),
                scheme=self.bearer.scheme,
            )
            self.set_header("WWW-Authenticate", self.build_challenges(error))
            self.log(
                "mcp.refused",
                error=error.code,
                reason=error.reason,
                client=self.bearer.client_id,
                user=self.bearer.username,
            )

    # Errors

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """A stream that has begun can only end."""
        if not self.is_streaming:
            super().send_error(status_code, **kwargs)
        else:
            self.end()

    def write_failure(self, status: int, error: BaseException | None) -> None:
        """A JSON-RPC error of no request, with the challenge where a token is what is missing."""
        message = responses.get(status, "Error")
        if isinstance(error, BearerError):
            message = error.description
            if status != 503:
                self.set_header("WWW-Authenticate", self.build_challenges(error))
        elif status == 503:
            message = "Temporarily unavailable"
        elif status >= 500:
            message = f"Internal error, reference {self.request_id}"
        else:
            message = find_detail(error) or message
        code = INTERNAL_ERROR if status >= 500 else INVALID_REQUEST
        failure = {"code": code, "message": message}
        self.write_json({"jsonrpc": "2.0", "id": None, "error": failure}, status=status)
        self.finish()

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if isinstance(value, BearerError) and value.code is None:
            # Every client's first request comes without a token: that is how it finds the way.
            self.log("mcp.challenged", level=logging.DEBUG, reason=value.reason)
        else:
            super().log_exception(typ, value, tb)


def build_principal(bearer: Bearer) -> Principal:
    """Who calls, as the protocol has it."""
    return Principal(
        username=bearer.username,
        client_id=bearer.client_id,
        client_name=bearer.client_name,
        scopes=frozenset(bearer.scope),
        grant=bearer.grant_name,
        is_machine=is_machine(bearer.username),
    )
