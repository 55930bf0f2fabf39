"""Which mount serves what, and opening them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from omnitornado.config import Config
from omnitornado.mcp.endpoint import EndpointStore
from omnitornado.mcp.server import MCPServer
from omnitornado.sdk.objects import Guest
from omnitornado.serving.extensions import list_login_extensions
from omnitornado.serving.mount import McpMount, Mount
from omnitornado.serving.sdk_mount import SdkMount
from omnitornado.serving.upstream_mount import UpstreamMount

T = TypeVar("T")


def build_mounts(app: MCPServer | Guest | None, config: Config, clock: Callable[[], float]) -> list[Mount]:
    """What stands at `[mcp] path`, if anything does, and each of `[[mcp.upstreams]]`."""
    mounts: list[Mount] = []
    if isinstance(app, MCPServer):
        mounts.append(McpMount(app, config.mcp, config.tasks, clock, list_login_extensions(config)))
    elif app is not None:
        mounts.append(SdkMount(app, config, clock))
    mounts += [UpstreamMount(settings, config, clock) for settings in config.upstreams]
    return mounts


async def open_mounts(mounts: Iterable[Mount], store: EndpointStore) -> list[Mount]:
    """Open them in their order. Raises: ConfigError for what can't be served; then all are closed again."""
    opened: list[Mount] = []
    try:
        for mount in mounts:
            await mount.open(store)
            opened.append(mount)
    except BaseException:
        for mount in opened:
            await mount.close()
        raise
    return opened


async def run_unless(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """What `work` returns; None when `stop` came first, for a served object may take its time to start."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
    return None if working.cancelled() else working.result()
