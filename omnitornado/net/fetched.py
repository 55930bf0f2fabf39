"""Implements: RFC 9111 §4.2 and §5.2.2 (how long an answer is fresh): what a fetch gives, or why it doesn't.

Rooms that never fetch themselves take a `Fetch` and see no more than this.
"""

import email.utils
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

JSON_TYPE: Final = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json")
DIRECTIVE: Final = re.compile(
    r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"([^"]*)"|([^",\s]*)))?\s*(?:,|$)'
)


class FetchError(Exception):
    """Nothing was fetched. `reason` for the log; `str()` says in words what happened to whom. `is_own`: this
    server did not ask, for reasons of its own, so that it tells nothing of the address.
    """

    def __init__(self, detail: str, *, reason: str, is_own: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.is_own = is_own


class Fetched(msgspec.Struct, frozen=True):
    """An HTTP answer."""

    url: str
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    def parse_object(self) -> dict[str, Any]:
        """The JSON object of a good answer (RFC 8259). Raises: FetchError."""
        if self.status in (404, 410):
            raise FetchError("there is nothing at its address", reason="fetch_gone")
        if self.status != 200:
            raise FetchError(f"it was answered with status {self.status}", reason="fetch_status")
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not JSON_TYPE.fullmatch(kind):
            raise FetchError("the answer is not called application/json", reason="fetch_not_json")
        try:
            document = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise FetchError("the answer is not a JSON object", reason="fetch_not_json")
        return document

    def find_freshness(self, *, shortest: float, longest: float) -> float:
        """For how many seconds the answer may be used again, within bounds of the caller's own.

        `shortest` where the answer says nothing, or says that it must not be kept.
        """
        directives = parse_directives(self.headers.get("cache-control", ""))
        lifetime = _find_lifetime(directives, self.headers)
        age = _parse_seconds(self.headers.get("age", "")) or 0.0
        if lifetime is None or not {"no-store", "no-cache"}.isdisjoint(directives):
            return shortest
        return min(max(lifetime - age, shortest), longest)


class Fetch(Protocol):
    """A guarded fetch: `guarded_fetch.GuardedFetch.fetch`, or a test's own."""

    async def __call__(
        self,
        url: str,
        *,
        max_bytes: int,
        timeout: float = 5.0,  # noqa: ASYNC109 - the one limit for all of its parts
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        asker: str = "",
    ) -> Fetched:
        """`timeout` in seconds, for all of it. `asker`: the client's address on whose behalf; "" for this
        server's own. Raises: FetchError.
        """
        ...


def parse_directives(value: str) -> dict[str, str]:
    """RFC 9111 §5.2: the directives of `Cache-Control`, names in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for name, quoted, plain in DIRECTIVE.findall(value):
        found.setdefault(name.lower(), quoted or plain)
    return found


def _find_lifetime(directives: Mapping[str, str], headers: Mapping[str, str]) -> float | None:
    """RFC 9111 §4.2.1, as a shared cache. None where the answer does not say."""
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return _parse_seconds(directives[name]) or 0.0
    expires, date = (_parse_date(headers.get(name)) for name in ("expires", "date"))
    if expires is None or date is None:
        # RFC 9111 §5.3: what is no date ("0") has expired.
        return 0.0 if "expires" in headers and expires is None else None
    return max(expires - date, 0.0)


def _parse_seconds(value: str) -> float | None:
    return float(value[:10]) if value.isascii() and value.isdigit() else None


def _parse_date(value: str | None) -> float | None:
    try:
        return None if value is None else email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
