"""Implements: RFC 6749 §3.1, §3.2 and appendix B: request parameters, parsed once and strictly.

A parameter without a value counts as absent. One that is given twice is refused, `resource` (RFC 8707 §2)
excepted; where that error may be sent depends on which one it was, so parsing notes it and `check_unique`
raises.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from omnitornado.oauth.errors import OAuthError, ValidatedRedirect

MAX_PARAMETERS: Final = 64
NONE: Final[frozenset[str]] = frozenset()


class Parameters(msgspec.Struct, frozen=True):
    """Request parameters by name, each with its one value; the resources; the names given more than once."""

    values: Mapping[str, str]
    resources: tuple[str, ...] = ()
    duplicates: frozenset[str] = frozenset()

    def get(self, name: str) -> str | None:
        """The value, or None when absent or empty."""
        return self.values.get(name)

    def require(self, name: str) -> str:
        """The value. Raises: OAuthError invalid_request."""
        value = self.values.get(name)
        if value is None:
            raise OAuthError(
                code="invalid_request", description=f"{name} is missing", reason=f"missing_{name}"
            )
        return value

    def check_unique(self, *names: str, redirect: ValidatedRedirect | None = None) -> None:
        """Raises: OAuthError invalid_request if one of `names` (of all, when none is named) came twice."""
        found = self.duplicates.intersection(names) if names else self.duplicates
        if found:
            raise OAuthError(
                code="invalid_request",
                description="a parameter is included more than once",
                reason="duplicate_parameter",
                redirect=redirect,
            )


def parse_parameters(encoded: str | bytes) -> Parameters:
    """A query string or a form body to parameters.

    A string is what HTTP servers read a request line to: a character for each byte (latin-1). Raises:
    OAuthError invalid_request for bytes that are not UTF-8, for NUL and for more than 64 parameters.
    """
    raw = _encode(encoded) if isinstance(encoded, str) else encoded
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > MAX_PARAMETERS:
        raise OAuthError(
            code="invalid_request", description="too many parameters", reason="too_many_parameters"
        )
    values: dict[str, str] = {}
    resources: list[str] = []
    duplicates: set[str] = set()
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        key, text = _decode(name), _decode(value)
        if not text:
            continue
        if key == "resource":
            resources.append(text)
        elif key in values:
            duplicates.add(key)
        else:
            values[key] = text
    return Parameters(
        values=values,
        resources=tuple(dict.fromkeys(resources)) if resources else (),
        duplicates=frozenset(duplicates) if duplicates else NONE,
    )


def _encode(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise _not_utf8() from None


def _decode(part: bytes) -> str:
    if b"%" in part or b"+" in part:
        part = unquote_to_bytes(part.replace(b"+", b" "))
    try:
        text = part.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_utf8() from None
    if "\x00" in text:
        raise OAuthError(code="invalid_request", description="parameters must not contain NUL", reason="nul")
    return text


def _not_utf8() -> OAuthError:
    return OAuthError(code="invalid_request", description="parameters must be UTF-8", reason="not_utf8")
