"""The official Python SDK's client, as the list of features wants it. Its event loop runs on a thread of its
own.
"""

import warnings
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from threading import Condition
from typing import Any

import mcp_types as types
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp.client import Client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from ..ledger import Ledger
from ..person import Person
from ..process import PATIENCE, ServerProcess
from ..refused import RefusedError
from ..sdk import Application as SdkApplication
from .connection import Json
from .python_host import Host
from .python_network import Network

LOG_LEVEL = "io.modelcontextprotocol/logLevel"


class PythonConnection:
    """One connection of an application."""

    def __init__(
        self, portal: BlockingPortal, application: SdkApplication, mode: str, *, can_be_asked: bool
    ) -> None:
        self._portal = portal
        self._application = application
        self._changed = Condition()
        self._host = Host(self._tell)
        self._network = Network(self._tell)
        self._calls: list[Future[Any]] = []
        self._progress: list[list[Json]] = []
        self._exits = ExitStack()
        options = self._host.build_options(can_be_asked=can_be_asked)
        connecting = application.connect(mode, transport=self._network, **options)
        self._client: Client = self._enter(self._exits, connecting)
        self.is_stateless = self._client.protocol_version == "2026-07-28"
        if not self.is_stateless:
            self.wait_for_streams(1)
        self._listening = ExitStack()
        self._subscription: Any = None

    def _enter(self, exits: ExitStack, manager: Any) -> Any:
        entered: AbstractContextManager[Any] = self._portal.wrap_async_context_manager(manager)
        return exits.enter_context(entered)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _wait_until(self, is_there: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(is_there, PATIENCE), f"no {what} in time"

    @property
    def about(self) -> Json:
        client = self._client
        sessions = self._application.session_ids
        return {
            "revision": client.protocol_version,
            "session": sessions[-1] if sessions and not self.is_stateless else None,
            "capabilities": _dump(client.server_capabilities),
            "server": _dump(client.server_info),
            "instructions": client.instructions,
        }

    # Requests

    def request(self, method: str, **params: Any) -> Json:
        return self._run(partial(_REQUESTS[method], self._client, params))

    def call(self, name: str, /, **args: Any) -> Json:
        return self.finish(self.start(name, **args))

    def call_with_log(self, level: str, name: str, /, **args: Any) -> Json:
        if self.is_stateless:
            return self.finish(self._start(name, args, {LOG_LEVEL: level}))
        self._run(partial(self._client.set_logging_level, level))  # type: ignore[arg-type]
        return self.call(name, **args)

    def start(self, name: str, /, **args: Any) -> int:
        return self._start(name, args, None)

    def _start(self, name: str, args: Json, meta: Any) -> int:
        steps: list[Json] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            steps.append({"progress": progress, "total": total, "message": message})
            self._tell()

        call = partial(self._client.call_tool, name, args, progress_callback=note, meta=meta)
        self._progress.append(steps)
        self._calls.append(self._portal.start_task_soon(call))
        return len(self._calls) - 1

    def finish(self, handle: int) -> Json:
        return _take(self._calls[handle])

    def find_progress(self, handle: int) -> list[Json]:
        return self._progress[handle]

    def wait_for_progress(self, handle: int, count: int) -> None:
        self._wait_until(lambda: len(self._progress[handle]) >= count, "progress")

    def cancel(self, handle: int) -> None:
        self._calls[handle].cancel()

    def authorize(self, scope: str) -> None:
        raise NotImplementedError("this SDK does it by itself")

    def _run(self, work: Callable[[], Awaitable[Any]]) -> Json:
        async def run() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MCPDeprecationWarning)
                return await work()

        return _take(self._portal.start_task_soon(run))

    # What the server asks and tells

    def prepare(self, method: str, *answers: Json) -> None:
        self._portal.call(self._host.prepare, method, answers)

    @property
    def asked(self) -> list[Json]:
        return self._host.asked

    def wait_for_questions(self, count: int) -> None:
        self._wait_until(lambda: len(self._host.asked) >= count, "question")

    def wait_for(self, method: str, count: int = 1) -> list[Json]:
        self._wait_until(lambda: self.count(method) >= count, method)
        return [one.get("params", {}) for one in self._host.heard if one["method"] == method]

    def count(self, method: str) -> int:
        return sum(one["method"] == method for one in self._host.heard)

    def listen(self, *, lists: Sequence[str] = (), uris: Sequence[str] = ()) -> None:
        if self.is_stateless:
            wanted = {f"{name}_list_changed": True for name in lists}
            listening = self._client.listen(**wanted, resource_subscriptions=uris)
            self._subscription = self._enter(self._listening, listening)
            return
        for uri in uris:
            self._run(partial(self._client.subscribe_resource, uri))
            self._listening.callback(self._run, partial(self._client.unsubscribe_resource, uri))

    def stop_listening(self) -> None:
        self._listening.close()

    def wait_for_end(self) -> str:
        async def drain() -> str:
            async for _ in self._subscription:
                pass
            return "graceful"

        return self._portal.start_task_soon(drain).result(PATIENCE)

    def forget(self) -> None:
        self._host.forget()
        self._network.exchanges = []

    # The network

    @property
    def exchanges(self) -> list[Json]:
        return self._network.exchanges

    def wait_for_streams(self, count: int) -> None:
        self._wait_until(lambda: sum(map(_is_stream, self._network.exchanges)) >= count, "stream")

    def cut(self) -> None:
        self._portal.call(self._network.cut)

    def terminate(self) -> None:
        self.close()

    def close(self) -> None:
        self._listening.close()
        self._exits.close()


class Python:
    """An application in this process."""

    def __init__(self, mode: str, server: ServerProcess, person: Person, ledger: Ledger) -> None:
        self._mode = mode
        self._server = server
        self._person = person
        self._ledger = ledger
        self._storage: Any = None
        self._exits = ExitStack()
        self._portal = self._exits.enter_context(start_blocking_portal())
        self._connections: list[PythonConnection] = []

    def connect(self, *, can_be_asked: bool = True) -> PythonConnection:
        sdk = SdkApplication(self._server.mcp_url, self._person, self._ledger, self._storage)
        connection = PythonConnection(self._portal, sdk, self._mode, can_be_asked=can_be_asked)
        self._storage = sdk.storage
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._exits.close()

    def kill(self) -> None:
        self._exits.close()


def _dump(model: Any) -> Json:
    dumped: Json = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


def _take(future: "Future[Any]") -> Json:
    try:
        return _dump(future.result(PATIENCE))
    except (MCPError, CancelledError) as error:
        code, data = getattr(error, "code", None), getattr(error, "data", None)
        name = type(error).__name__
        raise RefusedError(name=name, message=str(error), code=code, data=data) from error


def _is_stream(exchange: Json) -> bool:
    found = (exchange["verb"], exchange["status"], exchange["type"])
    return found == ("GET", 200, "text/event-stream")


async def _complete(client: Client, params: Json) -> Any:
    is_prompt = params["ref"]["type"] == "ref/prompt"
    kind = types.PromptReference if is_prompt else types.ResourceTemplateReference
    context = params.get("context", {}).get("arguments")
    return await client.complete(kind.model_validate(params["ref"]), params["argument"], context)


_REQUESTS: dict[str, Callable[[Client, Json], Awaitable[Any]]] = {
    "tools/list": lambda client, params: client.list_tools(**params),
    "resources/list": lambda client, params: client.list_resources(**params),
    "resources/templates/list": lambda client, params: client.list_resource_templates(**params),
    "resources/read": lambda client, params: client.read_resource(**params),
    "prompts/list": lambda client, params: client.list_prompts(**params),
    "prompts/get": lambda client, params: client.get_prompt(**params),
    "completion/complete": _complete,
    "ping": lambda client, params: client.send_ping(),
}
