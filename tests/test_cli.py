"""The commands: arguments, exit codes, one line on standard error, and what each prints."""

import io
import os
import pty
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from omnitornado import __version__
from omnitornado.cli import main
from omnitornado.config import Config, ConfigError, Overrides, load_config

TOP = Path(__file__).parent.parent
PLAIN = "[[users]]\nusername = 'admin'\npassword = 'hunter2-hunter2'\n[mcp]\napp = 'tools:mcp'\n"


class App(types.ModuleType):
    """Stands for omnitornado.server, and notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__("omnitornado.server")
        self.served: list[tuple[Path, Overrides]] = []
        self.found: list[Config] = []
        self.failure: ConfigError | None = None
        app = self

        class Server:
            @classmethod
            def from_config(cls, path: Path, overrides: Overrides) -> "Server":
                app.served.append((path, overrides))
                load_config(path, overrides=overrides, bcrypt_rounds=4)
                return cls()

            def run(self) -> int:
                return 0

        self.Server = Server

    def check_accounts(self, config: Config) -> None:
        """Nothing to find in these configurations."""

    def find_app(self, config: Config) -> object:
        self.found.append(config)
        if self.failure:
            raise self.failure
        return object()


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> App:
    monkeypatch.chdir(tmp_path)
    fake = App()
    monkeypatch.setitem(sys.modules, "omnitornado.server", fake)
    return fake


def run(*arguments: str, cwd: Path, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    command = [sys.executable, "-m", "omnitornado", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, timeout=60, **options)


def test_a_configuration_is_served_with_the_options_as_replacements(app: App) -> None:
    """Our choice: the commands' contract."""
    Path("my.toml").write_text("")
    assert main(["my.toml", "--host", "::1", "--port", "0", "--public-url", "https://a.example"]) == 0
    assert app.served == [(Path("my.toml"), Overrides(host="::1", port=0, public_url="https://a.example"))]
    assert main(["my.toml"]) == 0
    assert app.served[1] == (Path("my.toml"), Overrides())


@pytest.mark.parametrize(
    ("arguments", "text", "reason"),
    [
        (["none.toml"], "", "none.toml: can't read the configuration"),
        (["my.toml"], "[server]\nprot = 1", "my.toml:2: [server] prot: unknown key; did you mean port?"),
        (["my.toml", "--check"], "[server]\nprot = 1", "my.toml:2: [server] prot: unknown key"),
        (["my.toml", "--port", "x"], "", "argument --port: invalid int value"),
        (["my.toml", "--port", "70000"], "", "--port: expected a whole number"),
        (["my.toml", "--host", "0.0.0.0"], "", "my.toml: [server] public_url: needed"),
        (["my.toml", "--nonsense"], "", "unrecognized arguments: --nonsense"),
        (["my.toml", "--pub", "https://a.example"], "", "unrecognized arguments: --pub"),
        (["my.toml", "other.toml"], "", "unrecognized arguments"),
        ([], "", "CONFIG.toml or --stdio is needed"),
        (["config.toml", "--stdio", "x"], "", "--stdio needs no CONFIG.toml"),
        (["--stdio", ""], "", "--stdio: names no command"),
        (["--stdio", "'x"], "", "--stdio: can't be split into words: No closing quotation"),
        (["init", "a", "b"], "", "unrecognized arguments: b"),
        (["init", "my.toml"], "", "my.toml: exists already, and init never overwrites"),
        (["init", "none/my.toml"], "", "none/my.toml: can't be written: No such file or directory"),
        (["hash-password", "hunter2"], "", "unrecognized arguments"),
    ],
)
def test_what_is_wrong_ends_with_2_and_one_line(
    app: App, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str, reason: str
) -> None:
    """Our choice: the commands' contract."""
    Path("my.toml").write_text(text)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(reason)
    assert err.count("\n") == 1


def test_check_imports_the_app_and_prints_what_would_be_served(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    """Our choice: no secrets, and nothing is opened."""
    Path("my.toml").write_text(PLAIN)
    assert main(["my.toml", "--check", "--port", "0"]) == 0
    out, err = capsys.readouterr()
    assert "Users: admin\n" in out
    assert "MCP URL: http://127.0.0.1:(a free port)/mcp\n" in out
    assert "hunter2" not in out + err
    assert [config.mcp.app for config in app.found] == ["tools:mcp"]
    assert app.served == []
    assert os.listdir() == ["my.toml"]


def test_check_refuses_an_app_that_cannot_be_imported(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice."""
    Path("my.toml").write_text(PLAIN)
    app.failure = ConfigError("no module tools", source="my.toml", line=5, key="[mcp] app")
    assert main(["my.toml", "--check"]) == 2
    assert capsys.readouterr() == ("", "my.toml:5: [mcp] app: no module tools\n")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["init", "--help"], ["hash-password", "--help"]])
def test_help_ends_with_0(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """Our choice."""
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("usage: python -m omnitornado")


def test_help_names_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice."""
    main(["--help"])
    out = capsys.readouterr().out
    for word in ("init [PATH]", "hash-password", "--host", "--port", "--public-url", "--check", "--version"):
        assert word in out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Our choice."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"omnitornado {__version__}\n"


def test_init_writes_a_configuration_that_loads_and_prints_its_password_once(tmp_path: Path) -> None:
    """Our choice: the commands' contract."""
    done = run("init", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    printed = dict(line.split(": ", 1) for line in done.stdout.decode().splitlines())
    assert printed["Configuration"] == "config.toml"
    assert printed["Start"] == "python -m omnitornado config.toml"
    user = load_config(tmp_path / "config.toml").users[0]
    assert printed["Username"] == user.username
    assert bcrypt.checkpw(printed["Password"].split()[0].encode(), user.password_hash or b"")
    again = run("init", "config.toml", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (2, b"")
    assert again.stderr == b"config.toml: exists already, and init never overwrites\n"


@pytest.mark.parametrize(
    ("sent", "password"),
    [
        (b"pass word\n", "pass word"),
        (b"no end", "no end"),
        (b"windows\r\n", "windows"),
        (b" spaces stay \nmore\n", " spaces stay "),
        ("ü".encode() + b"\n", "ü"),
    ],
)
def test_hash_password_reads_one_line_from_a_pipe(tmp_path: Path, sent: bytes, password: str) -> None:
    """Our choice: the hash alone on standard output."""
    done = run("hash-password", cwd=tmp_path, input=sent)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1
    assert bcrypt.checkpw(password.encode(), done.stdout.strip())


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "the password is empty"),
        (b"\n", "the password is empty"),
        (b"hunter2" * 11, "the password takes 77 bytes"),
        (b"hunter2\0", "NUL"),
        (b"hunter2\xff\n", "not UTF-8"),
    ],
)
def test_hash_password_refuses_with_the_reason_and_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sent: bytes, reason: str
) -> None:
    """Our choice."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sent)))
    assert main(["hash-password"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert reason in err
    assert "hunter2" not in err
    assert err.count("\n") == 1


def _type_at_terminal(*lines: bytes) -> tuple[int, bytes, bytes]:
    """Run hash-password on a terminal of its own; gives exit code, standard output, and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "omnitornado", "hash-password"],
        cwd=TOP,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    for line in lines:
        before = shown.count(b": ")
        while shown.count(b": ") == before:  # the prompt: what is typed before it would be discarded
            shown += os.read(ours, 1024)
        os.write(ours, line)
    out, _ = process.communicate(timeout=60)
    try:
        while more := os.read(ours, 1024):
            shown += more
    except OSError:  # Linux ends a terminal that nobody holds with EIO
        pass
    os.close(ours)
    return process.returncode, out, shown


def test_hash_password_asks_twice_at_a_terminal_and_shows_nothing() -> None:
    """Our choice: the commands' contract."""
    code, out, shown = _type_at_terminal(b"hunter2\n", b"hunter2\n")
    assert code == 0
    assert bcrypt.checkpw(b"hunter2", out.strip())
    assert shown.count(b": ") == 2
    assert b"hunter2" not in shown


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((b"hunter2\n", b"hunter3\n"), b"the two passwords differ"),
        ((b"\n", b"\n"), b"the password is empty"),
        ((b"\x04",), b"cancelled"),
        ((b"hunter2\n", b"\x04"), b"cancelled"),
    ],
)
def test_hash_password_at_a_terminal_ends_with_2_when_nothing_was_agreed(
    lines: tuple[bytes, ...], reason: bytes
) -> None:
    """Our choice."""
    code, out, shown = _type_at_terminal(*lines)
    assert (code, out) == (2, b"")
    assert reason in shown
    assert b"hunter" not in shown


@pytest.mark.parametrize("arguments", ["['--help']", "['init', '/nonexistent/x']"])
def test_the_commands_start_without_loading_a_server(tmp_path: Path, arguments: str) -> None:
    """Our choice: a command answers at once."""
    code = f"import sys; from omnitornado.cli import main; main({arguments}); print('tornado' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, timeout=60, check=True)
    assert done.stdout.endswith(b"False\n")


def test_the_module_ends_with_the_commands_exit_code(tmp_path: Path) -> None:
    """Our choice: `python -m omnitornado`."""
    assert run("--version", cwd=tmp_path).returncode == 0
    done = run("--nonsense", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
