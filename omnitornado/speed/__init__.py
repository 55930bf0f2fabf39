"""The optional extra `speed`: an event loop and an HTTP/1.1 connection that cost less than the standard ones.

The connection feeds Tornado's own message delegates, so that every RequestHandler works on it as it is.
Nothing else of the package needs it; `server.py` takes it where uvloop and httptools are installed.
"""

import importlib.util


def is_installed() -> bool:
    """Whether the packages of the extra are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("uvloop", "httptools"))
