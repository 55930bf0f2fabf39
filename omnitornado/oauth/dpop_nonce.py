"""Implements: RFC 9449 §8 and §9: nonces that the server gives out for proofs, and keeps nothing of.

A nonce is the number of a period of time and a MAC over it, under a key that the store keeps: every process
on that store takes the nonces of every other, before and after a restart, and no other server's.
"""

import hmac
from typing import Final

from omnitornado.base64url import decode, encode
from omnitornado.oauth.secrets import TokenBytes
from omnitornado.store.transitions import Store

PERIOD: Final = 120.0
"""Seconds until the next nonce is given out. The one before is taken for as long again."""
KEY_NAME: Final = "dpop_nonce"
KEY_BYTES: Final = 32
NUMBER_BYTES: Final = 8
MAC_BYTES: Final = 16


class Nonces:
    """The nonces of one server: the same for the token endpoint and for what it protects, which stand under
    one address. Clients keep one nonce for each address.
    """

    def __init__(self, store: Store, *, token_bytes: TokenBytes, period: float = PERIOD) -> None:
        """`period` in seconds."""
        self._store = store
        self._token_bytes = token_bytes
        self._period = period
        self._key: bytes | None = None

    async def issue(self, *, now: float) -> str:
        """The nonce of this moment."""
        return _build_nonce(await self._find_key(now), int(now // self._period))

    async def find_end(self, nonce: str, *, now: float) -> float | None:
        """Until when a nonce is taken; None for one that is not, whatever is wrong with it."""
        raw = decode(nonce)
        if raw is None or len(raw) != NUMBER_BYTES + MAC_BYTES:
            return None
        number, current = int.from_bytes(raw[:NUMBER_BYTES], "big"), int(now // self._period)
        # The next one too: the clock of another process may be a little ahead.
        if not current - 1 <= number <= current + 1:
            return None
        expected = _build_nonce(await self._find_key(now), number)
        return (number + 2) * self._period if hmac.compare_digest(nonce, expected) else None

    async def _find_key(self, now: float) -> bytes:
        if self._key is None:
            fresh = self._token_bytes(KEY_BYTES)
            self._key = await self._store.find_or_create_key(KEY_NAME, fresh, now=now)
        return self._key


def _build_nonce(key: bytes, number: int) -> str:
    name = number.to_bytes(NUMBER_BYTES, "big")
    return encode(name + hmac.digest(key, b"omnitornado dpop nonce " + name, "sha256")[:MAC_BYTES])
