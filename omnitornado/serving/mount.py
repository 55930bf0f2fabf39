"""What stands at a protected path of the server, and `[mcp] app`, which is one such thing: our own
`MCPServer`, or an object of somebody else's package (`sdk_mount`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from tornado.routing import URLSpec

from omnitornado.app import build_mcp_route
from omnitornado.config import McpSettings, TaskSettings
from omnitornado.mcp.countdown import Countdown
from omnitornado.mcp.endpoint import Endpoint, EndpointStore
from omnitornado.mcp.event_buffer import Bounds
from omnitornado.mcp.event_log import EventLogLimits
from omnitornado.mcp.limits import Limits, TaskLimits
from omnitornado.mcp.server import MCPServer
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.web.mcp import EARLY, McpService
from omnitornado.web.services import MountHealth, ScopeTool, Services


class Mount(Protocol):
    """An MCP server behind the login, at its own path. `open` comes first, and `close` last."""

    @property
    def path(self) -> str:
        """Of the URL."""

    @property
    def name(self) -> str:
        """As pages show it."""

    @property
    def scope(self) -> str:
        """What every request to it needs."""

    def describe_scopes(self) -> dict[str, str]:
        """The scopes that mean something here, in words."""

    async def find_tools(self, scope: str) -> Sequence[ScopeTool]:
        """What stands behind a scope, for the consent page."""

    async def open(self, store: EndpointStore) -> None:
        """Begin, on the running loop. Raises: ConfigError for what can't be served."""

    def build_spec(self, resource: ProtectedResource, services: Services) -> URLSpec:
        """The line for Tornado's table. Only after `open`."""

    def describe_health(self) -> MountHealth | None:
        """How what stands behind it is; None where nothing of its own could be ill."""

    async def end_streams(self) -> None:
        """Take no new request, and end every stream well. Calls in flight go on, until `close`."""

    async def close(self) -> None:
        """End. Calls still in flight are answered that the server stops."""


class McpMount:
    """`[mcp]`: an `MCPServer` of our own."""

    def __init__(
        self,
        server: MCPServer,
        settings: McpSettings,
        tasks: TaskSettings,
        clock: Callable[[], float],
        extensions: Iterable[str] = (),
    ) -> None:
        """`extensions`: those of the login before it, to be announced with its own."""
        self.path, self.name, self.scope = settings.path, settings.name, settings.scope
        for extension in extensions:
            server.extensions.setdefault(extension, {})
        self._server = server
        self._settings = settings
        self._tasks = tasks
        self._clock = clock

    def describe_scopes(self) -> dict[str, str]:
        """The endpoint's scope, and those that single tools, resources and prompts need."""
        scopes = {self.scope: f"Use {self.name}"}
        for offered in self._server.list_offered():
            for scope in sorted(offered.scopes):
                scopes.setdefault(scope, f"Use what {self.name} keeps behind {scope}")
        return scopes

    async def find_tools(self, scope: str) -> list[ScopeTool]:
        """The tools behind a scope: those that name it, and for the endpoint's own scope those that name
        none.
        """
        return [
            ScopeTool(tool.name, tool.title or "", tool.description)
            for tool in self._endpoint.list_tools_by_scope()
            if scope in tool.scopes or (not tool.scopes and scope == self.scope)
        ]

    async def open(self, store: EndpointStore) -> None:
        settings = self._settings
        self._endpoint = Endpoint(
            self._server,
            path=self.path,
            sessions=store,
            tool_timeout=settings.tool_timeout,
            tool_threads=settings.tool_threads,
            limits=build_limits(settings),
            page_size=settings.page_size,
            task_limits=_build_task_limits(self._tasks),
            clock=self._clock,
        )
        await self._endpoint.start()

    def build_spec(self, resource: ProtectedResource, services: Services) -> URLSpec:
        # A server that stops lets them finish, as it does requests.
        self._endpoint.tasks.roster = services.in_flight
        return build_endpoint_spec(self._endpoint, self.path, self._settings, resource, services)

    def describe_health(self) -> MountHealth | None:
        """It is well as long as the server is."""
        return None

    async def end_streams(self) -> None:
        await self._endpoint.end_streams()

    async def close(self) -> None:
        await self._endpoint.close()


def build_endpoint_spec(
    endpoint: Endpoint, path: str, settings: McpSettings, resource: ProtectedResource, services: Services
) -> URLSpec:
    """The line for Tornado's table of an endpoint of ours, whoever answers behind it."""
    service = McpService(
        endpoint=endpoint,
        early=Countdown(min(EARLY, settings.keep_alive)),
        resource=resource,
        max_body=settings.max_body,
        keep_alive=settings.keep_alive,
        write_timeout=settings.write_timeout,
    )
    route = build_mcp_route(path)
    return URLSpec(route.path, route.handler, {"services": services, "mcp": service})


def build_limits(mcp: McpSettings) -> Limits:
    """What one person may take of an endpoint at a time."""
    return Limits(
        calls_per_person=mcp.calls_per_person,
        streams_per_person=mcp.streams_per_person,
        nesting=mcp.max_nesting,
        answer_timeout=mcp.answer_timeout,
        event_log=EventLogLimits(session=Bounds(bytes=mcp.stream_buffer), retention=mcp.stream_retention),
    )


def _build_task_limits(tasks: TaskSettings) -> TaskLimits:
    return TaskLimits(
        time_limit=tasks.time_limit,
        result_lifetime=tasks.result_lifetime,
        max_lifetime=tasks.max_lifetime,
        poll_interval=tasks.poll_interval,
        running_per_person=tasks.running_per_person,
        max_result=tasks.max_result,
        threads=tasks.threads,
    )
