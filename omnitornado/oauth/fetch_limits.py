"""Our choice, after OAuth Client ID Metadata Document §6.5: how often this server asks what strangers name.

A stranger makes up addresses without end, and must use up neither what others may ask for nor what their
hosts are asked: so each asker has a limit, and each host. What has been good before is fetched anew beside
these, from a share of its host's own: nobody who makes up addresses can keep an old copy in force.
"""

from typing import Final

from omnitornado.net.fetched import FetchError
from omnitornado.net.web_address import parse_any_address
from omnitornado.oauth.throttle import RateLimit

PER_ASKER: Final = 30
PER_HOST: Final = 60
"""Fetches a minute."""
BUSY_LIFETIME: Final = 3600.0
"""Seconds past its freshness that a copy serves where this server itself could not ask: long enough for a
rush, and too short to be worth bringing one about.
"""


class FetchLimits:
    """The fetches of one kind. `reason`: what the log calls too many."""

    def __init__(self, *, reason: str) -> None:
        self._reason = reason
        self._askers = RateLimit(PER_ASKER)
        self._hosts = RateLimit(PER_HOST)
        self._renewals = RateLimit(PER_HOST)

    def check(self, url: str, asker: str, *, is_renewal: bool, now: float) -> None:
        """Count a fetch for `asker`, a client's address. Raises: FetchError."""
        try:
            host = parse_any_address(url).host
        except ValueError as error:
            raise FetchError(str(error), reason="fetch_url") from None
        strangers = ((self._askers, asker), (self._hosts, host))
        for limit, key in ((self._renewals, host),) if is_renewal else strangers:
            if limit.take(key, now=now) > 0:
                raise FetchError("too much of this kind is asked for", reason=self._reason, is_own=True)
