"""What a browser lets a page of another origin do here (Fetch §3.2, §3.3)."""

import re
from typing import Final

from tornado.httputil import HTTPServerRequest

METHODS: Final = "GET, POST, PUT, DELETE, OPTIONS"
EXPOSED: Final = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, Retry-After, DPoP-Nonce"
MAX_AGE: Final = "7200"
"""Seconds: the longest that Chromium keeps a preflight's answer."""
HEADER_NAMES: Final = re.compile(r"[A-Za-z0-9\-_, ]{1,1000}")


def build_cors_headers(request: HTTPServerRequest, allowed: str) -> dict[str, str]:
    """The headers for a request whose origin is `allowed`, or "*"; a preflight asks for more of them."""
    headers = {"Access-Control-Allow-Origin": allowed, "Access-Control-Expose-Headers": EXPOSED}
    if request.method == "OPTIONS":
        asked = request.headers.get("Access-Control-Request-Headers", "")
        headers |= {
            "Access-Control-Allow-Methods": METHODS,
            # Authorization must be named, a wildcard does not cover it (Fetch §3.3.3).
            "Access-Control-Allow-Headers": asked
            if HEADER_NAMES.fullmatch(asked)
            else "Authorization, Content-Type, DPoP",
            "Access-Control-Max-Age": MAX_AGE,
        }
    return headers
