"""Which requests take a short way: a handler of its own tells them."""

from typing import Any

import pytest

from omnitornado.web.whole_request import WholeRequestHandler


def note_paths(monkeypatch: pytest.MonkeyPatch, handler: type[WholeRequestHandler]) -> list[str]:
    """A line for each request that such a handler has taken from here on."""
    taken: list[str] = []
    initialize = handler.initialize

    def remember(self: WholeRequestHandler, *args: Any, **arguments: Any) -> None:
        taken.append(self.request.path)
        initialize(self, *args, **arguments)

    monkeypatch.setattr(handler, "initialize", remember)
    return taken
