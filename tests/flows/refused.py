"""What went wrong in a client, in the same words whatever the client is written in."""

from typing import Any


class RefusedError(Exception):
    """What a client raised: the name of its exception, a code and data where it has them."""

    def __init__(self, *, name: str, message: str, code: Any = None, data: Any = None) -> None:
        super().__init__(f"{name} {code}: {message}")
        self.name = name
        self.message = message
        self.code = code
        self.data = data
