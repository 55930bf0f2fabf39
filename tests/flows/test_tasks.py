"""Tasks of a real server: through kill -9, a clean stop, and two people."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import PASSWORD_HASH, ServerProcess
from .raw import RawClient, find_code

Json = dict[str, Any]

EXTENSION = "io.modelcontextprotocol/tasks"
META: Json = {
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "extensions": {EXTENSION: {}}},
}
WORDS = "words that stand in no file"
TWO_PEOPLE = [{"username": name, "password_hash": PASSWORD_HASH} for name in ("ada", "bob")]


class TaskClient:
    """A client that takes tasks."""

    def __init__(self, raw: RawClient, ledger: Ledger) -> None:
        self.raw = raw
        self._ledger = ledger

    def ask(self, method: str, **params: Any) -> httpx.Response:
        return self.raw.call(method, params | {"_meta": META})

    def start(self, name: str, **arguments: Any) -> str:
        response = self.ask("tools/call", name=name, arguments=arguments)
        assert response.status_code == 200, response.text
        result = response.json()["result"]
        assert result["resultType"] == "task"
        task_id: str = result["taskId"]
        self._ledger.note(task_id)
        return task_id

    def get(self, task_id: str) -> Json:
        response = self.ask("tasks/get", taskId=task_id)
        assert response.status_code == 200, response.text
        result: Json = response.json()["result"]
        return result

    def see(self, task_id: str, is_so: Callable[[Json], object]) -> Json:
        """The task once it is so: its server is asked until then, in as many requests as it takes."""
        for _ in range(10_000):
            task = self.get(task_id)
            if is_so(task):
                return task
        raise AssertionError(f"it never came to be: {task}")

    def see_status(self, task_id: str, status: str) -> Json:
        return self.see(task_id, lambda task: task["status"] == status)


@contextmanager
def connect(server: ServerProcess, ledger: Ledger, username: str = "ada") -> Iterator[TaskClient]:
    with Person(server.issuer, ledger, username=username) as person, RawClient(server.issuer, ledger) as raw:
        raw.connect(person)
        yield TaskClient(raw, ledger)


def start_all(client: TaskClient) -> tuple[Json, list[str]]:
    """A task that has ended, and the ids of some that have not: at work, in a thread, and asking."""
    ended = client.see_status(client.start("report", words=WORDS), "completed")
    working = client.start("work_forever")
    client.see(working, lambda task: task.get("statusMessage") == "at work")
    asking = client.start("ask_in_task")
    client.see_status(asking, "input_required")
    return ended, [working, asking]


def check_all(client: TaskClient, ended: Json, others: list[str]) -> None:
    """What they are after the end of their server."""
    assert client.get(ended["taskId"]) == ended
    for task_id in others:
        task = client.get(task_id)
        assert task["status"] == "failed"
        assert task["error"] == {"code": -32603, "message": "The server was stopped while the task ran."}


def test_tasks_after_kill_9(serve: Serve, ledger: Ledger) -> None:
    """Our choice ([store] durability "always"): what had ended is there, what ran has failed, and no result
    and no id stands on the disk."""
    server = serve()
    ledger.note(WORDS)
    with connect(server, ledger) as client:
        ended, others = start_all(client)
        assert ended["result"]["content"][0]["text"] == f"Report: {WORDS}"
        server.kill()
        server.check_log()
        server.check_disk()
        server.start()
        server.wait_for_log("2 tasks of /mcp were interrupted")
        check_all(client, ended, others)
        server.restart()
        check_all(client, ended, others)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_tasks_after_a_clean_stop(serve: Serve, ledger: Ledger, number: signal.Signals) -> None:
    """Our choice: what can't finish in the grace is cut, and says so."""
    server = serve(server={"shutdown_grace": "0s"})
    ledger.note(WORDS)
    with connect(server, ledger) as client:
        ended, others = start_all(client)
        server.stop(number)
        server.start()
        check_all(client, ended, others)


def test_a_task_in_a_thread_may_finish_while_the_server_stops(
    serve: Serve, ledger: Ledger, tmp_path: Path
) -> None:
    """Our choice: it counts as a request does."""
    server = serve()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with connect(server, ledger) as client:
        task_id = client.start("work_in_thread", pipe=str(pipe))
        with pipe.open("w") as writer:  # opens once the tool reads
            server.send_signal(signal.SIGTERM)
            server.wait_for_log("server.stopping")
            writer.write("in time")
        server.check_end(server.wait())
        server.start()
        task = client.get(task_id)
        assert task["status"] == "completed"
        assert task["result"]["content"][0]["text"] == "in time"


def test_the_same_client_of_another_person_knows_nothing_of_it(serve: Serve, ledger: Ledger) -> None:
    """Required by extensions/tasks (Security Considerations)."""
    server = serve(users=TWO_PEOPLE)
    with connect(server, ledger) as ada, connect(server, ledger, "bob") as bob:
        # The very same registration, approved by somebody else.
        bob.raw.client_id = ada.raw.client_id
        with Person(server.issuer, ledger, username="bob") as person:
            code = find_code(person.approve(bob.raw.build_authorization_url()))
            assert bob.raw.redeem(code).status_code == 200
        task_id = ada.start("ask_in_task")
        ada.see_status(task_id, "input_required")
        answers = {"sure": {"action": "accept", "content": {"value": True}}}
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            refused = bob.ask(method, taskId=task_id, inputResponses=answers)
            unknown = bob.ask(method, taskId="x" * 43, inputResponses=answers)
            assert (refused.status_code, refused.content) == (unknown.status_code, unknown.content)
            assert refused.json()["error"]["code"] == -32602
        assert ada.get(task_id)["status"] == "input_required"
        assert ada.ask("tasks/update", taskId=task_id, inputResponses=answers).status_code == 200
        assert ada.see_status(task_id, "completed")["result"]["content"][0]["text"] == "accept"


def test_a_stream_tells_of_a_tasks_end(serve: Serve, ledger: Ledger) -> None:
    """Required by extensions/tasks (Task Status Notifications)."""
    server = serve()
    with connect(server, ledger) as client:
        task_id = client.start("ask_in_task")
        params = {"notifications": {"taskIds": [task_id]}, "_meta": META}
        request = client.raw.build_call("subscriptions/listen", params)
        response = client.raw.http.send(request, stream=True)
        try:
            lines = response.iter_lines()
            client.see_status(task_id, "input_required")
            assert client.ask("tasks/cancel", taskId=task_id).status_code == 200
            line = next(line for line in lines if '"cancelled"' in line)
        finally:
            response.close()
        assert '"method":"notifications/tasks"' in line
        assert task_id in line
