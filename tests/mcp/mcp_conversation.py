"""A client that is asked: it answers what a call wants to know, in either era."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from mcp_samples import (
    ANN,
    CAPABILITIES_KEY,
    STATELESS,
    Answer,
    FakeOutbound,
    Json,
    Wire,
    build_headers,
    build_request,
    build_stateless,
)

from omnitornado.mcp.event_stream import Reader
from omnitornado.mcp.principal import Principal

Respond = Callable[[Json], Any]
"""From the question, with method and params, to the result; an Exception is sent as a JSON-RPC error, and
None leaves it unanswered."""

EVERYTHING: Json = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}},
    "roots": {},
}
"""What a client can be that can be asked everything."""


class Respondent(FakeOutbound):
    """A POST's way out in a session: questions on its stream are answered by another POST."""

    def __init__(self, wire: Wire, session: dict[str, str], respond: Respond) -> None:
        super().__init__()
        self.asked: list[Json] = []
        self._wire = wire
        self._session = session
        self._respond = respond
        self._answering: set[asyncio.Task[Answer]] = set()

    def open(self, reader: Reader) -> None:
        super().open(_Watched(reader, self._take))  # type: ignore[arg-type]

    def _take(self, message: Json) -> None:
        if "method" not in message or "id" not in message:
            return
        self.asked.append(message)
        result = self._respond(message)
        if result is None:
            return
        answer: Json = {"jsonrpc": "2.0", "id": message["id"]}
        if isinstance(result, Exception):
            answer["error"] = {"code": -1, "message": str(result)}
        else:
            answer["result"] = result
        task = asyncio.create_task(self._wire.post(answer, self._session))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)


class _Watched:
    """A reader whose messages are shown to somebody as they come."""

    def __init__(self, reader: Reader, show: Callable[[Json], None]) -> None:
        self._reader = reader
        self._show = show

    async def receive(self) -> Any:
        events = await self._reader.receive()
        for event in events or ():
            if event.data:
                self._show(json.loads(event.data))
        return events

    def detach(self) -> None:
        self._reader.detach()


class Talk:
    """What came of a call: the last answer, and the questions in their order."""

    def __init__(self) -> None:
        self.answer: Answer
        self.asked: list[Json] = []
        self.rounds: list[Json] = []
        """The results with `input_required`."""


async def talk(
    wire: Wire,
    respond: Respond,
    version: str,
    name: str = "tool",
    arguments: Json | None = None,
    *,
    method: str = "tools/call",
    params: Json | None = None,
    capabilities: Json = EVERYTHING,
    principal: Principal = ANN,
) -> Talk:
    """Call a tool (or another method, with `params`) and answer its questions, until it is done."""
    sent = params or {"name": name, "arguments": arguments or {}}
    if version != STATELESS:
        return await _talk_in_session(wire, respond, version, method, sent, capabilities)
    found, extra = Talk(), dict[str, Any]()
    while True:
        meta = {CAPABILITIES_KEY: capabilities}
        message = build_stateless(method, {**sent, **extra}, **meta)
        found.answer = await wire.post(message, build_headers(message), principal=principal)
        result = found.answer.body.get("result", {})
        if result.get("resultType") != "input_required":
            return found
        found.rounds.append(result)
        found.asked += result["inputRequests"].values()
        responses = {key: respond(asked) for key, asked in result["inputRequests"].items()}
        extra = {
            "inputResponses": {key: one for key, one in responses.items() if one is not None},
            "requestState": result["requestState"],
        }


async def _talk_in_session(
    wire: Wire, respond: Respond, version: str, method: str, params: Json, capabilities: Json
) -> Talk:
    session = await wire.open_session(version, capabilities=capabilities)
    outbound = Respondent(wire, session, respond)
    found = Talk()
    found.answer = await wire.post(build_request(method, params), session, outbound=outbound)
    found.asked = outbound.asked
    return found


def accept(content: Json) -> Json:
    """The person fills the form in."""
    return {"action": "accept", "content": content}
