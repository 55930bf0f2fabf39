"""Our choice: the system resolves names, on threads: name servers may take long, and the loop never waits."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from omnitornado.net.fetched import FetchError

SocketAddress = tuple[int, Any]
"""An address family and what `connect` takes for it."""
Resolve = Callable[[str, int], Awaitable[Sequence[SocketAddress]]]

MAX_NAMES: Final = 64
"""Names that are being resolved at once: more than there are fetches, for a dead name is waited for longer
than its fetch.
"""


class SystemResolver:
    """The system's resolver, on a thread for each name: one that gets no answer holds up nothing else, nor
    the end of the process.
    """

    def __init__(self) -> None:
        self._asked = 0

    async def resolve(self, host: str, port: int) -> Sequence[SocketAddress]:
        """Raises: OSError; FetchError where too many earlier names are still waited for."""
        if self._asked >= MAX_NAMES:
            raise FetchError("too many names are being resolved already", reason="fetch_busy", is_own=True)
        self._asked += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[SocketAddress]] = loop.create_future()

        def finish(found: Sequence[SocketAddress] | OSError) -> None:
            # Counted down when the thread is free, not when the caller has given up.
            self._asked -= 1
            if answer.done():
                return
            if isinstance(found, OSError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def ask() -> None:
            found = _ask_system(host, port)
            with suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(finish, found)

        threading.Thread(target=ask, name="resolver", daemon=True).start()
        return await answer


def _ask_system(host: str, port: int) -> Sequence[SocketAddress] | OSError:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError as error:  # from the idna codec
        return OSError(0, str(error))
    return [(family, address) for family, _, _, _, address in found]
