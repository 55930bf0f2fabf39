"""Implements: RFC 7517 §5 and RFC 8725 §3.10 (keys from where they are known to be, never from where a token
says): key sets at addresses, for everyone who checks what others signed.
"""

from collections.abc import Sequence
from typing import Final

from omnitornado.net.fetched import Fetch, FetchError
from omnitornado.net.kept import KeptAnswers
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
        self._kept: KeptAnswers[Sequence[PublicKey]] = KeptAnswers(self._load)

    async def verify(self, token: Token, url: str, *, now: float) -> Token:
        """The token, once its signature is known to be by a key of the set at `url`. A key that is not in the
        kept set has it fetched anew, once in a while. Raises: JoseError, FetchError.
        """
        try:
            kept = await self._kept.find(url, now=now)
        except FetchError:
            stale = self._kept.find_last(url)
            if stale is None or now >= stale.fresh_until + STALE_LIFETIME:
                raise
            kept = stale
        try:
            return await verify_token(token, kept.value)
        except UnknownKeyError:
            if now < kept.fetched_at + REFETCH_INTERVAL:
                raise
        try:
            kept = await self._kept.fetch(url, now=now)
        except FetchError as error:
            raise UnknownKeyError("none of the keys is the one that it names") from error
        return await verify_token(token, kept.value)

    async def _load(self, url: str, now: float, asker: str) -> tuple[Sequence[PublicKey], float]:
        fetched = await self._fetch(url, max_bytes=MAX_BYTES)
        try:
            keys = await parse_key_set(fetched.parse_object())
        except JoseError as error:
            raise FetchError(f"its key set can't be used: {error}", reason="key_set_unusable") from None
        return keys, fetched.find_freshness(shortest=SHORTEST, longest=LONGEST)
