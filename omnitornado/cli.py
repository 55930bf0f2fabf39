"""The commands: parse and call, nothing else.

Exit codes: 0 for a clean end, 2 with one line on standard error for anything to put right. What a command
needs is imported where it runs, so that `--help`, `init` and `hash-password` don't load a server.
"""

import argparse
import getpass
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from omnitornado import __version__

if TYPE_CHECKING:
    from omnitornado.config import Config, Overrides
    from omnitornado.serving.ready import Ready

PROGRAM = "python -m omnitornado"
MAX_LINE = 4096
"""Bytes read from a pipe for a password: more than any that is accepted."""

_COMMANDS = """\
commands:
  CONFIG.toml           serve until SIGINT or SIGTERM
  --stdio COMMAND       the same for one MCP server, without a file
  init [PATH]           write a fresh commented configuration (config.toml), never over an existing file
  doctor URL            check a running server from outside, as each known client would find it
  hash-password         print a bcrypt hash for password_hash; asks twice, or reads one line from a pipe
  store check PATH      read the files of a store, without changing them, and say how they are
  store repair PATH     write what can be read of a damaged store to a new place
  store export PATH     print every record as a line of JSON, secrets left out
"""


class Refusal(Exception):  # noqa: N818 - not always an error: the person may have cancelled
    """A reason to end with exit code 2."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """argparse would print the usage as well: the reason is to be one line."""
        raise Refusal(f"{message} (see {PROGRAM} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command with its arguments (default: the process's); gives the exit code."""
    from omnitornado.config import ConfigError

    arguments = list(sys.argv[1:] if argv is None else argv)
    commands: dict[str, Callable[[list[str]], int]] = {
        "doctor": _doctor,
        "hash-password": _hash_password,
        "init": _init,
        "store": _store,
    }
    try:
        if arguments and arguments[0] in commands:
            return commands[arguments[0]](arguments[1:])
        return _serve(arguments)
    except SystemExit as stop:  # argparse: after --help and --version
        return stop.code if isinstance(stop.code, int) else 0
    except (Refusal, ConfigError) as error:
        print(error, file=sys.stderr)
        return 2


def _serve(arguments: list[str]) -> int:
    """`CONFIG.toml [--host H] [--port N] [--public-url URL] [--check]`; `--stdio COMMAND` for a file"""
    options = _build_parser().parse_args(arguments)
    if (options.config is None) == (options.stdio is None):
        what = (
            "CONFIG.toml or --stdio is needed" if options.config is None else "--stdio needs no CONFIG.toml"
        )
        raise Refusal(f"{what} (see {PROGRAM} --help)")
    from omnitornado.config import Overrides

    overrides = Overrides(host=options.host, port=options.port, public_url=options.public_url)
    if options.stdio is not None:
        return _serve_command(options.stdio, overrides, is_check=options.check)
    if options.check:
        return _check(options.config, overrides)
    from omnitornado.server import Server

    return Server.from_config(options.config, overrides=overrides).run()


def _serve_command(command: str, overrides: "Overrides", *, is_check: bool) -> int:
    from omnitornado.config.single import build_single

    single = build_single(command, overrides, folder=Path.cwd())
    if is_check:
        return _describe(single.config)
    from omnitornado.server import Server
    from omnitornado.serving.ready import print_banner

    def print_all(ready: "Ready") -> None:
        print_banner(ready)
        print(f"Username: {single.username}\nPassword: {single.password}", flush=True)

    return Server.from_settings(single.config).run(print_all)


def _build_parser() -> _Parser:
    parser = _Parser(
        prog=PROGRAM,
        usage="%(prog)s (CONFIG.toml | --stdio COMMAND) [--host HOST] [--port PORT] [--public-url URL] "
        "[--check]",
        description="Puts a login in front of an MCP server.",
        epilog=_COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("config", type=Path, nargs="?", metavar="CONFIG.toml", help="the configuration file")
    parser.add_argument(
        "--stdio",
        metavar="COMMAND",
        help="without a file: put a login in front of this MCP server, for as long as this runs",
    )
    parser.add_argument("--host", help="listen on this address instead of [server] host")
    parser.add_argument(
        "--port", type=int, help="listen on this port instead of [server] port; 0: a free one"
    )
    parser.add_argument("--public-url", metavar="URL", help="use this address instead of [server] public_url")
    parser.add_argument(
        "--check", action="store_true", help="check the configuration, print what it would serve, and end"
    )
    parser.add_argument("--version", action="version", version=f"omnitornado {__version__}")
    return parser


def _check(path: Path, overrides: "Overrides") -> int:
    from omnitornado.config import load_config
    from omnitornado.passwords import MIN_ROUNDS
    from omnitornado.server import check_accounts, find_app
    from omnitornado.skills.start import open_skills

    # Nobody signs in: a plain password's hash need not be slow.
    config = load_config(path, overrides=overrides, bcrypt_rounds=MIN_ROUNDS)
    check_accounts(config)
    open_skills(config, find_app(config))
    return _describe(config)


def _describe(config: "Config") -> int:
    from omnitornado.config import describe_config

    for label, value in describe_config(config):
        print(f"{label}: {value}")
    return 0


def _init(arguments: list[str]) -> int:
    """`init [PATH]`"""
    parser = _Parser(prog=f"{PROGRAM} init", description="Writes a fresh commented configuration.")
    parser.add_argument("path", type=Path, nargs="?", default=Path("config.toml"), metavar="PATH")
    path = parser.parse_args(arguments).path
    from omnitornado.config.fresh import write_fresh

    try:
        fresh = write_fresh(path)
    except FileExistsError:
        raise Refusal(f"{path}: exists already, and init never overwrites") from None
    except OSError as error:
        raise Refusal(f"{path}: can't be written: {error.strerror}") from None
    print(f"Configuration: {fresh.path}")
    print(f"Username: {fresh.username}")
    print(f"Password: {fresh.password}   (shown this once; the file holds only its hash)")
    print(f"Start: {PROGRAM} {shlex.quote(str(fresh.path))}")
    return 0


def _store(arguments: list[str]) -> int:
    """`store check PATH`, `store repair PATH [NEW]`, `store export PATH`"""
    parser = _Parser(prog=f"{PROGRAM} store", description="For the files of a store that no server is using.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|repair|export")
    for name, text in (
        ("check", "say how much there is, or the first damage; exit code 1 where there is any"),
        ("repair", "write what can be read of a damaged store to a new place, and change nothing"),
        ("export", "print every record as a line of JSON, secrets left out"),
    ):
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        action.add_argument("path", type=Path, metavar="PATH", help="the store's file, as in [store] path")
        if name == "repair":
            action.add_argument("new", type=Path, nargs="?", metavar="NEW", help="default: PATH.repaired")
    options = parser.parse_args(arguments)
    from omnitornado import store_cli
    from omnitornado.store.errors import StoreError

    try:
        if options.action == "repair":
            return store_cli.repair(options.path, options.new)
        return store_cli.check(options.path) if options.action == "check" else store_cli.export(options.path)
    except StoreError as error:
        raise Refusal(str(error)) from None


def _doctor(arguments: list[str]) -> int:
    """`doctor URL [--json] [--no-register]`"""
    parser = _Parser(
        prog=f"{PROGRAM} doctor",
        description="Does what each known client does before its login, and says what it would trip over.",
        allow_abbrev=False,
    )
    parser.add_argument("url", metavar="URL", help="the MCP address, just as people paste it")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument(
        "--no-register",
        action="store_true",
        help="register no client (otherwise each registers, and is deleted)",
    )
    options = parser.parse_args(arguments)
    from omnitornado.doctor.command import run

    try:
        return run(options.url, as_json=options.json, register=not options.no_register)
    except ValueError as error:
        raise Refusal(f"{options.url!r} can't be used: {error}") from None
    except OSError as error:
        raise Refusal(f"{options.url!r} can't be asked: {error}") from None
    except KeyboardInterrupt:
        raise Refusal("cancelled") from None


def _hash_password(arguments: list[str]) -> int:
    """`hash-password`"""
    parser = _Parser(prog=f"{PROGRAM} hash-password", description="Prints a bcrypt hash of a password.")
    parser.parse_args(arguments)
    from omnitornado.passwords import hash_password

    password = _ask_password() if sys.stdin.isatty() else _read_password()
    try:
        print(hash_password(password).decode())
    except ValueError as error:
        raise Refusal(str(error)) from None
    return 0


def _ask_password() -> str:
    try:
        password = getpass.getpass("Password: ")
        again = getpass.getpass("Again: ")
    except (EOFError, KeyboardInterrupt):
        raise Refusal("cancelled") from None
    if password != again:
        raise Refusal("the two passwords differ")
    return password


def _read_password() -> str:
    line = sys.stdin.buffer.readline(MAX_LINE)
    try:
        return line.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refusal("the password is not UTF-8 text") from None
