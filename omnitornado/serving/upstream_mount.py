"""One of `[[mcp.upstreams]]`: somebody else's server behind the login, at a path of its own."""

from collections.abc import Callable
from pathlib import Path

from tornado.routing import URLSpec

from omnitornado.config import Config, UpstreamSettings
from omnitornado.mcp.endpoint import Endpoint, EndpointStore
from omnitornado.mcp.principal import Principal
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.serving.mount import build_endpoint_spec, build_limits
from omnitornado.upstream.child import Command
from omnitornado.upstream.identity import build_environment
from omnitornado.upstream.peer import Terms
from omnitornado.upstream.pool import PoolLimits
from omnitornado.upstream.responder import UpstreamResponder
from omnitornado.web.services import MountHealth, ScopeTool, Services


class UpstreamMount:
    """A server behind us, as `serving.mount.Mount`."""

    def __init__(self, settings: UpstreamSettings, config: Config, clock: Callable[[], float]) -> None:
        self.path, self.name, self.scope = settings.path, settings.name, settings.scope
        self._settings = settings
        self._config = config
        self._clock = clock

    def describe_scopes(self) -> dict[str, str]:
        """The one scope; what single tools need, the server behind us does not say."""
        return {self.scope: f"Use {self.name}"}

    async def find_tools(self, scope: str) -> list[ScopeTool]:
        """Whose tools they are is known only once the person has a server."""
        return []

    async def open(self, store: EndpointStore) -> None:
        settings, mcp = self._settings, self._config.mcp
        self._responder = UpstreamResponder(
            Terms(settings.name, settings.start_timeout, has_roots=settings.roots),
            PoolLimits(settings.idle_time, settings.max_children),
            sharing=settings.per,
            build_command=self._build_command,
            timeout=settings.timeout,
            answer_timeout=mcp.answer_timeout,
        )
        self._endpoint = Endpoint(
            self._responder, path=self.path, sessions=store, limits=build_limits(mcp), clock=self._clock
        )

    def _build_command(self, person: Principal | None, names_client: bool) -> Command:
        settings = self._settings
        return Command(
            settings.name,
            settings.command,
            build_environment(settings.env, settings.pass_env, principal=person, names_client=names_client),
            settings.cwd or Path(self._config.folder),
            settings.max_message,
        )

    def build_spec(self, resource: ProtectedResource, services: Services) -> URLSpec:
        return build_endpoint_spec(self._endpoint, self.path, self._config.mcp, resource, services)

    def describe_health(self) -> MountHealth:
        """How its processes are."""
        pool = self._responder.pool
        failure = pool.last_failure
        return MountHealth(self.name, self.path, len(pool), None if failure is None else failure.reason)

    async def end_streams(self) -> None:
        await self._endpoint.end_streams()

    async def close(self) -> None:
        await self._endpoint.close()
