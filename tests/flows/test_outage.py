"""A disk that fails under a running server: who holds a token goes on working, and it heals by itself."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from .conftest import Serve
from .ledger import Ledger
from .person import Person
from .process import ServerProcess
from .raw import RawClient, find_code

CUT_TAIL = "cutting off [0-9]+ bytes that were never confirmed"


@contextmanager
def full_disk(server: ServerProcess) -> Iterator[None]:
    """No file of the server's may grow: what a full disk looks like, without filling one."""
    limits = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, limits)


@contextmanager
def vanished_folder(server: ServerProcess) -> Iterator[None]:
    """The folder of the store is somewhere else for a while."""
    data, away = server.folder / "data", server.folder / "away"
    data.rename(away)
    try:
        yield
    finally:
        away.rename(data)


@pytest.mark.parametrize(("fail", "reason"), [(full_disk, "disk_full"), (vanished_folder, "gone")])
def test_nothing_is_promised_while_the_disk_fails_and_all_is_well_after_it(
    serve: Serve, ledger: Ledger, tmp_path: Path, fail: Callable[[ServerProcess], object], reason: str
) -> None:
    """Our choice: 503 with Retry-After for what would have to be kept; living tokens are served."""
    (tmp_path / "data").mkdir()
    server = serve(store={"path": "data/journey.state"})
    server.expected += [f"store.failed reason={reason}", "store.recovered", r"\.unavailable", CUT_TAIL]
    with Person(server.issuer, ledger) as person, RawClient(server.issuer, ledger) as raw:
        raw.connect(person)
        waiting = RawClient(server.issuer, ledger)
        waiting.client_id = raw.client_id
        code = find_code(person.approve(waiting.build_authorization_url()))
        page = person.open(waiting.build_authorization_url())
        with fail(server):  # type: ignore[attr-defined]
            for response in (
                waiting.redeem(code),
                raw.refresh(),
                RawClient(server.issuer, ledger).register(),
            ):
                check_unavailable(response)
            answer = person.press(page, "approve")
            assert (answer.status, "save anything" in answer.text) == (503, True)
            assert raw.call_tool("add", {"a": 2, "b": 3}).status_code == 200
            health = raw.http.get(f"{server.issuer}/healthz")
            assert (health.status_code, health.text) == (200, f"degraded store={reason}")
        server.wait_for_log(f"store.recovered reason={reason}")
        assert raw.http.get(f"{server.issuer}/healthz").text == "ok"
        # What was refused counts as not done: the same code and the same refresh token are good.
        assert raw.refresh().status_code == 200
        assert waiting.redeem(code).status_code == 200
        server.kill()
        server.start()
        for client in (raw, waiting):
            assert client.call("tools/list").status_code == 200
            assert client.refresh().status_code == 200
            client.http.close()
    server.stop()


def check_unavailable(response: httpx.Response) -> None:
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.json() == {
        "error": "temporarily_unavailable",
        "error_description": "the server can't save anything at the moment; try again shortly",
    }
