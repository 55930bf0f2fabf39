"""An `MCPServer` of our own as what answers the methods of an endpoint.

Our choice.
"""

from collections.abc import Callable, Hashable, Mapping
from functools import partial

from omnitornado.mcp import handshake_methods, stateless_methods
from omnitornado.mcp.capabilities import build_capabilities
from omnitornado.mcp.exchange import Method, Services
from omnitornado.mcp.inbound import Envelope
from omnitornado.mcp.jsonrpc import Json, Request
from omnitornado.mcp.needed_scopes import find_needed_scopes
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.responder import Answer, Introduction, Listening
from omnitornado.mcp.sessions import LiveSession
from omnitornado.mcp.streams import LIST_KINDS, Hub
from omnitornado.mcp.task_methods import find_listened_tasks


class ServerResponder:
    """Answers with what an author has declared (`mcp.responder.Responder`)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._server = services.server
        self.find_in_session: Callable[[str], Answer | None] = _bind(handshake_methods.METHODS, services).get
        self.find_stateless: Callable[[str], Answer | None] = _bind(stateless_methods.METHODS, services).get
        self.find_needed_scopes: Callable[[Request], frozenset[str]] = partial(
            find_needed_scopes, services.server
        )

    def attach(self, hub: Hub) -> None:
        """Changes are the endpoint's to tell: they come from any thread."""

    def takes_task(self, request: Request) -> bool:
        tool = self._server.tools.find(str(request.params.get("name")))
        return tool is not None and tool.task is not None

    async def introduce(
        self, principal: Principal, version: str, session: LiveSession | None
    ) -> Introduction:
        return Introduction(
            build_capabilities(self._server, version),
            self._server.describe(version),
            self._server.instructions or None,
        )

    def describe(self, principal: Principal, version: str) -> Json:
        return self._server.describe(version)

    def find_lists(self, principal: Principal, version: str) -> frozenset[str]:
        return LIST_KINDS & build_capabilities(self._server, version).keys()

    async def prepare_listening(
        self, listening: Listening, request: Request, envelope: Envelope, principal: Principal
    ) -> Listening:
        lists = self.find_lists(principal, envelope.version)
        asked = request.params["notifications"]
        return Listening(
            {name: kind for name, kind in listening.filters.items() if kind in lists},
            {uri: None for uri in listening.uris if self._server.find_resource(uri) is not None},
            await find_listened_tasks(self._services, asked, envelope.client_capabilities, principal),
        )

    def find_audience(self, principal: Principal, session: bytes | None) -> Hashable:
        """Every caller hears the same."""
        return None

    def forget(self, session: LiveSession) -> None:
        """Nothing is kept of it here."""

    def end_streams(self) -> None:
        self._services.tasks.end_waiting()

    async def close(self) -> None:
        await self._services.tasks.close()
        self._services.runner.close()


def _bind(methods: Mapping[str, Method], services: Services) -> dict[str, Answer]:
    return {name: partial(method, services) for name, method in methods.items()}
