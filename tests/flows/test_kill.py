"""kill -9 in the middle of everything: what was acknowledged is there after the restart."""

import random
import threading
from dataclasses import dataclass, field

import httpx
import pytest

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import PATIENCE, ServerProcess
from .raw import RawClient, find_code

ROUNDS = 12
WORKERS = 4
CUT_TAIL = "cutting off [0-9]+ bytes that were never confirmed"


@dataclass
class Connection:
    """What the server has acknowledged to one client, and what it may have done without our hearing of it."""

    raw: RawClient
    is_known: bool = False
    code: str = ""
    is_code_used: bool = False
    is_revoked: bool = False
    in_doubt: str = ""
    """The step whose answer the kill took."""
    refreshes: int = 0


@dataclass
class Progress:
    """Counts acknowledgements, so that the kill can wait for its moment."""

    acknowledged: int = 0
    failure: BaseException | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self) -> None:
        with self._changed:
            self.acknowledged += 1
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        with self._changed:
            self.failure = failure
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.failure or self.acknowledged >= count, PATIENCE)
        self.check()

    def check(self) -> None:
        """Raises: what went wrong in a worker."""
        if self.failure is not None:
            raise self.failure


class Worker(threading.Thread):
    """A person with one client after the other: register, approve, redeem, refresh, revoke."""

    def __init__(self, server: ServerProcess, ledger: Ledger, seed: int, progress: Progress) -> None:
        super().__init__(daemon=True)
        self.connections: list[Connection] = []
        self._server = server
        self._ledger = ledger
        self._random = random.Random(seed)
        self._progress = progress

    def run(self) -> None:
        try:
            while True:
                with Person(self._server.issuer, self._ledger) as person:  # who signs in anew
                    for _ in range(self._random.randrange(1, 4)):
                        self._use_client(person)
        except httpx.TransportError:
            return  # the kill
        except BaseException as error:
            self._progress.fail(error)

    def _use_client(self, person: Person) -> None:
        connection = Connection(RawClient(self._server.issuer, self._ledger))
        self.connections.append(connection)
        raw = connection.raw
        assert raw.register().status_code == 201
        connection.is_known = True
        self._progress.add()
        connection.code = find_code(person.approve(raw.build_authorization_url()))
        self._progress.add()
        if self._random.random() < 0.2:
            return  # a code that nobody has used yet
        self._step(connection, "redeem")
        for _ in range(self._random.randrange(4)):
            self._step(connection, "refresh")
        if self._random.random() < 0.4:
            self._step(connection, "revoke")

    def _step(self, connection: Connection, step: str) -> None:
        raw = connection.raw
        connection.in_doubt = step
        if step == "redeem":
            response = raw.redeem(connection.code)
            connection.is_code_used = response.status_code == 200
        elif step == "refresh":
            response = raw.refresh()
            connection.refreshes += 1
        else:
            response = raw.revoke(raw.refresh_token)
            connection.is_revoked = response.status_code == 200
        assert response.status_code == 200, response.text
        connection.in_doubt = ""
        self._progress.add()


def work_until_killed(server: ServerProcess, ledger: Ledger, seed: int) -> list[Connection]:
    """Everything the workers had in hand when the server was killed, at a moment the seed chooses."""
    progress = Progress()
    workers = [Worker(server, ledger, seed * 100 + number, progress) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    progress.wait_for(random.Random(seed).randrange(20, 400))
    server.kill()
    for worker in workers:
        worker.join(PATIENCE)
        assert not worker.is_alive()
    progress.check()
    return [connection for worker in workers for connection in worker.connections]


SETTINGS: dict[str, dict[str, object]] = {
    "registration": {"rate_per_minute": 100_000},
    # A machine that is busy may take more than the usual grace from the kill to the retry.
    "tokens": {"authorization_code_lifetime": "10m", "refresh_grace": "10m"},
    "store": {"snapshot_interval": "1s"},
}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_what_was_acknowledged_is_there_after_the_restart(serve: Serve, ledger: Ledger, seed: int) -> None:
    """Our choice ([store] durability "always"): a reply never outruns the disk."""
    connections = run_round(serve(**SETTINGS), ledger, seed)
    assert any(connection.is_revoked for connection in connections)
    assert any(connection.refreshes for connection in connections)


def run_round(server: ServerProcess, ledger: Ledger, seed: int) -> list[Connection]:
    """Work, kill, start again, and hold the server to what it had acknowledged."""
    connections = work_until_killed(server, ledger, seed)
    server.check_log()
    server.check_disk()
    server.expected.append(CUT_TAIL)
    server.start()
    with Person(server.issuer, ledger) as person:
        for connection in connections:
            check_connection(connection, person)
            connection.raw.http.close()
    return connections


def check_connection(connection: Connection, person: Person) -> None:
    raw = connection.raw
    if not connection.is_known:
        return
    # A client that is unknown gets a page with status 400 here, one that is known the sign-in.
    assert person.open(raw.build_authorization_url()).status == 200
    if connection.is_code_used:
        check_tokens(connection)
        # A used code stays used; its replay, a theft, ends what it gave.
        assert_refused(raw.redeem(connection.code))
        assert raw.call("tools/list").status_code == 401
    elif connection.code:
        check_code(connection)


def check_tokens(connection: Connection) -> None:
    raw = connection.raw
    if connection.is_revoked:
        assert raw.call("tools/list").status_code == 401
        assert_refused(raw.refresh())
    elif connection.in_doubt != "revoke":
        assert raw.call("tools/list").status_code == 200
        # Where the kill took the answer to a refresh, this one is its retry.
        response = raw.refresh()
        assert response.status_code == 200, (connection.in_doubt, response.text)
        assert raw.call("tools/list").status_code == 200


def check_code(connection: Connection) -> None:
    response = connection.raw.redeem(connection.code)
    if connection.in_doubt != "redeem":
        assert response.status_code == 200, response.text
    elif response.status_code != 200:
        assert_refused(response)


def assert_refused(response: httpx.Response) -> None:
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"
