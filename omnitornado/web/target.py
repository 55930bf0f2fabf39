"""Implements: RFC 9112 §3.2.2: a request-target that is a whole address, as a client of a proxy sends it.

It is taken apart once, before anything looks at the request, and goes on as if it had come in origin-form
with that authority as its `Host`: the check of the `Host` then judges the name that was really asked for.
"""

import re
from typing import Final

from tornado.httputil import HTTPHeaders, HTTPInputError, RequestStartLine

ABSOLUTE_FORM: Final = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)", re.IGNORECASE
)


def is_absolute(target: str) -> bool:
    """Whether a request-target is an address of http or https."""
    return not target.startswith("/") and ABSOLUTE_FORM.fullmatch(target) is not None


def resolve_absolute(
    start_line: RequestStartLine, headers: HTTPHeaders, *, scheme: str
) -> tuple[RequestStartLine, HTTPHeaders]:
    """The same request in origin-form. `scheme`: by which the client has reached this server.

    Raises: HTTPInputError for an address without a host, with a user or password (RFC 9110 §4.2.4), or of
    another scheme (§7.4: what is asked for by https is not answered on a connection that nothing secures).
    """
    match = ABSOLUTE_FORM.fullmatch(start_line.path)
    if match is None or not match["authority"] or "@" in match["authority"]:
        raise HTTPInputError("Invalid request-target")
    if match["scheme"].lower() != scheme:
        raise HTTPInputError("Request-target of another scheme")
    target = match["rest"] if match["rest"].startswith("/") else "/" + match["rest"]
    resolved = HTTPHeaders()
    for name, value in headers.get_all():
        resolved.add(name, value)
    # §3.2.2: the received Host is ignored. That there was one, and only one, has been checked before.
    resolved["Host"] = match["authority"]
    return start_line._replace(path=target), resolved
