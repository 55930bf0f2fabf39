"""Our choice: how many refusals the audit log takes, so that nobody pushes older lines out of it.

Anybody can have a request refused, as often as they like, and a few others answered. In each period so many
are written of one address and of all together: fewer of those that concern nobody who is known. What was left
out of a period is one line after it: how many, from how many addresses, and from which one the most.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from omnitornado.audit import DONE, AuditLog, find_outcome
from omnitornado.oauth.throttle import find_network

PERIOD: Final = 600.0
"""Seconds."""
LIMITS: Final = {False: 30, True: 100}
"""Lines of one address; with True those that concern a person, a client or a grant: the name of one is soon
found out, or registered.
"""
TOTALS: Final = {False: 500, True: 2000}
"""The same, of all addresses together. At a few hundred bytes a line, all of them are some 90 MB a day."""
MAX_ADDRESSES: Final = 10_000
"""Those that come after so many in one period share one count."""

CONCERNS: Final = ("user", "client", "grant")
ANYBODYS: Final = frozenset({"authorize.login", "logout.succeeded", "revoke.succeeded"})
"""What is done for anybody, without a limit of its own: a client's name is no secret, a token to give back
can be made up, and so can the cookie of a browser. A line that names a person or a grant is somebody's doing.
"""
OTHERS: Final = "others"


class Refusals:
    """Lines on their way to the audit log. Counts in memory, for one period."""

    def __init__(self) -> None:
        self._begun_at = 0.0
        self._written: Counter[tuple[str, bool]] = Counter()
        self._totals: Counter[bool] = Counter()
        self._left_out: Counter[str] = Counter()

    def record(self, audit: AuditLog, event: str, fields: Mapping[str, Any], *, now: float) -> None:
        """Write a line, or count it as left out; and first, what the period before had to leave out."""
        if now >= self._begun_at + PERIOD or now < self._begun_at:
            self.end_period(audit, now=now)
        if not is_anybodys(event, fields) or self._take(fields):
            audit.record(event, **fields)

    def end_period(self, audit: AuditLog, *, now: float) -> None:
        """Write how many lines have been left out, if any, and begin anew."""
        if self._left_out:
            ((address, most),) = self._left_out.most_common(1)
            audit.record(
                "audit.left_out",
                lines=self._left_out.total(),
                addresses=len(self._left_out),
                address=address,
                lines_of_address=most,
                seconds=round(now - self._begun_at),
            )
        self._begun_at = now
        self._totals.clear()
        self._written.clear()
        self._left_out.clear()

    def _take(self, fields: Mapping[str, Any]) -> bool:
        """Whether a refusal may be written."""
        concerns = any(fields.get(name) is not None for name in CONCERNS)
        network = find_network(str(fields.get("address", "")))
        if len(self._written) >= MAX_ADDRESSES and (network, concerns) not in self._written:
            network = OTHERS
        if self._written[network, concerns] >= LIMITS[concerns] or self._totals[concerns] >= TOTALS[concerns]:
            self._left_out[network] += 1
            return False
        self._written[network, concerns] += 1
        self._totals[concerns] += 1
        return True


def is_anybodys(event: str, fields: Mapping[str, Any]) -> bool:
    """Whether a line can be had as often as somebody likes."""
    if find_outcome(event) != DONE:
        return True
    return event in ANYBODYS and fields.get("user") is None and fields.get("grant") is None
