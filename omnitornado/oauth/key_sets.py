"""Implements: RFC 7517 §5 and RFC 8725 §3.10 (keys from where they are known to be, never from where a token
says): key sets at addresses, for everyone who checks what others signed.
"""

from collections.abc import Sequence
from typing import Final

from omnitornado.net.fetched import Fetch, FetchError
from omnitornado.net.kept import KeptAnswers
from omnitornado.oauth.fetch_limits import BUSY_LIFETIME, FetchLimits
from omnitornado.oauth.jose import JoseError, PublicKey, Token, UnknownKeyError, parse_key_set, verify_token

MAX_BYTES: Final = 64 * 1024
SHORTEST: Final = 300.0
LONGEST: Final = 86_400.0
"""Seconds a key set is kept, whatever its headers say."""
REFETCH_INTERVAL: Final = 60.0
"""Seconds between two fetches because of a key that is not in the set: anyone can name one."""
STALE_LIFETIME: Final = 86_400.0
"""Seconds past its freshness that a set is still used where its address fails."""


class RemoteKeySets:
    """Key sets by their address, fetched and kept."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._limits = FetchLimits(reason="key_set_rate")
        self._kept: KeptAnswers[Sequence[PublicKey]] = KeptAnswers(self._load)

    async def verify(self, token: Token, url: str, *, asker: str = "", now: float) -> Token:
        """The token, once its signature is known to be by a key of the set at `url`. A key that is not in the
        kept set has it fetched anew, once in a while. `asker`: the client's address on whose behalf. Raises:
        JoseError, FetchError.
        """
        try:
            kept = await self._kept.find(url, asker=asker, now=now)
        except FetchError as error:
            stale = self._kept.find_last(url)
            lifetime = BUSY_LIFETIME if error.is_own else STALE_LIFETIME
            if stale is None or now >= stale.fresh_until + lifetime:
                raise
            kept = stale
        try:
            return await verify_token(token, kept.value)
        except UnknownKeyError:
            if now < kept.fetched_at + REFETCH_INTERVAL:
                raise
        try:
            kept = await self._kept.fetch(url, asker=asker, now=now)
        except FetchError as error:
            if error.is_own:
                raise  # it may be there: that can't be told now
            raise UnknownKeyError("none of the keys is the one that it names") from error
        return await verify_token(token, kept.value)

    async def _load(self, url: str, now: float, asker: str) -> tuple[Sequence[PublicKey], float]:
        is_renewal = self._kept.find_last(url) is not None
        self._limits.check(url, asker, is_renewal=is_renewal, now=now)
        fetched = await self._fetch(url, max_bytes=MAX_BYTES, asker=asker)
        try:
            keys = await parse_key_set(fetched.parse_object())
        except JoseError as error:
            raise FetchError(f"its key set can't be used: {error}", reason="key_set_unusable") from None
        return keys, fetched.find_freshness(shortest=SHORTEST, longest=LONGEST)
