"""`[mcp]` where `app` is an object of the official SDK or of fastmcp."""

from collections.abc import Callable, Sequence

from tornado.routing import URLSpec

from omnitornado.app import build_mcp_route
from omnitornado.config import Config, build_key_error
from omnitornado.log import log_event
from omnitornado.mcp.endpoint import EndpointStore
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, Batch, JsonRpcError, Message, Request
from omnitornado.mcp.limits import Quota
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.sdk.catalog import Catalog
from omnitornado.sdk.hosting import Hosting
from omnitornado.sdk.identity import Caller
from omnitornado.sdk.listing import ListingError
from omnitornado.sdk.objects import Guest
from omnitornado.web.asgi import AsgiHandler, AsgiService
from omnitornado.web.services import MountHealth, ScopeTool, Services

NOT_LISTED = "The server does not say at the moment what this tool needs; try again shortly"


class SdkMount:
    """An object of somebody else's package, in process."""

    def __init__(self, guest: Guest, config: Config, clock: Callable[[], float]) -> None:
        settings = config.mcp
        self.path, self.name, self.scope = settings.path, settings.name, settings.scope
        self._guest = guest
        self._config = config
        self._settings = settings
        self._hosting = Hosting(guest, path=self.path, max_body=settings.max_body)
        self._catalog = Catalog(self._hosting, clock=clock)

    def describe_scopes(self) -> dict[str, str]:
        """The endpoint's scope, and those that single tools need, as they were when the object started."""
        scopes = {self.scope: f"Use {self.name}"}
        for tool in self._catalog.tools:
            for scope in sorted(tool.scopes):
                scopes.setdefault(scope, f"Use what {self.name} keeps behind {scope}")
        return scopes

    async def find_tools(self, scope: str) -> Sequence[ScopeTool]:
        await self._catalog.refresh(max_age=1.0)
        return [
            ScopeTool(tool.name, tool.title, tool.description)
            for tool in self._catalog.tools
            if scope in tool.scopes or (not tool.scopes and scope == self.scope)
        ]

    async def open(self, store: EndpointStore) -> None:
        try:
            await self._hosting.start()
            await self._catalog.open()
        except Exception as error:
            await self._hosting.close()
            detail = " ".join(str(error).split()) or "it took too long"
            what = self._config.mcp.app or self._guest.name
            reason = f"{what} does not start: {type(error).__name__}: {detail}"
            raise build_key_error(self._config, "mcp", "app", reason) from error
        routes = self._guest.list_unserved_routes()
        if routes:
            log_event("mcp.routes", reason="routes_not_served", paths=routes)

    async def find_needed_scopes(self, message: Message | Batch, caller: Caller) -> frozenset[str]:
        """What the tools need that a message calls. Raises: JsonRpcError 503, where it doesn't say."""
        names: set[str] = set()
        for one in message if isinstance(message, list) else (message,):
            name = one.params.get("name") if isinstance(one, Request) and one.method == "tools/call" else None
            if isinstance(name, str):
                names.add(name)
        try:
            return await self._catalog.find_scopes(names, caller)
        except ListingError:
            raise JsonRpcError(code=INTERNAL_ERROR, message=NOT_LISTED, status=503) from None

    def build_spec(self, resource: ProtectedResource, services: Services) -> URLSpec:
        settings = self._settings
        self._service = AsgiService(
            resource=resource,
            max_body=settings.max_body,
            keep_alive=settings.keep_alive,
            write_timeout=settings.write_timeout,
            hosting=self._hosting,
            calls=Quota(settings.calls_per_person, "calls in flight"),
            streams=Quota(settings.streams_per_person, "streams"),
            nesting=settings.max_nesting,
            find_needed_scopes=self.find_needed_scopes,
        )
        route = build_mcp_route(self.path, AsgiHandler)
        return URLSpec(route.path, route.handler, {"services": services, "sdk": self._service})

    def describe_health(self) -> MountHealth | None:
        """It runs in this process."""
        return None

    async def end_streams(self) -> None:
        self._guest.end_streams()
        await self._service.end_streams()

    async def close(self) -> None:
        await self._service.cancel_calls()
        await self._hosting.close()
        await self._service.close()
