"""An endpoint with the hostile server behind it, spoken to as the web handler does."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mcp_samples import ANN, CAPABILITIES_KEY, Answer, Clock, FakeOutbound, Json, Wire, build_request

from omnitornado.mcp.endpoint import Endpoint
from omnitornado.mcp.limits import Limits
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.server import MCPServer
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.upstream.child import Command
from omnitornado.upstream.identity import build_environment
from omnitornado.upstream.peer import Terms
from omnitornado.upstream.pool import PoolLimits
from omnitornado.upstream.responder import Sharing, UpstreamResponder

from .children import ENVIRONMENT, GRACE, HOSTILE, find_zombies, list_descriptors, until

EVERYTHING: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}


class Behind:
    """The wire, the pool behind it, and its clock."""

    def __init__(self, wire: Wire, responder: UpstreamResponder, clock: Clock) -> None:
        self.wire = wire
        self.responder = responder
        self.pool = responder.pool
        self.clock = clock

    async def open(self, principal: Principal = ANN, **capabilities: Any) -> "Session":
        """A session of the handshake era."""
        headers = await self.wire.open_session(principal=principal, capabilities=capabilities)
        return Session(self.wire, headers, principal)

    async def call(self, name: str, *, principal: Principal = ANN, **arguments: Any) -> Answer:
        """Call a tool without a session."""
        return await self.wire.ask("tools/call", {"name": name, "arguments": arguments}, principal=principal)

    async def look_inside(self, principal: Principal = ANN) -> Json:
        """What the server has been told."""
        return (await self.wire.ask("com.example/state", principal=principal)).result


class Session:
    """A session, and calls in it."""

    def __init__(self, wire: Wire, headers: dict[str, str], principal: Principal) -> None:
        self.wire = wire
        self.headers = headers
        self.principal = principal
        self._last_id = 0

    async def ask(self, method: str, outbound: FakeOutbound | None = None, **params: Any) -> Answer:
        self._last_id += 1
        message = build_request(method, params, request_id=self._last_id)
        return await self.wire.post(message, self.headers, principal=self.principal, outbound=outbound)

    async def call(self, name: str, outbound: FakeOutbound | None = None, **arguments: Any) -> Answer:
        return await self.ask("tools/call", outbound, name=name, arguments=arguments)

    async def cancel(self, request_id: int) -> None:
        params = {"requestId": request_id, "reason": "no more"}
        message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        await self.wire.post(message, self.headers, principal=self.principal)


def run(
    scenario: Callable[[Behind], Awaitable[None]],
    *options: str,
    sharing: Sharing = "person",
    timeout: float | None = 30.0,
    start_timeout: float = 30.0,
    max_children: int = 10,
    max_message: int = 1 << 20,
    answer_timeout: float = 600.0,
    has_roots: bool = False,
    command: tuple[str, ...] = (),
) -> None:
    """Run a scenario; at its end no process, pipe or zombie is left."""
    clock = Clock()

    def build_command(person: Principal | None, names_client: bool) -> Command:
        environment = build_environment(
            {"OWN": "value"},
            ["PASSED"],
            principal=person,
            names_client=names_client,
            own={**ENVIRONMENT, **OWN},
        )
        arguments = command or (sys.executable, str(HOSTILE), *options)
        return Command("behind", arguments, environment, Path.cwd(), max_message, GRACE)

    async def main() -> None:
        before = list_descriptors()
        store = EmbeddedStore.open(None)
        await store.start()
        responder = UpstreamResponder(
            Terms("behind", start_timeout, has_roots=has_roots),
            PoolLimits(600.0, max_children),
            sharing=sharing,
            build_command=build_command,
            timeout=timeout,
            answer_timeout=answer_timeout,
            clock=clock,
        )
        endpoint = Endpoint(
            responder, path="/mcp", sessions=store, limits=Limits(answer_timeout=answer_timeout)
        )
        try:
            async with asyncio.timeout(60):
                await scenario(Behind(Wire(endpoint, MCPServer("unused")), responder, clock))
        finally:
            await endpoint.close()
            await store.close()
        assert len(responder.pool) == 0
        await until(lambda: list_descriptors() <= before)

    asyncio.run(main())
    assert find_zombies() == []


OWN = {"PASSED": "passed on", "SECRET": "of the server's own", "HOME": "/nowhere"}


def read(answer: Answer) -> Any:
    """A tool's text as JSON."""
    return json.loads(answer.text)


def build_meta(**capabilities: Any) -> Json:
    """`_meta` of a client that can be asked."""
    return {CAPABILITIES_KEY: capabilities or EVERYTHING}
