"""What every handler shares: who the server is to this request, the body, and the only place that writes an
error.

An exception goes one way: `log_exception` writes what the operator needs, `send_error` finds the status,
`write_error` writes what the client may know. No stack trace leaves the server.
"""

import functools
import logging
import re
import time
from collections.abc import Awaitable
from http.client import responses
from typing import Any, ClassVar, Final, NoReturn

import msgspec
from tornado.httputil import HTTPHeaders, format_timestamp
from tornado.web import HTTPError, RequestHandler, stream_request_body

from omnitornado.log import log_event
from omnitornado.net import find_client_address
from omnitornado.oauth.bearer import BearerError
from omnitornado.oauth.errors import ROUTINE, OAuthError, ProtocolError, printable
from omnitornado.oauth.form import Parameters, parse_parameters
from omnitornado.store.transitions import StoreUnavailable
from omnitornado.web.cors import build_cors_headers
from omnitornado.web.services import Services

OAUTH_BODY: Final = 64 * 1024
"""Bytes. The largest body of an OAuth endpoint or a page's form."""

MAX_DRAINED: Final = 64 * 1024 * 1024
"""Bytes. A body that is not wanted is read and thrown away up to here: a connection that is closed with
unread data is reset, and the client may never see the answer.
"""

RETRY_AFTER: Final = "5"
"""Seconds, where the store does not take a change."""

UNAVAILABLE: Final = "the server can't save anything at the moment; try again shortly"


@stream_request_body
class BaseHandler(RequestHandler):
    """A handler of this server. Bodies are gathered here, so that nothing is kept of one that is too long or
    of no use.
    """

    event: ClassVar[str]
    """What log lines call this endpoint."""
    max_body: int = OAUTH_BODY
    is_cors_open: ClassVar[bool] = False
    """Whether any web page may call it: only where nothing rests on a cookie."""
    is_audited: ClassVar[bool] = True
    """Whether what happens here is somebody's doing: public documents and pages are not."""
    content_type: ClassVar[str] = "text/html; charset=UTF-8"
    """Of an answer that does not say otherwise."""

    # A request begins with these; few ever set them.
    _received = 0
    _refusal: Exception | None = None
    _is_unread = False

    def initialize(self, services: Services) -> None:
        self.services = services
        self._chunks: list[bytes] = []
        # Tornado has set the default headers before this; from here on `send_error` sets these too.
        self._set_cors_headers()
        services.in_flight.add(self)

    @functools.cached_property
    def request_id(self) -> str:
        """What names this request in the log."""
        return next(self.services.request_ids)

    # Before the method

    def clear(self) -> None:
        """As Tornado's, by a shorter way: it runs for every request."""
        self._set_up_headers()
        self._write_buffer: list[bytes] = []
        self._status_code = 200
        self._reason = "OK"

    def _set_up_headers(self) -> None:
        self._headers = HTTPHeaders()
        self._headers["Content-Type"] = self.content_type
        self._headers["Date"] = format_date(int(time.time()))
        self.set_default_headers()

    def set_default_headers(self) -> None:
        """Headers of every answer, errors included (`send_error` clears all others)."""
        headers = self._headers
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Cache-Control"] = "no-store"
        if hasattr(self, "services"):
            self._set_cors_headers()

    def prepare(self) -> Awaitable[None] | None:
        set_max_body_size = getattr(self.request.connection, "set_max_body_size", None)
        if set_max_body_size is not None:
            set_max_body_size(max(MAX_DRAINED, self.max_body))
        try:
            self.check_request()
            if self._find_length() > self.max_body:
                self._refuse_body()
        except HTTPError as error:
            self.refuse(error)
        return None

    def check_request(self) -> None:
        """What must hold before the body is of any interest. Raises: HTTPError."""
        self.issuer  # noqa: B018 - refuses a Host that is not this server's

    def refuse(self, error: Exception) -> None:
        """Answer with `error` in place of the method: after the body has come, unless the client waits to be
        asked for it (RFC 9110 §10.1.1).
        """
        waits = self.request.headers.get("Expect", "").lower() == "100-continue"
        if waits or self._find_length() > MAX_DRAINED:
            self._is_unread = True
            raise error
        self._refusal = error
        setattr(self, str(self.request.method).lower(), self._raise_refusal)

    def _raise_refusal(self, *args: str) -> NoReturn:
        assert self._refusal is not None  # noqa: S101 - for the type checker: only `refuse` leads here
        raise self._refusal

    def _find_length(self) -> int:
        """The body's length, as far as it is told (Tornado refuses what is not a number)."""
        length = self.request.headers.get("Content-Length", "")
        # More digits than any length has: Python takes no more than 4300 for one number.
        return int(length[:20]) if length.isascii() and length.isdigit() else 0

    def on_finish(self) -> None:
        self.services.in_flight.discard(self)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.services.in_flight.discard(self)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._received += len(chunk)
        if self._refusal is None and self._received <= self.max_body:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()
        return None

    @property
    def body(self) -> bytes:
        """The whole body. Raises: HTTPError 413."""
        if self._received > self.max_body:
            self._refuse_body()
        return b"".join(self._chunks)

    def _refuse_body(self) -> NoReturn:
        raise HTTPError(413, f"the body is longer than {self.max_body} bytes")

    @property
    def query(self) -> str:
        """The query as it may be repeated in an address: what is not ASCII percent-encoded, as a browser
        would have done (RFC 3986 §2.1).
        """
        return re.sub(r"[^!-~]", lambda match: f"%{ord(match[0]):02X}", self.request.query)

    @property
    def issuer(self) -> str:
        """Who this server is to this request. Raises: HTTPError 421 for a `Host` that is not its own."""
        issuer = self.services.find_issuer(self.request)
        if issuer is None:
            raise HTTPError(421, "this server answers on loopback names only; set [server] public_url")
        return issuer

    @property
    def address(self) -> str:
        """The client's address, by a trusted proxy's word where there is one."""
        return find_client_address(
            self.request.remote_ip or "",
            self.find_header("x-forwarded-for"),
            self.services.trusted_proxies,
        )

    def find_header(self, name: str) -> str | None:
        """The value of a header field, by its lower-cased name; where it came more than once, all of them."""
        return self.request.headers.get(name)

    @property
    def now(self) -> float:
        return self.services.clock()

    def parse_form(self) -> Parameters:
        """The body of a form POST. Raises: OAuthError invalid_request."""
        content_type = (self.find_header("content-type") or "").partition(";")[0].strip().lower()
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

    def finish_json(self, document: object, *, status: int = 200) -> None:
        """Send a JSON document, after which there is nothing more to say."""
        self.write_json(document, status=status)
        self.finish()

    def end(self) -> None:
        """Finish the answer as it is."""
        if not self._finished:
            self.finish()

    def log(self, event: str, *, level: int = logging.INFO, **fields: Any) -> None:
        """One line of the log on this request, and of the audit log where it is somebody's doing."""
        fields |= {"address": self.address, "request": self.request_id}
        log_event(event, level=level, **fields)
        if level >= logging.INFO:
            self.record(event, **fields)

    def record(self, event: str, **fields: Any) -> None:
        """One line of the audit log, where there is one and this endpoint has a place in it."""
        if self.services.audit is not None and self.is_audited:
            self.services.refusals.record(self.services.audit, event, fields, now=self.now)

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
        issuer = self.services.find_issuer(self.request)
        return issuer is not None and self.services.identity().is_own_origin(origin, issuer)

    def _set_cors_headers(self) -> None:
        origin = self.request.headers.get("Origin")
        if self.is_cors_open:
            allowed = "*"
        elif origin is not None and self.is_allowed_origin(origin):
            allowed = origin
            self.add_header("Vary", "Origin")
        else:
            return
        for name, value in build_cors_headers(self.request, allowed).items():
            self.set_header(name, value)

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
            self.log(
                f"{self.event}.refused",
                level=logging.DEBUG if value.code in ROUTINE else logging.INFO,
                error=value.code,
                reason=value.reason,
                detail=value.description,
                client=value.client,
                user=value.user,
                grant=value.grant,
            )
        elif isinstance(value, StoreUnavailable):
            store = self.services.store.outage
            self.log(
                f"{self.event}.unavailable", level=logging.ERROR, reason="store_unavailable", store=store
            )
        elif isinstance(value, HTTPError):
            self.log(f"{self.event}.refused", status=value.status_code, reason=find_detail(value))
        else:
            logging.getLogger("omnitornado").error(
                "%s.failed request=%s", self.event, self.request_id, exc_info=value or True
            )
            self.record(f"{self.event}.failed", address=self.address, request=self.request_id)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The only place that writes an error; `write_failure` gives it the endpoint's own form."""
        error = find_error(kwargs)
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.find_methods()))
        if status_code == 503:
            self.set_header("Retry-After", RETRY_AFTER)
        if isinstance(error, OAuthError) and error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        if isinstance(error, ProtocolError) and error.dpop_nonce:
            self.set_header("DPoP-Nonce", error.dpop_nonce)
        if self._is_unread:
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


@functools.lru_cache(maxsize=1)
def format_date(now: int) -> str:
    """The Date header (RFC 9110 §5.6.7), put together once a second."""
    return format_timestamp(now)


def find_error(kwargs: dict[str, Any]) -> BaseException | None:
    """The exception behind a `send_error`."""
    exc_info = kwargs.get("exc_info")
    return exc_info[1] if exc_info else None


def find_detail(error: BaseException | None) -> str | None:
    """What an HTTPError says of itself."""
    if not isinstance(error, HTTPError) or not error.log_message:
        return None
    return str(error.log_message % error.args)


def build_http_error(status: int, error: BaseException | None, reference: str) -> dict[str, str]:
    """An error that HTTP names and OAuth does not, in OAuth's form."""
    if isinstance(error, StoreUnavailable):
        return {"error": "temporarily_unavailable", "error_description": UNAVAILABLE}
    if status == 503:
        return {"error": "temporarily_unavailable", "error_description": "try again shortly"}
    if status >= 500:
        return {"error": "server_error", "error_description": f"internal error, reference {reference}"}
    description = printable(find_detail(error) or responses.get(status, "bad request"))
    return {"error": "invalid_request", "error_description": description}
