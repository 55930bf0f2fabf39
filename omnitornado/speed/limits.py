"""Our choice: what one connection may cost. The defaults are those of Tornado's own connection where it has
one, and otherwise what common servers allow.
"""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds."""

    max_head: int = 65536
    """Request line and header fields together."""
    max_headers: int = 100
    """Header fields of a request."""
    max_body: int = 100 * 1024 * 1024
    """Of a request, unless its handler says otherwise."""
    read_ahead: int = 65536
    """What is kept of later requests, or of a body whose handler isn't ready, before reading stops."""
    write_buffer: int = 65536
    """What may wait for a slow reader before whoever writes has to wait as well."""
    head_timeout: float = 30.0
    """From the first byte of a request to the end of its header fields."""
    body_timeout: float = 30.0
    """From there to the end of its body."""
    idle_timeout: float = 300.0
    """From an answer to the next request; also the time without any progress after which a slow reader is
    given up.
    """
    linger: float = 2.0
    """How long a connection that is closed with unread input goes on reading it, so that the answer is not
    lost to a reset (RFC 9112 §9.6).
    """
    max_lingered: int = 1024 * 1024
    """What is read at most meanwhile."""
