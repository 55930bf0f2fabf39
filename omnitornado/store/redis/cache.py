"""Access tokens that were found a moment ago, so that a call on a living one asks nobody.

Our choice: an answer is given again for a bounded time, and only while this process hears what is revoked.
What a message says is forgotten at once; where some may have been missed, everything is.
"""

from collections import OrderedDict

import msgspec

from omnitornado.store.grants import is_touch_due
from omnitornado.store.records import AccessToken, Grant

MOST = 20_000
"""Tokens; over it, the one found longest ago goes."""
GRANT, TOKEN = b"g", b"a"
"""What a message begins with; the grant's id, or the token's digest, follows."""


class Found(msgspec.Struct, frozen=True):
    """A token and its grant, and when they were found."""

    access: AccessToken
    grant: Grant
    found_at: float


class AccessCache:
    """`lifetime`: seconds that an answer is good for; 0: none is kept."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self.is_open = False
        """Whether what is revoked is heard of."""
        self.epoch = 0
        """Goes up with everything that is heard: what was asked before must not be kept after."""
        self._found: OrderedDict[bytes, Found] = OrderedDict()
        self._tokens: dict[bytes, set[bytes]] = {}

    def open(self) -> None:
        self.clear()
        self.is_open = self.lifetime > 0

    def close(self) -> None:
        self.is_open = False
        self.clear()

    def clear(self) -> None:
        self.epoch += 1
        self._found.clear()
        self._tokens.clear()

    def keep(self, key: bytes, access: AccessToken, grant: Grant, *, now: float, epoch: int) -> None:
        """Keep what was asked for at `epoch`, unless something has been revoked since."""
        if not self.is_open or epoch != self.epoch:
            return
        self._drop(key)
        self._found[key] = Found(access, grant, now)
        self._tokens.setdefault(access.grant_id, set()).add(key)
        if len(self._found) > MOST:
            self._drop(next(iter(self._found)))

    def find(self, key: bytes, now: float) -> Found | None:
        """What was found, if that was in the last `lifetime` seconds and no clock went back."""
        found = self._found.get(key)
        if found is None or not found.found_at <= now < found.found_at + self.lifetime:
            return None
        return found

    def is_used_lately(self, grant_id: bytes, now: float) -> bool:
        """Whether a use of the grant is known to have been noted already."""
        kept = (self.find(key, now) for key in self._tokens.get(grant_id, ()))
        return any(found is not None and not is_touch_due(found.grant, now) for found in kept)

    def note_use(self, grant_id: bytes, now: float) -> None:
        """The grant's use was noted: what is kept of it says so."""
        for key in self._tokens.get(grant_id, ()):
            found = self._found[key]
            grant = msgspec.structs.replace(found.grant, last_used_at=now)
            self._found[key] = msgspec.structs.replace(found, grant=grant)

    def forget(self, message: bytes) -> None:
        """Something was revoked, here or elsewhere."""
        self.epoch += 1
        if message[:1] == GRANT:
            for key in list(self._tokens.get(message[1:], ())):
                self._drop(key)
        elif message[:1] == TOKEN:
            self._drop(message[1:])
        else:
            self.clear()

    def _drop(self, key: bytes) -> None:
        found = self._found.pop(key, None)
        if found is None:
            return
        tokens = self._tokens[found.access.grant_id]
        tokens.discard(key)
        if not tokens:
            del self._tokens[found.access.grant_id]
