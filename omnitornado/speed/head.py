"""Implements: RFC 9112 §2 to §6: the head of a request, from bytes to Tornado's records, and how its body is
framed.

llhttp (in httptools) parses the header fields and refuses what two readers could read differently: bare CR
or LF,
folded lines, control characters, spaces before a colon, Content-Length that is repeated, not digits, or
beside Transfer-Encoding. What it lets pass is checked here.
"""

import re
from typing import Final, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from tornado.httputil import HTTPHeaders, RequestStartLine

from omnitornado.speed.limits import Limits

START_LINE: Final = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) (HTTP/1\.[01])", re.DOTALL
)
"""RFC 9112 §3: `method SP request-target SP HTTP-version`. Some programs send targets that are not ASCII."""
ANY_START_LINE: Final = b"POST / HTTP/1.1"
"""What the parser gets to see: it knows some methods alone, and takes no target but in ASCII."""
HEAD_END: Final = b"\r\n\r\n"
MAX_NAMES: Final = 1000
"""Header names whose usual spelling is remembered."""


class HeadError(Exception):
    """A request that is not taken. `status` is what the client is told."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Head(NamedTuple):
    """A request without its body."""

    start_line: RequestStartLine
    headers: HTTPHeaders
    length: int
    """Bytes of the body; 0 where there is none, and where it is chunked."""
    is_chunked: bool
    keeps_alive: bool
    """Whether the client lets the connection be used again (RFC 9112 §9.3)."""


class _Fields:
    """Takes what the parser finds. One for each request."""

    __slots__ = ("count", "headers", "is_complete")

    def __init__(self) -> None:
        self.headers = HTTPHeaders()
        self.count = 0
        self.is_complete = False

    def on_header(self, raw: bytes, value: bytes) -> None:
        self.count += 1
        name = _names.get(raw) or _find_name(raw)
        # Setting checks nothing, which the parser has done; adding keeps what is there already.
        if name in self.headers:
            self.headers.add(name, value.decode("latin-1").strip(" \t"))
        else:
            self.headers[name] = value.decode("latin-1").strip(" \t")

    def on_headers_complete(self) -> None:
        self.is_complete = True


_names: dict[bytes, str] = {}


def _find_name(raw: bytes) -> str:
    """A header's name in Tornado's spelling, remembered."""
    name = "-".join(part.capitalize() for part in raw.decode("ascii").split("-"))
    if len(_names) < MAX_NAMES:
        _names[raw] = name
    return name


def parse_head(data: bytes, limits: Limits) -> Head:
    """Read a request's head: the bytes up to and with the empty line.

    Raises: HeadError.
    """
    line_end = data.find(b"\r\n")
    start_line = _parse_start_line(data[:line_end])
    version = start_line.version
    fields = _Fields()
    try:
        HttpRequestParser(fields).feed_data(ANY_START_LINE + data[line_end:])
    except HttpParserUpgrade:
        pass  # asked for, and not done: the request is answered as it is (RFC 9110 §7.8)
    except HttpParserError as error:
        raise HeadError(413 if "Content-Length overflow" in str(error) else 400, str(error)) from None
    if not fields.is_complete:
        raise HeadError(400, "no request of HTTP/1")
    if fields.count > limits.max_headers:
        raise HeadError(431, f"more than {limits.max_headers} header fields")
    headers = fields.headers
    is_chunked = "Transfer-Encoding" in headers and _is_chunked(headers, version)
    length = int(headers["Content-Length"]) if not is_chunked and "Content-Length" in headers else 0
    return Head(start_line, headers, length, is_chunked, _keeps_alive(headers, version))


def _parse_start_line(line: bytes) -> RequestStartLine:
    match = START_LINE.fullmatch(line)
    if match is None:
        raise HeadError(400, "malformed request line, or not HTTP/1")
    method, target, version = match.groups()
    return RequestStartLine(method.decode("latin-1"), target.decode("latin-1"), version.decode("latin-1"))


def _is_chunked(headers: HTTPHeaders, version: str) -> bool:
    if version != "HTTP/1.1":
        raise HeadError(400, "Transfer-Encoding in HTTP/1.0")  # RFC 9112 §6.1: faulty framing
    if headers["Transfer-Encoding"].lower() != "chunked":
        raise HeadError(400, "a transfer coding other than chunked")
    return True


def _keeps_alive(headers: HTTPHeaders, version: str) -> bool:
    if "Connection" not in headers:
        return version == "HTTP/1.1"
    options = [option.strip() for option in headers["Connection"].lower().split(",")]
    return "close" not in options if version == "HTTP/1.1" else "keep-alive" in options


def check_partial(data: bytes, limits: Limits) -> None:
    """Refuse early what can't become a head any more, so that nobody waits for its end.

    Raises: HeadError.
    """
    if len(data) > limits.max_head:
        raise HeadError(431, "the request line and header fields are too long")
    if not 0x20 < data[0] < 0x7F:  # no method begins so; TLS does, for one
        raise HeadError(400, "no request of HTTP/1")
    if b"\n" in data and data.count(b"\n") != data.count(b"\r\n"):
        raise HeadError(400, "a line that ends in LF alone")
