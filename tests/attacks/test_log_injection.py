"""What a client sends, as a line, a field or a command of a terminal in the logs."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from web.conftest import StartSite
from web.site import CALLBACK, Site
from web.test_register import register
from web.wire import build_request, exchange

from omnitornado.log import LEVELS, configure_logging

HOSTILE = [
    "x\n2026-01-01 00:00:00 INFO omnitornado login.succeeded user=admin",
    "x\r\nlogin.succeeded user=admin",
    "x user=admin reason=none",
    'x" user="admin',
    "x\x1b[2J\x1b]0;owned\x07",
    "x\u202eadmin\u2066",
    "x\u2028login.succeeded\u2029\x85",
    "%s %d %(x)s {0}",
    "\ud800",
    "x\x7f\x9b31m",
]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The log as the command writes it, down to debug level."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in LEVELS}
    stream = io.StringIO()
    configure_logging(stream, level=logging.DEBUG)
    root.handlers += before
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    for name, one in levels.items():
        logging.getLogger(name).setLevel(one)


async def send_everywhere(site: Site, text: str) -> None:
    """Put it where something of it may be logged."""
    site.clock.advance(10)
    browser = site.open_browser()
    clean = text.encode("utf-8", "replace").decode()
    raw = clean.replace("\r", "").replace("\n", "").encode().decode("latin-1")
    await browser.sign_in(username=clean, password="x")
    for name in ("client_id", "redirect_uri", "scope", "state", "resource", "prompt", "code_challenge"):
        await browser.get(site.build_authorize_url(**{name: clean}))
    await browser.post("/token", {"grant_type": clean, "client_id": clean, "client_secret": clean})
    refresh = {"grant_type": "refresh_token", "refresh_token": clean, "client_id": "native"}
    await browser.post("/token", refresh)
    await browser.post("/revoke", {"token": clean, "client_id": "preset", "client_secret": clean})
    document = {"redirect_uris": [CALLBACK], "client_name": text, "scope": text, "software_id": text}
    await register(site, document)
    await register(site, {"redirect_uris": [text]})
    headers = {"User-Agent": raw, "X-Forwarded-For": raw, "Referer": raw, "Authorization": "Bearer " + raw}
    for line in ("POST /mcp", "GET /register/x", "GET /login", "PUT /nowhere"):
        body = b"{}" if line.startswith("POST") else b""
        await exchange(site.port, build_request(line, site.port, headers=headers, body=body))


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("text", HOSTILE)
async def test_no_value_becomes_a_line_or_a_field_of_the_log(
    start_site: StartSite, tmp_path: Path, written: io.StringIO, text: str
) -> None:
    """Our choice: each line of either log is one of ours, in plain ASCII; a value stays in its quotes."""
    path = tmp_path / "audit.jsonl"
    server = {"trusted_proxies": ["127.0.0.1"], "shutdown_grace": 0}
    site = await start_site(settings={"audit": {"path": str(path)}, "server": server})
    await send_everywhere(site, text)
    await site.server.stop()
    lines = written.getvalue().split("\n")
    assert len(lines) > 10
    for line in lines:
        assert line == "" or line.startswith("20"), line
        assert line.isascii()
        assert line == "" or line.isprintable()
        if " omnitornado " in line:
            assert "user=admin" not in line.partition('"')[0]
    for audited in map(json.loads, path.read_bytes().decode("utf-8").split("\n")[:-1]):
        assert audited["event"] != "login.succeeded"
        assert audited.get("user") in (None, "ada", "bob")
