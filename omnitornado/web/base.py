"""What every handler shares: who the server is to this request, the body, and the only place that writes an
error.

An exception goes one way: `log_exception` writes what the operator needs, `send_error` finds the status,
`write_error` writes what the client may know. No stack trace leaves the server.
"""

import logging
from collections.abc import Awaitable
from http.client import responses
from typing import Any, ClassVar, Final

import msgspec
from tornado.web import HTTPError, RequestHandler, stream_request_body

from omnitornado.log import log_event
from omnitornado.net import find_client_address
from omnitornado.oauth.bearer import BearerError
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.form import Parameters, parse_parameters
from omnitornado.oauth.secrets import encode
from omnitornado.store.transitions import StoreUnavailable
from omnitornado.web.services import Services

OAUTH_BODY: Final = 64 * 1024
"""Bytes. The largest body of an OAuth endpoint or a page's form."""

CORS_METHODS: Final = "GET, POST, DELETE, OPTIONS"
CORS_EXPOSED: Final = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After"
CORS_MAX_AGE: Final = "7200"
"""Seconds: the longest that Chromium keeps a preflight's answer."""


@stream_request_body
class BaseHandler(RequestHandler):
    """A handler of this server. Bodies are gathered here, so that one that is too long is refused before it
    is read.
    """

    event: ClassVar[str]
    """What log lines call this endpoint."""
    max_body: int = OAUTH_BODY
    is_cors_open: ClassVar[bool] = False
    """Whether any web page may call it: only where nothing rests on a cookie."""

    def initialize(self, services: Services) -> None:
        self.services = services
        self.request_id = encode(services.token_bytes(6))
        self._chunks: list[bytes] = []
        self._received = 0
        services.in_flight.add(self)
        # Tornado has set the default headers before this; from here on `send_error` sets these too.
        self._set_cors_headers()

    # Before the method

    def set_default_headers(self) -> None:
        """Headers of every answer, errors included (`send_error` clears all others)."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")
        if hasattr(self, "services"):
            self._set_cors_headers()

    def prepare(self) -> Awaitable[None] | None:
        self.issuer  # noqa: B018 - refuses a Host that is not this server's
        length = self.request.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > self.max_body:
            self._refuse_body()
        return None

    def on_finish(self) -> None:
        self.services.in_flight.discard(self)

    def on_connection_close(self) -> None:
        self.services.in_flight.discard(self)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._received += len(chunk)
        if self._received <= self.max_body:
            self._chunks.append(chunk)
        return None

    @property
    def body(self) -> bytes:
        """The whole body. Raises: HTTPError 413."""
        if self._received > self.max_body:
            self._refuse_body()
        return b"".join(self._chunks)

    def _refuse_body(self) -> None:
        raise HTTPError(413, f"the body is longer than {self.max_body} bytes")

    @property
    def issuer(self) -> str:
        """Who this server is to this request. Raises: HTTPError 421 for a `Host` that is not its own."""
        issuer = self.services.identity().find_issuer(self.request.headers.get("Host"))
        if issuer is None:
            raise HTTPError(421, "this server answers on loopback names only; set [server] public_url")
        return issuer

    @property
    def address(self) -> str:
        """The client's address, by a trusted proxy's word where there is one."""
        return find_client_address(
            self.request.remote_ip or "",
            self.request.headers.get("X-Forwarded-For"),
            self.services.trusted_proxies,
        )

    @property
    def now(self) -> float:
        return self.services.clock()

    def parse_form(self) -> Parameters:
        """The body of a form POST. Raises: OAuthError invalid_request."""
        content_type = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type != "application/x-www-form-urlencoded":
            raise OAuthError(
                code="invalid_request",
                description="Content-Type must be application/x-www-form-urlencoded",
                reason="content_type",
            )
        return parse_parameters(self.body)

    # The answer

    def write_json(self, document: object, *, status: int = 200) -> None:
        """Send a JSON document."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(msgspec.json.encode(document))

    def log(self, event: str, *, level: int = logging.INFO, **fields: Any) -> None:
        """One line of the log on this request."""
        log_event(event, level=level, **fields, address=self.address, request=self.request_id)

    def compute_etag(self) -> None:
        """None: what is not to be stored needs no name."""

    def head(self, *args: str, **kwargs: str) -> Awaitable[None] | None:
        """As GET, without the body, which Tornado leaves out."""
        result: Awaitable[None] | None = self.get(*args, **kwargs)
        return result

    def options(self, *args: str) -> None:
        """CORS preflight, and a plain OPTIONS."""
        self.set_status(204)
        self.set_header("Allow", ", ".join(self.find_methods()))

    def find_methods(self) -> list[str]:
        """The methods this handler has."""
        names = [
            name
            for name in self.SUPPORTED_METHODS
            if name not in ("HEAD", "OPTIONS")
            and getattr(type(self), name.lower()) is not getattr(RequestHandler, name.lower())
        ]
        return (["GET", "HEAD"] if "GET" in names else []) + [n for n in names if n != "GET"] + ["OPTIONS"]

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether a browser page of this origin may read the answers here."""
        if origin in self.services.allowed_origins:
            return True
        issuer = self.services.identity().find_issuer(self.request.headers.get("Host"))
        return issuer is not None and self.services.identity().is_own_origin(origin, issuer)

    def _set_cors_headers(self) -> None:
        origin = self.request.headers.get("Origin")
        if origin is None and not self.is_cors_open:
            return
        if self.is_cors_open:
            self.set_header("Access-Control-Allow-Origin", "*")
        elif origin is not None and self.is_allowed_origin(origin):
            self.set_header("Access-Control-Allow-Origin", origin)
            self.add_header("Vary", "Origin")
        else:
            return
        self.set_header("Access-Control-Expose-Headers", CORS_EXPOSED)
        if self.request.method == "OPTIONS":
            self.set_header("Access-Control-Allow-Methods", CORS_METHODS)
            asked = self.request.headers.get("Access-Control-Request-Headers")
            # Authorization must be named, a wildcard does not cover it (Fetch §3.3.3).
            self.set_header("Access-Control-Allow-Headers", asked or "Authorization, Content-Type")
            self.set_header("Access-Control-Max-Age", CORS_MAX_AGE)

    # Errors

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Find the status an exception stands for, then go on as Tornado does."""
        error = find_error(kwargs)
        if isinstance(error, (OAuthError, BearerError)):
            status_code = error.status
        elif isinstance(error, StoreUnavailable):
            status_code = 503
        super().send_error(status_code, **kwargs)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """A protocol error is one line with its reason; only what nobody foresaw has a stack trace, here
        alone.
        """
        if isinstance(value, (OAuthError, BearerError)):
            self.log(f"{self.event}.refused", error=value.code, reason=value.reason)
        elif isinstance(value, StoreUnavailable):
            self.log(f"{self.event}.unavailable", level=logging.ERROR, reason="store_unavailable")
        elif isinstance(value, HTTPError):
            self.log(f"{self.event}.refused", status=value.status_code, reason=value.log_message)
        else:
            logging.getLogger("omnitornado").error(
                "%s.failed request=%s", self.event, self.request_id, exc_info=value or True
            )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The only place that writes an error; `write_failure` gives it the endpoint's own form."""
        error = find_error(kwargs)
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.find_methods()))
        if status_code == 503:
            self.set_header("Retry-After", "5")
        if isinstance(error, OAuthError) and error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        if status_code == 413:
            # The rest of the body is not read, so the connection can't be used again.
            self.set_header("Connection", "close")
        self.write_failure(status_code, error)

    def write_failure(self, status: int, error: BaseException | None) -> None:
        """The error as RFC 6749 §5.2 JSON. Pages and MCP endpoints have their own form."""
        if isinstance(error, OAuthError):
            body = error.build_body()
        else:
            body = build_http_error(status, error, self.request_id)
        self.write_json(body, status=status)
        self.finish()


def find_error(kwargs: dict[str, Any]) -> BaseException | None:
    """The exception behind a `send_error`."""
    exc_info = kwargs.get("exc_info")
    return exc_info[1] if exc_info else None


def build_http_error(status: int, error: BaseException | None, reference: str) -> dict[str, str]:
    """An error that HTTP names and OAuth does not, in OAuth's form."""
    if status == 503:
        return {"error": "temporarily_unavailable", "error_description": "try again shortly"}
    if status >= 500:
        return {"error": "server_error", "error_description": f"internal error, reference {reference}"}
    detail = error.log_message if isinstance(error, HTTPError) and error.log_message else None
    return {"error": "invalid_request", "error_description": detail or responses.get(status, "bad request")}
