"""The official TypeScript SDKs' clients, as the list of features wants them."""

from collections.abc import Sequence
from typing import Any

from ..ledger import Ledger
from ..person import Person
from ..process import ServerProcess
from ..typescript_application import TypeScriptApplication
from .connection import Json


class TypeScriptConnection:
    """One connection of an application; each method is a command of connection.mjs."""

    def __init__(self, application: TypeScriptApplication, about: Json) -> None:
        self.about = about
        self.is_stateless = about["session"] is None
        self._application = application
        self._progress: dict[int, list[Json]] = {}

    def _do(self, command: str, **arguments: Any) -> Any:
        return self._application.do(command, on=self.about["connection"], **arguments)

    def request(self, method: str, **params: Any) -> Json:
        result: Json = self._do("request", method=method, params=params)
        return result

    def call(self, name: str, /, **args: Any) -> Json:
        return self.finish(self.start(name, **args))

    def call_with_log(self, level: str, name: str, /, **args: Any) -> Json:
        return self.finish(self._do("start", name=name, args=args, logLevel=level))

    def start(self, name: str, /, **args: Any) -> int:
        handle: int = self._do("start", name=name, args=args)
        return handle

    def finish(self, handle: int) -> Json:
        answer = self._do("finish", handle=handle)
        self._progress[handle] = answer["progress"]
        result: Json = answer["result"]
        return result

    def find_progress(self, handle: int) -> list[Json]:
        return self._progress[handle]

    def wait_for_progress(self, handle: int, count: int) -> None:
        self._do("waitForProgress", handle=handle, count=count)

    def cancel(self, handle: int) -> None:
        self._do("cancel", handle=handle)

    def authorize(self, scope: str) -> None:
        self._do("authorize", scope=scope)

    def read_skills(self) -> Json:
        """Every skill with its files, each verified by the SDK; package "client" alone."""
        told: Json = self._do("readSkills")
        return told

    def prepare(self, method: str, *answers: Json) -> None:
        self._do("prepare", method=method, answers=answers)

    @property
    def asked(self) -> list[Json]:
        asked: list[Json] = self._do("asked")
        return asked

    def wait_for_questions(self, count: int) -> None:
        self._do("waitForQuestions", count=count)

    def wait_for(self, method: str, count: int = 1) -> list[Json]:
        found: list[Json] = self._do("waitFor", method=method, count=count)
        return found

    def count(self, method: str) -> int:
        return len(self.wait_for(method, 0))

    def listen(self, *, lists: Sequence[str] = (), uris: Sequence[str] = ()) -> None:
        self._do("listen", lists=lists, uris=uris)

    def stop_listening(self) -> None:
        self._do("stopListening")

    def wait_for_end(self) -> str:
        return str(self._do("waitForEnd"))

    def forget(self) -> None:
        self._do("forget")

    @property
    def exchanges(self) -> list[Json]:
        exchanges: list[Json] = self._do("exchanges")
        return exchanges

    def wait_for_streams(self, count: int) -> None:
        self._do("waitForStreams", count=count)

    def cut(self) -> None:
        self._do("cut")

    def terminate(self) -> None:
        self._do("terminate")

    def close(self) -> None:
        self._do("close")


class TypeScript:
    """An application in Node.js."""

    def __init__(
        self, package: str, mode: str, server: ServerProcess, person: Person, ledger: Ledger
    ) -> None:
        self._application = TypeScriptApplication(package, mode, server, person, ledger)

    def connect(self, *, can_be_asked: bool = True) -> TypeScriptConnection:
        about = self._application.connect(canBeAsked=can_be_asked)
        return TypeScriptConnection(self._application, about)

    def close(self) -> None:
        self._application.close()

    def kill(self) -> None:
        self._application.kill()
