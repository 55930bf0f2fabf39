"""Implements: RFC 9112 §2 to §6: the head of a request, from bytes to Tornado's records, and how its body is
framed.

llhttp (in httptools) parses the header fields and refuses what two readers could read differently: bare CR
or LF, folded lines, control characters, spaces before a colon, Content-Length that is repeated, not digits,
or beside Transfer-Encoding. What it lets pass is checked here.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from tornado.httputil import HTTPHeaders, RequestStartLine

from omnitornado.speed.limits import Limits

START_LINE: Final = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) (HTTP/1\.[01])", re.DOTALL
)
"""RFC 9112 §3: `method SP request-target SP HTTP-version`. Some programs send targets that are not ASCII."""
ANY_START_LINE: Final = b"POST / HTTP/1.1"
"""What the parser gets to see: it knows some methods alone, and takes no target but in ASCII."""
LINE_END: Final = b"\r\n"
MAX_EMPTY_LINES: Final = 8
"""Before a request line. Each costs little, but a stranger can send many."""
HEAD_END: Final = b"\r\n\r\n"
MAX_NAMES: Final = 1000
"""Spellings of header names that are remembered."""


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
    expects_continue: bool
    """Whether the client waits to be asked for the body (RFC 9110 §10.1.1)."""


class LateHeaders(HTTPHeaders):
    """Header fields that came once each. They are taken apart as Tornado has them where somebody looks; few
    requests ever are.
    """

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        """By lower-cased name."""

    def get(self, name: str, default: Any = None) -> Any:
        if "_as_list" in self.__dict__:
            return super().get(name, default)
        return self.fields.get(name.lower(), default)

    def get_list(self, name: str) -> list[str]:
        if "_as_list" in self.__dict__:
            return super().get_list(name)
        value = self.fields.get(name.lower())
        return [] if value is None else [value]

    def __getattr__(self, name: str) -> Any:
        # Where Tornado keeps them, which its own `__init__` sets up.
        if name not in ("_as_list", "_combined_cache"):
            raise AttributeError(name)
        super().__init__()
        for field, value in self.fields.items():
            self[field] = value
        return self.__dict__[name]


class _Sink:
    """What the parser finds. Methods of `dict` and `list` take it, for less than functions would."""

    __slots__ = ("on_header", "on_headers_complete")

    def __init__(
        self, on_header: Callable[[bytes, bytes], object], on_headers_complete: Callable[[], object]
    ) -> None:
        self.on_header = on_header
        self.on_headers_complete = on_headers_complete


_names: dict[bytes, str] = {}


def _find_name(raw: bytes) -> str:
    """A header's name in lower case, remembered."""
    name = raw.decode("ascii").lower()
    if len(_names) < MAX_NAMES:
        _names[raw] = name
    return name


def parse_head(data: bytes, limits: Limits) -> Head:
    """Read a request's head: the bytes up to and with the empty line.

    Raises: HeadError.
    """
    line_end = data.find(b"\r\n")
    start_line = _parse_start_line(data[:line_end])
    lines = data.count(b"\r\n") - 2
    raw: dict[bytes, bytes] = {}
    _feed(raw.setdefault, data[line_end:])
    if lines > limits.max_headers:
        raise HeadError(431, f"more than {limits.max_headers} header fields")
    fields = {
        _names.get(name) or _find_name(name): value.decode("latin-1").strip(" \t")
        for name, value in raw.items()
    }
    headers: HTTPHeaders = LateHeaders(fields)
    if len(fields) < lines:
        headers = _collect_repeated(data[line_end:])
        fields = {name.lower(): headers[name] for name in headers}
    return _frame(start_line, headers, fields)


def skip_empty_lines(data: bytes) -> bytes:
    """What follows the empty lines before a request line (RFC 9112 §2.2): it may be nothing yet, or half of
    another. Raises: HeadError for more of them than a client sends by mistake.
    """
    size = len(data) - len(data.lstrip(LINE_END))
    lines = size // 2
    if lines > MAX_EMPTY_LINES or data[: 2 * lines] != LINE_END * lines:
        raise HeadError(400, "no request of HTTP/1")
    return data[2 * lines :]


def _feed(on_header: Callable[[bytes, bytes], object], data: bytes) -> None:
    unfinished = [data]
    try:
        HttpRequestParser(_Sink(on_header, unfinished.clear)).feed_data(ANY_START_LINE + data)
    except HttpParserUpgrade:
        pass  # asked for, and not done: the request is answered as it is (RFC 9110 §7.8)
    except HttpParserError as error:
        raise HeadError(413 if "Content-Length overflow" in str(error) else 400, str(error)) from None
    if unfinished:
        raise HeadError(400, "no request of HTTP/1")


def _collect_repeated(data: bytes) -> HTTPHeaders:
    """Header fields of which one came more than once."""
    headers = HTTPHeaders()

    def take(raw: bytes, value: bytes) -> None:
        name, text = _find_name(raw), value.decode("latin-1").strip(" \t")
        # Setting checks nothing, which the parser has done; adding keeps what is there already.
        if name in headers:
            headers.add(name, text)
        else:
            headers[name] = text

    _feed(take, data)
    return headers


def _frame(start_line: RequestStartLine, headers: HTTPHeaders, fields: dict[str, str]) -> Head:
    version = start_line.version
    is_chunked = "transfer-encoding" in fields and _is_chunked(fields["transfer-encoding"], version)
    length = 0 if is_chunked else int(fields.get("content-length", 0))
    connection, expect = fields.get("connection"), fields.get("expect")
    keeps_alive = version == "HTTP/1.1" if connection is None else _keeps_alive(connection, version)
    # Not for HTTP/1.0 (RFC 9110 §10.1.1).
    expects = expect is not None and expect.lower() == "100-continue" and version == "HTTP/1.1"
    return Head(start_line, headers, length, is_chunked, keeps_alive, expects)


def _parse_start_line(line: bytes) -> RequestStartLine:
    match = START_LINE.fullmatch(line)
    if match is None:
        raise HeadError(400, "malformed request line, or not HTTP/1")
    method, target, version = match.groups()
    return RequestStartLine(method.decode("latin-1"), target.decode("latin-1"), version.decode("latin-1"))


def _is_chunked(coding: str, version: str) -> bool:
    if version != "HTTP/1.1":
        raise HeadError(400, "Transfer-Encoding in HTTP/1.0")  # RFC 9112 §6.1: faulty framing
    if coding.lower() != "chunked":
        raise HeadError(400, "a transfer coding other than chunked")
    return True


def _keeps_alive(connection: str, version: str) -> bool:
    options = [option.strip() for option in connection.lower().split(",")]
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
