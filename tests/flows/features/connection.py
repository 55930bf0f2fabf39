"""What a feature's test asks of a client, whichever language it is written in, and whichever era it speaks.

Everything is in the words of the wire: parameters and results are JSON objects. An error that the client
raises is a `RefusedError`.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

Json: TypeAlias = dict[str, Any]

ELICIT = "elicitation/create"
SAMPLE = "sampling/createMessage"
ROOTS = "roots/list"
UPDATED = "notifications/resources/updated"


class Connection(Protocol):
    """A connected client. It answers the server's questions from a queue, and notes what it is told."""

    @property
    def about(self) -> Json:
        """`revision`, `session` (an id, or None), `capabilities`, `server`, `instructions`."""

    @property
    def is_stateless(self) -> bool: ...

    # Requests

    def request(self, method: str, **params: Any) -> Json:
        """Send a request other than `tools/call`; its result."""

    def call(self, name: str, /, **args: Any) -> Json:
        """Call a tool; its result."""

    def call_with_log(self, level: str, name: str, /, **args: Any) -> Json:
        """Call a tool, and have log messages from this level on."""

    def start(self, name: str, /, **args: Any) -> int:
        """Begin a call; a handle to it."""

    def finish(self, handle: int) -> Json:
        """The result of a call that was begun."""

    def find_progress(self, handle: int) -> list[Json]:
        """What a call that is over reported."""

    def wait_for_progress(self, handle: int, count: int) -> None:
        """Return once a call has reported so many steps."""

    def cancel(self, handle: int) -> None:
        """Say that nobody wants its result any more."""

    def authorize(self, scope: str) -> None:
        """Ask the person for these scopes, as the application does of its own accord."""

    # What the server asks and tells

    def prepare(self, method: str, *answers: Json) -> None:
        """What the next questions are answered with. A question without an answer stays open until there is
        one.
        """

    @property
    def asked(self) -> list[Json]:
        """The questions so far: `method` and `params`."""

    def wait_for_questions(self, count: int) -> None:
        """Return once so many questions have come."""

    def wait_for(self, method: str, count: int = 1) -> list[Json]:
        """Wait for so many notifications; their parameters."""

    def count(self, method: str) -> int:
        """How many notifications have come so far."""

    def listen(self, *, lists: Sequence[str] = (), uris: Sequence[str] = ()) -> None:
        """Hear of changes. In a session, those of lists are told unasked."""

    def stop_listening(self) -> None:
        """Hear no more of what `listen` asked for."""

    def wait_for_end(self) -> str:
        """How the server ended the stream that `listen` opened, once it has."""

    def forget(self) -> None:
        """Begin anew with what was asked, told, and sent."""

    # The network

    @property
    def exchanges(self) -> list[Json]:
        """HTTP requests and their answers: `verb`, `path`, `method`, `headers` (those of MCP), `status`,
        `type`.
        """

    def wait_for_streams(self, count: int) -> None:
        """Return once so many streams have been opened by GET."""

    def cut(self) -> None:
        """Lose every network connection that is open."""

    def terminate(self) -> None:
        """End the session at the server."""

    def close(self) -> None:
        """Leave."""


class Application(Protocol):
    """A program with an account at the server, and as many connections as it likes."""

    def connect(self, *, can_be_asked: bool = True) -> Connection: ...

    def close(self) -> None:
        """End it, and check how it ended."""

    def kill(self) -> None:
        """End it if it still runs."""


def read(result: Json) -> str:
    """The text of a tool's result."""
    return "".join(block["text"] for block in result["content"] if block["type"] == "text")


def list_all(client: Connection, kind: str) -> list[Json]:
    """Every page of the list of "tools", "resources" or "prompts", as an application asks for them. Some
    clients walk the pages themselves.
    """
    found: list[Json] = []
    cursor: Json = {}
    while True:
        page = client.request(f"{kind}/list", **cursor)
        found += page[kind]
        if page.get("nextCursor") is None:
            return found
        cursor = {"cursor": page["nextCursor"]}
