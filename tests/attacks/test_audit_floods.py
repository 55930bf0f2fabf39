"""Requests that are refused without end, so that older lines of the audit log make room for them."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from web.conftest import StartSite
from web.site import Clock, Site
from web.wire import build_request, exchange

from omnitornado.audit import AuditLog
from omnitornado.base64url import encode
from omnitornado.oauth.browser_session import build_form_token
from omnitornado.web.refusals import LIMITS, MAX_ADDRESSES, PERIOD, TOTALS, Refusals

SETTINGS = {"trusted_proxies": ["127.0.0.1"], "shutdown_grace": 0}


async def refuse(site: Site, times: int, *, address: str = "203.0.113.9", form: bytes = b"x=1") -> None:
    headers = {"X-Forwarded-For": address, "Content-Type": "application/x-www-form-urlencoded"}
    for _ in range(times):
        answer = await exchange(
            site.port, build_request("POST /token", site.port, body=form, headers=headers)
        )
        assert answer.status in (400, 401, 429)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.gen_test(timeout=20)
async def test_a_flood_of_refusals_is_a_few_lines_and_a_count(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: what was done stays in the file, and so do the refusals of everybody else."""
    path = tmp_path / "audit.jsonl"
    site = await start_site(settings={"audit": {"path": str(path)}, "server": SETTINGS})
    await refuse(site, LIMITS[False] + 200)
    await refuse(site, 3, address="198.51.100.1")
    await refuse(site, LIMITS[True] + 50, form=b"client_id=preset&client_secret=x&grant_type=refresh_token")
    await site.obtain_tokens()
    site.clock.advance(PERIOD)
    await refuse(site, 1)
    await site.server.stop()
    lines = read(path)
    refused = [line for line in lines if line["event"] == "token.refused"]
    assert len([one for one in refused if one["address"] == "203.0.113.9" and "client" not in one]) == 31
    assert len([one for one in refused if one["address"] == "198.51.100.1"]) == 3
    assert len([one for one in refused if one.get("client") == "preset"]) == LIMITS[True]
    (left_out,) = (line for line in lines if line["event"] == "audit.left_out")
    assert (left_out["lines"], left_out["addresses"]) == (250, 1)
    assert (left_out["address"], left_out["lines_of_address"]) == ("203.0.113.9", 250)
    assert [line["event"] for line in lines].count("token.issued") == 1


@pytest.mark.gen_test(timeout=20)
async def test_what_was_left_out_is_counted_at_the_end_too(start_site: StartSite, tmp_path: Path) -> None:
    """Our choice: no count is lost with the process."""
    path = tmp_path / "audit.jsonl"
    site = await start_site(settings={"audit": {"path": str(path)}, "server": SETTINGS})
    await refuse(site, LIMITS[False] + 1)
    await site.server.stop()
    assert [line["event"] for line in read(path)][-2:] == ["audit.left_out", "server.stopped"]


async def send(site: Site, line: str, headers: dict[str, str], form: str = "") -> int:
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
    return (
        await exchange(site.port, build_request(line, site.port, body=form.encode(), headers=headers))
    ).status


@pytest.mark.gen_test(timeout=20)
async def test_what_anybody_may_do_without_end_is_bounded_like_refusals(
    start_site: StartSite, tmp_path: Path
) -> None:
    """Our choice: a client's name is no secret. To begin a sign-in, to give a token back that never was, and
    to sign a browser out that nobody is signed in at are done, and nobody's doing.
    """
    path = tmp_path / "audit.jsonl"
    site = await start_site(settings={"audit": {"path": str(path)}, "server": SETTINGS})
    registered = await site.fetch(
        "/register",
        method="POST",
        headers={"Content-Type": "application/json"},
        body=json.dumps({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"}),
    )
    client_id = json.loads(registered.body)["client_id"]
    authorize = "GET " + site.build_authorize_url(client_id=client_id, redirect_uri="https://app.example/cb")
    cookie = encode(b"x" * 32)
    log_out = f"csrf_token={build_form_token(cookie, 'account')}"
    for number in range(LIMITS[True] + LIMITS[False] + 20):
        start = {"X-Forwarded-For": "203.0.113.1"}
        assert await send(site, authorize, start) == 302
        assert await send(site, "POST /revoke", start, f"client_id={client_id}&token=x{number}") == 200
        jar = {"Cookie": f"omnitornado_session_{site.port}={cookie}"}
        assert await send(site, "POST /logout", start | jar, log_out) == 303
    await site.obtain_tokens()
    await site.server.stop()
    events = Counter(line["event"] for line in read(path))
    names = ("authorize.login", "revoke.succeeded", "logout.succeeded")
    assert sum(events[name] for name in names) <= LIMITS[True] + LIMITS[False] + 1
    assert events["token.issued"] == events["audit.left_out"] == 1


class Lines(AuditLog):
    """Keeps what would be written."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def record(self, event: str, **fields: Any) -> None:
        self.found.append({"event": event} | fields)


Write = Callable[..., None]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def write(lines: Lines) -> Write:
    refusals, clock = Refusals(), Clock()

    def record(event: str = "token.refused", *, later: float = 0.0, **fields: Any) -> None:
        clock.advance(later)
        refusals.record(lines, event, fields, now=clock.now)

    return record


def test_a_flood_from_many_addresses_is_bounded_as_well(lines: Lines, write: Write) -> None:
    """Our choice: in the file, and in memory. An IPv6 subscriber is one address."""
    for number in range(MAX_ADDRESSES + 500):
        write(address=f"2001:db8:{number % 60000:x}::{number:x}")
    assert len(lines.found) == TOTALS[False]
    for number in range(200):
        write(address=f"2001:db8::{number:x}", user="ada")
    assert len(lines.found) == TOTALS[False] + LIMITS[True]
    write("login.succeeded", address="2001:db8::1", user="ada")
    write("login.succeeded", address="2001:db8::1", user="ada", later=PERIOD)
    *_, done, left_out, last = lines.found
    assert [done["event"], last["event"]] == ["login.succeeded"] * 2
    assert left_out["lines"] == MAX_ADDRESSES + 500 - TOTALS[False] + 200 - LIMITS[True]
    assert left_out["addresses"] <= MAX_ADDRESSES + 1


def test_a_clock_that_goes_back_keeps_nothing_shut(lines: Lines, write: Write) -> None:
    """Our choice: a period that would never end begins anew."""
    for _ in range(LIMITS[False] + 5):
        write(address="203.0.113.9")
    write(address="203.0.113.9", later=-100.0)
    assert [line["event"] for line in lines.found][-2:] == ["audit.left_out", "token.refused"]
