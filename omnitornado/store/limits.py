"""How much one person, or anyone who can reach the server, may make the store keep."""

import msgspec

REDEEMED_CODE_KEPT = 600.0
"""Seconds a redeemed authorization code stays known, so that a replay revokes its grant. RFC 6749 §4.1.2
asks that codes live ten minutes at most: later than that nobody can hold a good one."""

DECIDED_DEVICE_KEPT = 600.0
"""Seconds a device's request stays known after its codes ended or were redeemed (RFC 8628 §3.5 tells an
expired code from an unknown one, and a second use revokes what the first gave).
"""

SLOW_DOWN_STEP = 5.0
"""Seconds by which a device that polls too often must wait longer from then on (RFC 8628 §3.5)."""

MAX_POLL_INTERVAL = 60.0
"""Seconds; it grows no further than this."""

POLL_TOLERANCE = 1.0
"""Seconds by which a poll may come early: a network that was slow once and fast the next time is no haste."""

TOUCH_GRANULARITY = 60.0
"""Seconds between two notes of a grant's last use: one journal line a minute a grant, however busy it is."""


MAX_SAID = 16 * 1024
"""Bytes of `clientInfo`, and of `capabilities`, that are kept of an MCP session; more is kept as nothing."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The caps. Over one, records past their time go first, then the oldest; tasks excepted."""

    unused_clients: int = 1000
    """Registered clients that never got a grant. Anyone may register, so the oldest of these go first."""

    clients_per_person: int = 1000
    """Registered clients that a person was the first to allow in and that nobody allows in any more; the one
    allowed in longest ago goes first. A client that has a grant never goes."""

    codes_per_person: int = 1000
    """Authorization codes; those that were used go first (a replay of one is then refused and revokes
    nothing), then the one that ends first.
    """

    browser_sessions_per_person: int = 100
    """Signed-in browsers; the one that signed in longest ago goes first."""

    mcp_sessions_per_person: int = 1000
    """MCP sessions; the one renewed longest ago goes first. Clients seldom end theirs."""

    grants_per_person: int = 1000
    """Grants; the one used longest ago goes first, and with it its tokens."""

    access_tokens_per_grant: int = 100
    """Living access tokens; the one that ends first goes first. Each refresh makes one more."""

    consents_per_person: int = 1000
    """Remembered approvals; the oldest goes first."""

    tasks_per_person: int = 1000
    """Tasks whose time isn't up. A result is promised for its time, so none goes: one more is refused."""

    task_bytes_per_person: int = 32 << 20
    """Bytes of results that are kept for a person's tasks; with as many, one more task is refused. Those that
    run already may still end above it."""

    known_addresses_per_person: int = 100
    """Addresses signed in from; the one that lapses first goes first."""

    used_values_per_party: int = 10_000
    """Living values that are good once and have been used. Over it the next one is refused: none of these may
    be forgotten early, or it could be used again."""

    used_values: int = 500_000
    """The same for all parties together, of each purpose by itself; some 200 bytes each. Anyone can make
    proofs of a key (DPoP), and must not keep others from signing in by it."""

    unused_documents: int = 1000
    """Clients' own documents whose client never got a grant, some 5 KB each at the most. Anyone can have one
    fetched, so the oldest of these go first."""

    pushed_requests: int = 10_000
    """Authorization requests that clients have pushed, of 8 KB at the most: those of preset clients that
    proved themselves, and as many of all others. The oldest goes: to refuse the next one would let a few
    strangers shut everybody out until theirs end.
    """

    device_codes: int = 10_000
    """Devices' requests that are remembered. Over it the next one is refused: those under way must not be
    pushed out, and the fewer codes there are, the harder one is to guess.
    """
