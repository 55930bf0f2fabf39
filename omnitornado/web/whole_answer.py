"""An answer whose head is ready, sent in one piece, where the connection has nothing to add to it.

Our choice: putting a head together field by field, and looking through each for a line break, costs more than
the call that it is the answer to. A head that is ready has been looked through when it was made.
"""

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest


def write_whole(request: HTTPServerRequest, head: bytes, body: bytes) -> bool:
    """Send `head`, which says how long the body is, and `body` as the answer to a POST that has come whole.

    False, and nothing is sent, where the connection has ended, or will and would say so (RFC 9112 §9.6).
    """
    connection = request.connection
    if isinstance(connection, HTTP1Connection):
        return _write_plain(connection, request, head, body)
    write: object = getattr(connection, "write_whole", None)
    return callable(write) and bool(write(head, body))


def _write_plain(connection: HTTP1Connection, request: HTTPServerRequest, head: bytes, body: bytes) -> bool:
    """The same on Tornado's own connection, whose `finish` does the rest."""
    stream = connection.stream
    if (
        request.version != "HTTP/1.1"
        or request.headers.get("Connection", "keep-alive").lower() != "keep-alive"
        or connection.no_keep_alive
        or stream.closed()
    ):
        return False
    connection.set_close_callback(None)  # as Tornado's handler does: this one has nothing to be told any more
    written = stream.write(head + body)
    if stream.writing():
        # The client is behind: `finish` waits for what Tornado's own `write` would have left here, and no
        # further request is read before.
        connection._pending_write = written
    connection.finish()
    return True
