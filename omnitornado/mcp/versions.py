"""Implements: MCP 2026-07-28 basic/versioning, MCP 2025-11-25 basic/lifecycle (version negotiation).

Two eras share the endpoint. The handshake era (2025-03-26 to 2025-11-25) opens a session with `initialize`;
the stateless era (2026-07-28) carries version and capabilities in each request. Revisions are dates, so that
"since" comparisons are comparisons of strings.
"""

HANDSHAKE_VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")
STATELESS_VERSIONS = ("2026-07-28",)

SUPPORTED_VERSIONS = tuple(sorted(HANDSHAKE_VERSIONS + STATELESS_VERSIONS, reverse=True))
"""Newest first: what `server/discover` and a version error list. Both eras stand there, because a client that
knows none of the stateless revisions can still open a session (basic/versioning, Compatibility Matrix)."""

BATCH_VERSION = "2025-03-26"
"""The only revision with JSON-RPC batches (removed by 2025-06-18)."""

TITLES_SINCE = "2025-06-18"
STRUCTURED_SINCE = "2025-06-18"
RESOURCE_LINKS_SINCE = "2025-06-18"
META_SINCE = "2025-06-18"
"""From here on tools, resources, prompts and content blocks may carry `_meta`; results always could."""
LAST_MODIFIED_SINCE = "2025-06-18"
COMPLETION_CONTEXT_SINCE = "2025-06-18"
ICONS_SINCE = "2025-11-25"
URL_ELICITATION_SINCE = "2025-11-25"
ENUM_TITLES_SINCE = "2025-11-25"
"""From here on a form may have choices with titles, and lists of choices."""
SAMPLING_LISTS_SINCE = "2025-11-25"
"""From here on a sampling message may have several content blocks, and the model may be given tools."""
PRIMING_SINCE = "2025-11-25"
"""From here on clients know events without data, which tell them where to come back to."""
CACHE_HINTS_SINCE = "2026-07-28"
EXTENSIONS_SINCE = "2026-07-28"
ANY_STRUCTURED_SINCE = "2026-07-28"
"""From here on structured content may be any JSON value; before, an object."""


def negotiate_version(requested: str) -> str:
    """The revision an `initialize` answers with: the requested one, or else the newest of the handshake era.

    A stateless revision asked for in a handshake is unknown there, and gets the newest as well.
    """
    return requested if requested in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
