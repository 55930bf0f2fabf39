"""Everything that one endpoint has with the other processes that serve it."""

from collections.abc import Callable

from omnitornado.mcp.handshake import Handshake
from omnitornado.mcp.neighbours.network import Network
from omnitornado.mcp.neighbours.sessions import FarSessions
from omnitornado.mcp.neighbours.tasks import FarTasks
from omnitornado.mcp.sessions import Sessions
from omnitornado.mcp.streams import Hub
from omnitornado.mcp.tasks import Tasks
from omnitornado.store.bus import Bus


class Neighbours:
    """Belongs to the event loop: `start`, and finally `close`."""

    def __init__(
        self,
        bus: Bus,
        *,
        path: str,
        hub: Hub,
        sessions: Sessions,
        handshake: Handshake,
        tasks: Tasks,
        clock: Callable[[], float],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        """`path`: of the endpoint. `clock`: seconds."""
        self.network = Network(bus, f"mcp:{path}", clock=clock, token_bytes=token_bytes)
        self._sessions = FarSessions(self.network, hub, sessions, handshake)
        FarTasks(self.network, tasks)

    def start(self) -> None:
        self.network.start()

    async def close(self) -> None:
        await self._sessions.close()
        await self.network.close()
