"""Implements: MCP 2026-07-28 basic/patterns/mrtr, in front of a server that asks that way.

A client of the stateless era is asked as the server asks, and the server's own state goes through it within
ours, sealed for person, client and request. A session's client is asked within its request, which then goes
to the server again.
"""

import asyncio
from typing import Any

import msgspec

from omnitornado.mcp.exchange import Exchange
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, Json, JsonRpcError
from omnitornado.mcp.rounds import MAX_ROUNDS, InputRequiredError
from omnitornado.upstream.asking import ASKED, ask_in_session
from omnitornado.upstream.flight import Flight, Question

STATE = "upstream_state"
"""Where the state of a call holds the server's."""
PAUSE = 1.0
"""Seconds before a server is asked again that wants nothing but that."""


def is_question(result: Json) -> bool:
    return result.get("resultType") == "input_required"


def build_input_required(exchange: Exchange, result: Json) -> Exception:
    """What the client of the stateless era is answered."""
    turn = exchange.round
    if turn is None:
        return JsonRpcError(
            code=INTERNAL_ERROR, message="The upstream server asks where nobody may", status=200
        )
    state = turn.state or turn.start()
    if state.round >= MAX_ROUNDS:
        message = f"The call has asked {MAX_ROUNDS} times and is not done"
        return JsonRpcError(code=INTERNAL_ERROR, message=message, status=200)
    once = {STATE: result.get("requestState")}
    requests = result.get("inputRequests")
    return InputRequiredError(
        requests if isinstance(requests, dict) else {},
        msgspec.structs.replace(state, round=state.round + 1, once=once),
    )


def find_extra(exchange: Exchange) -> Json:
    """What a request brings along that goes on after a question: for a server that asked that way."""
    turn = exchange.round
    if turn is None or turn.state is None or STATE not in turn.state.once:
        return {}
    return _build_extra(turn.responses, turn.state.once[STATE])


async def ask_all_in_session(flight: Flight, result: Json) -> Json:
    """Ask the client of a session; gives what the next request brings along. Raises: JsonRpcError."""
    requests = result.get("inputRequests")
    asked = requests if isinstance(requests, dict) else {}
    if not asked:
        await asyncio.sleep(PAUSE)
    answers = await asyncio.gather(*(_ask(flight, key, asked[key]) for key in asked))
    return _build_extra(dict(zip(asked, answers, strict=True)), result.get("requestState"))


async def _ask(flight: Flight, key: str, request: Any) -> Any:
    method = request.get("method") if isinstance(request, dict) else None
    params = request.get("params", {}) if isinstance(request, dict) else None
    if method not in ASKED or not isinstance(params, dict):
        message = "The upstream server asks what no client can be asked"
        raise JsonRpcError(code=INTERNAL_ERROR, message=message, status=200)
    response = await ask_in_session(flight, Question(key, method, params))
    if "error" in response:
        message = f"The client did not answer: {_find_words(response['error'])}"
        raise JsonRpcError(code=INTERNAL_ERROR, message=message, status=200)
    return response["result"]


def _find_words(error: Any) -> str:
    words = error.get("message") if isinstance(error, dict) else None
    return words[:512] if isinstance(words, str) else "an error without a message"


def _build_extra(responses: Json, state: Any) -> Json:
    extra: Json = {"inputResponses": responses} if responses else {}
    return extra if state is None else {**extra, "requestState": state}
