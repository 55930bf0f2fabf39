"""Implements: MCP 2026-07-28 server/utilities/completion (Reference Types, Completion Results)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from omnitornado.mcp.content import clean_text
from omnitornado.mcp.context import Context
from omnitornado.mcp.declaration import check_timeout, find_place, is_async
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import DeclarationError, build_arguments

MAX_VALUES = 100
"""Suggestions in an answer (Completion Results)."""

Target: TypeAlias = Literal["ref/prompt", "ref/resource"]


class Completion(msgspec.Struct, frozen=True):
    """Suggestions, where the function knows of more than it returns."""

    values: Sequence[str]
    total: int | None = None
    has_more: bool | None = None


class Completer(msgspec.Struct, frozen=True):
    """A function that completes one argument of a prompt, or one variable of a resource template."""

    name: str
    """Unique: what it completes."""
    function: Callable[..., Any]
    is_async: bool
    takes_arguments: bool
    """Whether the function wants the arguments that are settled already."""
    context_names: tuple[str, ...]
    timeout: float | msgspec.UnsetType | None

    @property
    def label(self) -> str:
        return f"completion {self.name}"


def build_key(target: str, name: str, argument: str) -> str:
    """The name of a completer."""
    return f"{target} {name} {argument}"


def build_completer(
    function: Callable[..., Any],
    target: Target,
    name: str,
    argument: str,
    *,
    timeout: float | msgspec.UnsetType | None = msgspec.UNSET,
) -> Completer:
    """Make a completer of a function with the parameters `value`, and if it likes `arguments` and a Context.

    Raises:
        DeclarationError: other parameters.
    """
    try:
        arguments = build_arguments(function, {}, Context)
        names = [parameter.name for parameter in arguments.parameters]
        if "value" not in names or not {"value", "arguments"}.issuperset(names):
            raise DeclarationError(
                "a completion takes value: str, and where needed arguments: dict[str, str] and a Context"
            )
        return Completer(
            name=build_key(target, name, argument),
            function=function,
            is_async=is_async(function),
            takes_arguments="arguments" in names,
            context_names=arguments.context_names,
            timeout=check_timeout(timeout),
        )
    except (DeclarationError, ValueError) as error:
        raise DeclarationError(f"completion {find_place(function)}: {error}") from None


def build_completion(value: Any) -> Json:
    """`CompleteResult.completion` from a return value: strings, a Completion, or None for nothing.

    Raises:
        TypeError: something else.
    """
    if not isinstance(value, Completion):
        value = Completion(_list_strings(value))
    values = _list_strings(value.values)
    total = len(values) if value.total is None else max(value.total, len(values))
    shown = values[:MAX_VALUES]
    has_more = total > len(shown) if value.has_more is None else value.has_more or len(values) > len(shown)
    return {"values": [clean_text(one) for one in shown], "total": total, "hasMore": has_more}


def find_matches(choices: Iterable[str], value: str) -> list[str]:
    """The choices that begin with what was typed, then those that hold it; case makes no difference."""
    typed = value.casefold()
    first = [choice for choice in choices if choice.casefold().startswith(typed)]
    return first + [choice for choice in choices if typed in choice.casefold() and choice not in first]


def _list_strings(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(f"a completion returns a list of strings, not {type(value).__name__}")
    values = list(value)
    if not all(isinstance(one, str) for one in values):
        raise TypeError("a completion returns strings alone")
    return values
