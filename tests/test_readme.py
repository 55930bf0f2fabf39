"""The README: its programs run as they stand, and its steps are those the server shows."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from flows.ledger import Ledger
from flows.person import Person
from flows.process import PATIENCE, TOP, Output, build_environment
from flows.raw import RawClient, find_code
from tornado.testing import bind_unused_port

from omnitornado.web.connect import Guide, build_guides

README = TOP / "README.md"
URL = "http://127.0.0.1:8080/mcp"


def read_programs() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def find_program(text: str) -> str:
    """The one program of the README that has this text."""
    (program,) = [program for program in read_programs() if text in program]
    return program


@contextmanager
def running(program: str, folder: Path) -> Iterator[Output]:
    """The program in a process of its own; it must end with 0 on SIGTERM, and without a stack trace."""
    path = folder / "program.py"
    path.write_text(program, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(path)],
        cwd=folder,
        env=build_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        output, log = Output(process.stdout), Output(process.stderr)
        output.wait_until(bool)
        yield output
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, log.text
        log.close()
        assert "Traceback" not in log.text
    finally:
        process.kill()
        process.wait(PATIENCE)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_the_readme_has_no_program_that_no_test_here_runs() -> None:
    """Our choice: every program of the README is run."""
    assert len(read_programs()) == 3


def test_the_program_with_tools_serves_them_behind_a_login(tmp_path: Path, ledger: Ledger) -> None:
    """Our choice: the README's first program works as it stands, but for the port."""
    program = find_program("@mcp.tool()")
    with running(program.replace("Server(mcp, ", "Server(mcp, port=0, "), tmp_path) as output:
        mcp_url, client_id, client_secret = output.lines[0].split()
        assert client_id == "calculator-client"
        assert client_secret
        issuer = mcp_url.removesuffix("/mcp")
        with (
            Person(issuer, ledger, username="admin", password="password") as person,
            RawClient(issuer, ledger) as client,
        ):
            client.connect(person)
            divided = client.call_tool("divide", {"a": 7, "b": 2}).json()["result"]
            refused = client.call_tool("divide", {"a": 7, "b": 0}).json()["result"]
            asked = client.call_tool("whoami", {}).json()["result"]
    assert divided["structuredContent"] == 3.5
    assert refused["isError"] is True
    assert refused["content"][0]["text"] == "b must not be 0."
    assert asked["structuredContent"].startswith("admin, through omt_ci_")


def test_the_program_with_a_configuration_file_serves_it(tmp_path: Path) -> None:
    """Our choice: the README's second program works with the repository's own configuration."""
    config = (TOP / "config.toml").read_text(encoding="utf-8")
    (tmp_path / "config.toml").write_text(config.replace("port = 8080", "port = 0"), encoding="utf-8")
    shutil.copytree(TOP / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    with running(find_program("from_config"), tmp_path) as output:
        output.wait_until(lambda lines: any(line.startswith("Client Secret:") for line in lines))
        banner = dict(line.split(": ", 1) for line in output.lines)
        assert httpx.get(f"{banner['Issuer']}/healthz").text == "ok"
        assert banner["Client Secret"] == "my-client-secret"


def test_the_program_with_the_login_alone_guards_its_own_handler(tmp_path: Path, ledger: Ledger) -> None:
    """Our choice: the README's third program works as it stands, but for the port."""
    socket, port = bind_unused_port()
    socket.close()
    issuer = f"http://127.0.0.1:{port}"
    with running(find_program("require_token").replace("8888", str(port)), tmp_path) as output:
        assert output.lines == [f"Serving {issuer}/notes"]
        refused = httpx.get(f"{issuer}/notes")
        assert refused.status_code == 401
        assert f"{issuer}/.well-known/oauth-protected-resource/notes" in refused.headers["WWW-Authenticate"]
        with (
            Person(issuer, ledger, username="admin", password="password") as person,
            RawClient(issuer, ledger) as client,
        ):
            assert client.register().status_code == 201
            url = client.build_authorization_url(resource=f"{issuer}/notes")
            assert client.redeem(find_code(person.approve(url))).status_code == 200
            headers = {"Authorization": f"Bearer {client.access_token}"}
            assert httpx.get(f"{issuer}/notes", headers=headers).json() == {"owner": "admin", "notes": []}


@pytest.mark.parametrize("guide", build_guides(URL), ids=lambda guide: guide.id)
def test_the_readme_has_each_clients_steps(guide: Guide) -> None:
    """Our choice: the README and the server's own page say the same, with the default address."""
    text = README.read_text(encoding="utf-8")
    assert f"### {guide.name}\n" in text
    for step in guide.steps:
        assert step.text in text
        for line in (step.code or "").splitlines():
            assert f"   {line}\n" in text


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    """Our choice: `make run` and `make test` are all it takes."""
    makefile = (TOP / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
