"""What tools, resources, prompts and completions have in common when an author declares them.

Implements: MCP 2026-07-28 basic/index (Icons, `_meta`), server/tools (Tool Names). Our choice: what can be
wrong about a declaration is said when the module is imported, with the function's name and place.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import DeclarationError

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
_META_KEY = re.compile(
    r"(?:[A-Za-z](?:[A-Za-z0-9\-]*[A-Za-z0-9])?(?:\.[A-Za-z](?:[A-Za-z0-9\-]*[A-Za-z0-9])?)*/)?"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.\-]*[A-Za-z0-9])?)?"
)
"""Labels with dots between them and a slash, and a name; either may be left out (basic/index, `_meta`)."""
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""`scope-token` (RFC 6749 §3.3)."""


class Icon(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A picture for lists in a client (basic/index, icons)."""

    src: str
    """An https: or data: URI."""
    mime_type: str | None = None
    sizes: tuple[str, ...] = ()
    """"48x48", or "any"."""
    theme: Literal["light", "dark"] | None = None

    def __post_init__(self) -> None:
        if not self.src.startswith(("https:", "data:")):
            raise ValueError("an icon is an https: or data: URI")


def find_place(function: Callable[..., Any]) -> str:
    """Where a function stands, for the message of a declaration error."""
    inner = inspect.unwrap(function)
    where = f"{getattr(inner, '__module__', '?')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"
    code = getattr(inner, "__code__", None)
    return where if code is None else f"{where} (line {code.co_firstlineno})"


def find_name(function: Callable[..., Any], name: str | None) -> str:
    """The name given, or the function's own.

    Raises:
        DeclarationError: it is not of the form that tool names have.
    """
    name = name or str(getattr(function, "__name__", ""))
    if _NAME.fullmatch(name) is None:
        raise DeclarationError(f"the name {name!r} must be 1 to 128 of A-Z a-z 0-9 _ - . (give name=)")
    return name


def is_async(function: Callable[..., Any]) -> bool:
    """Whether the function runs in the event loop.

    Raises:
        DeclarationError: a generator.
    """
    candidates = (function, type(function).__call__)
    if any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in candidates):
        raise DeclarationError("it is a generator; report steps with Context.progress and return once")
    return any(inspect.iscoroutinefunction(one) for one in candidates)


def check_scopes(scopes: Sequence[str]) -> frozenset[str]:
    """Scopes as a set.

    Raises:
        DeclarationError: no list, or no scope tokens.
    """
    if isinstance(scopes, str):
        raise DeclarationError("scopes is a list of scope names, not one string")
    for scope in scopes:
        if _SCOPE.fullmatch(scope) is None:
            raise DeclarationError(f"the scope {scope!r} is no scope token (RFC 6749 §3.3)")
        if scope == "offline_access":
            raise DeclarationError(
                "offline_access is between client and authorization server, no tool's scope"
            )
    return frozenset(scopes)


def check_meta(meta: Json | None) -> Json | None:
    """The `_meta` of a declaration.

    Raises:
        DeclarationError: a key that no client need take.
    """
    for key in meta or ():
        if not key or _META_KEY.fullmatch(key) is None:
            raise DeclarationError(f"the key {key!r} of meta is not of the form name, or com.example/name")
    return meta


def check_timeout(timeout: float | msgspec.UnsetType | None) -> float | msgspec.UnsetType | None:
    """Seconds, None for no limit, UNSET for the endpoint's.

    Raises:
        DeclarationError: not above 0.
    """
    if isinstance(timeout, int | float) and not timeout > 0:
        raise DeclarationError("timeout is a number of seconds above 0, or None for no limit")
    return timeout
