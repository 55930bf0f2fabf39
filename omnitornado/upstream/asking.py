"""Implements: MCP 2025-11-25 client/elicitation, client/sampling, client/roots: what a server behind us asks,
and whom.

A child has one pipe, and what it asks does not say for which request it asks. So a question goes to a request
that is under way, to the newest one; and where requests of several clients are under way, to none, for it
could show one person's, or one client's, to another. The server then gets an error and decides what to do
without. Our choice.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from omnitornado.mcp.call import CallCancelledError
from omnitornado.mcp.client_capabilities import FORM, ROOTS, SAMPLING, SAMPLING_TOOLS, URL, supports
from omnitornado.mcp.context import CallEndedError
from omnitornado.mcp.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Json,
    JsonRpcError,
    RequestId,
    build_error,
    build_result,
)
from omnitornado.mcp.questions import Question as ClientQuestion
from omnitornado.mcp.session_asker import SessionAsker
from omnitornado.mcp.tool_error import ToolError
from omnitornado.mcp.versions import STATELESS_VERSIONS, URL_ELICITATION_SINCE
from omnitornado.upstream.flight import Flight, Question

ASKED = frozenset({"elicitation/create", "sampling/createMessage", "roots/list"})


def build_client_capabilities(*, has_roots: bool) -> Json:
    """ClientCapabilities for a server that serves many clients: what some of them can be asked."""
    capabilities: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}}
    if has_roots:
        capabilities["roots"] = {}
    return capabilities


def find_asked(flights: Iterable[Flight]) -> Flight:
    """The request that a question belongs to.

    Raises:
        JsonRpcError: there is none, or it can't be told.
    """
    found = list(flights)
    if not found:
        message = "No request is under way whose client could be asked"
        raise JsonRpcError(code=INVALID_REQUEST, message=message)
    if len({flight.caller for flight in found}) > 1:
        message = "Several clients' requests are under way: it can't be told which of them is to be asked"
        raise JsonRpcError(code=INVALID_REQUEST, message=message)
    return next((flight for flight in reversed(found) if not flight.is_parked), found[-1])


def check_client(flight: Flight, method: str, params: Json) -> None:
    """Raises: JsonRpcError, the client can't be asked this."""
    exchange = flight.exchange
    if not supports(exchange.capabilities, find_required(method, params), exchange.version):
        raise JsonRpcError(code=METHOD_NOT_FOUND, message=f"The client does not support {method}")


def find_required(method: str, params: Json) -> Json:
    """ClientCapabilities that a question needs."""
    if method == "elicitation/create":
        return URL if params.get("mode") == "url" else FORM
    if method == "roots/list":
        return ROOTS
    return SAMPLING_TOOLS if "tools" in params or "toolChoice" in params else SAMPLING


def adapt_question(method: str, params: Json, version: str) -> Json:
    """A question's parameters in the words of the client's revision."""
    adapted = dict(params)
    if method == "elicitation/create" and version >= URL_ELICITATION_SINCE:
        adapted.setdefault("mode", "form")
        if version in STATELESS_VERSIONS:
            adapted.pop("elicitationId", None)
    return adapted


async def ask_in_session(flight: Flight, question: Question) -> Json:
    """Ask the client of a session; gives the response for the server behind us."""
    exchange = flight.exchange
    asker = None if exchange.build_asker is None else exchange.build_asker(flight.call)
    if not isinstance(asker, SessionAsker):
        message = "The client can't be asked anything"
        return build_error(JsonRpcError(code=INVALID_REQUEST, message=message), question.id)
    required = find_required(question.method, question.params)
    params = adapt_question(question.method, question.params, exchange.version)
    asked: ClientQuestion[Any] = ClientQuestion(question.method, params, required, _keep, question.method)
    try:
        response = await asker.put(asked)
    except (ToolError, CallEndedError, CallCancelledError) as error:
        return build_error(JsonRpcError(code=INTERNAL_ERROR, message=str(error)), question.id)
    return build_answer(question.id, response.result, response.error)


def build_requests(asked: Mapping[str, Question], version: str) -> Json:
    """InputRequests: what the client of the stateless era is asked by the end of its request."""
    return {
        key: {"method": one.method, "params": adapt_question(one.method, one.params, version)}
        for key, one in asked.items()
    }


def build_answer(question_id: RequestId, result: Any, error: Any = None) -> Json:
    """A client's answer, as the server behind us gets it."""
    if error is not None:
        return {"jsonrpc": "2.0", "id": question_id, "error": error}
    return build_result(question_id, result)


def _keep(result: Any) -> Any:
    return result
