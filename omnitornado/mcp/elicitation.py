"""Implements: MCP 2026-07-28 client/elicitation (Elicitation Requests, Response Actions), and earlier
revisions' shapes.
"""

import re
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from omnitornado.mcp.client_capabilities import FORM, URL
from omnitornado.mcp.content import clean_text
from omnitornado.mcp.form import Form
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.questions import Question
from omnitornado.mcp.versions import STATELESS_VERSIONS, URL_ELICITATION_SINCE

T = TypeVar("T")


class Accepted(msgspec.Struct, Generic[T], frozen=True):
    """The person has answered."""

    data: T
    action: Literal["accept"] = "accept"


class Declined(msgspec.Struct, frozen=True):
    """The person said no."""

    action: Literal["decline"] = "decline"


class Cancelled(msgspec.Struct, frozen=True):
    """The person closed the question without an answer."""

    action: Literal["cancel"] = "cancel"


Answer: TypeAlias = Accepted[T] | Declined | Cancelled


def build_form_question(message: str, form: Form[T], key: str | None, version: str) -> Question[Answer[T]]:
    """Ask the person to fill in a form.

    Raises:
        ValueError: the revision has no such form.
    """
    params: Json = {"message": clean_text(message), "requestedSchema": form.build_schema(version)}
    if version >= URL_ELICITATION_SINCE:
        params = {"mode": "form", **params}

    def parse(result: Any) -> Answer[T]:
        action = _parse_action(result)
        return _build_refusal(action) or Accepted(form.parse(result.get("content") or {}))

    return Question("elicitation/create", params, FORM, parse, key or "elicitation")


def build_url_question(
    message: str, url: str, elicitation_id: str, key: str | None, version: str
) -> Question[Answer[None]]:
    """Ask the person to open an address.

    Raises:
        ValueError: it is no web address.
    """
    if re.fullmatch(r"https?://[^\s/]+[^\s]*", url) is None:
        raise ValueError("an elicitation's url is an absolute http or https address")
    params: Json = {"mode": "url", "message": clean_text(message), "url": url}
    if version not in STATELESS_VERSIONS:
        params["elicitationId"] = elicitation_id

    def parse(result: Any) -> Answer[None]:
        return _build_refusal(_parse_action(result)) or Accepted(None)

    return Question("elicitation/create", params, URL, parse, key or "elicitation")


def _parse_action(result: Any) -> str:
    if not isinstance(result, dict) or result.get("action") not in ("accept", "decline", "cancel"):
        raise ValueError("action must be accept, decline or cancel")
    return str(result["action"])


def _build_refusal(action: str) -> Declined | Cancelled | None:
    if action == "accept":
        return None
    return Declined() if action == "decline" else Cancelled()
