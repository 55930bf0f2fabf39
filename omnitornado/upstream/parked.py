"""Implements: MCP 2026-07-28 basic/patterns/mrtr, for a server that knows the handshake alone.

Such a server asks in the middle of a request, and waits. A client of the stateless era is asked by the end of
its request, and comes back with another. Between the two the server's request stays open, here: bounded in
number and in time. What brings them together again goes through the client, sealed with the person, the
client and the request that it belongs to (`mcp/request_state.py`); it is good once.
"""

import asyncio
import secrets
from collections.abc import Callable

from omnitornado.upstream.flight import Flight

MAX_PARKED = 1000
MAX_PARKED_PER_PERSON = 32
ID_BYTES = 12


class Parked:
    """The requests of one upstream that wait for their clients."""

    def __init__(
        self,
        *,
        patience: float,
        give_up: Callable[[Flight], None],
        token_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`patience`, of a client that does not come back, in seconds; then `give_up` is called."""
        self._patience = patience
        self._give_up = give_up
        self._token_bytes = token_bytes
        self._flights: dict[str, tuple[Flight, asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def keep(self, flight: Flight) -> str:
        """Park a flight; gives the name that it is found by, once."""
        person = flight.caller[0]
        own = [name for name, (one, _) in self._flights.items() if one.caller[0] == person]
        if len(own) >= MAX_PARKED_PER_PERSON:
            self.drop(own[0])
        elif len(self._flights) >= MAX_PARKED:
            self.drop(next(iter(self._flights)))
        name = self._token_bytes(ID_BYTES).hex()
        timer = asyncio.get_running_loop().call_later(self._patience, self.drop, name)
        self._flights[name] = (flight, timer)
        flight.is_parked = True
        return name

    def peek(self, name: object) -> Flight | None:
        """The flight of that name; None where it has gone on, was given up, or the server was restarted."""
        found = self._flights.get(name) if isinstance(name, str) else None
        return None if found is None else found[0]

    def take(self, name: object) -> Flight | None:
        """As `peek`, once."""
        found = self._flights.pop(name, None) if isinstance(name, str) else None
        if found is None:
            return None
        found[1].cancel()
        return found[0]

    def drop(self, name: str) -> None:
        """Wait no longer."""
        flight = self.take(name)
        if flight is not None:
            self._give_up(flight)

    def close(self) -> None:
        """Give them all up."""
        for name in list(self._flights):
            self.drop(name)
