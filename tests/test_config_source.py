"""Reading the file: syntax errors, the line of every key, paths, and the command line's replacements."""

import tomllib
import traceback
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omnitornado.config import Config, ConfigError, Overrides, build_key_error, load_config
from omnitornado.config.source import find_lines, parse_source

SAMPLE = '''\
# a comment with [brackets] and "quotes
title = """
[not.a.table]
key = 1
"""

[server]   # "comment
port = 1
allowed_origins = [
  "a]", # ]
  'b["',
]

[[users]]
username = "x"

[[users]]
"password" = "#y"
scopes = ["a",
  "b"]

[[clients]]
[mcp]
path = '/x#[y]'
[[mcp.upstreams]]
env = { A = "b", B = "{" }
[[mcp.upstreams]]
name.first = 1
'''

LINES = {
    ("title",): 2,
    ("server",): 7,
    ("server", "port"): 8,
    ("server", "allowed_origins"): 9,
    ("users", 0): 14,
    ("users", 0, "username"): 15,
    ("users", 1): 17,
    ("users", 1, "password"): 18,
    ("users", 1, "scopes"): 19,
    ("clients", 0): 22,
    ("mcp", "path"): 24,
    ("mcp", "upstreams", 0, "env"): 26,
    ("mcp", "upstreams", 1): 27,
    ("mcp", "upstreams", 1, "name", "first"): 28,
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("config.toml")


def load(file: Path, text: str, **overrides: object) -> Config:
    file.write_text(text)
    return load_config(file, overrides=Overrides(**overrides), bcrypt_rounds=4)  # type: ignore[arg-type]


def refuse(file: Path, text: str, **overrides: object) -> str:
    with pytest.raises(ConfigError) as refused:
        load(file, text, **overrides)
    return str(refused.value)


def test_each_key_and_table_has_its_line() -> None:
    """Our choice: toml tells no positions of valid data."""
    found = find_lines(SAMPLE)
    assert {path: found.get(path) for path in LINES} == LINES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[tokens]\n\naccess_token_lifetime = 'x'",
            "config.toml:3: [tokens] access_token_lifetime: expected a dur",
        ),
        ("[server]\nport = 1\nprot = 2", "config.toml:3: [server] prot: unknown key; did you mean port?"),
        ("\n[sever]", "config.toml:2: [sever]: unknown table; did you mean [server]?"),
        ("server = 1", "config.toml:1: [server]: expected a table, found an integer: write [server]"),
        ("[users]\nusername = 'x'", "config.toml:1: [users]: expected an array of tables, found a table"),
        ("port = 1", "config.toml:1: port: unknown key outside of any table"),
        (
            "[[users]]\nusername='a'\npassword='b'\n[[users]]\nusername='c'\npassword=''",
            "config.toml:6: [[users]] number 2, password: the password is empty",
        ),
        ("\n[[users]]\nusername = 'a'", "config.toml:2: [[users]] number 1, password_hash: needed"),
        ("\nusers = [{username = 'a'}]", "config.toml:2: [[users]] number 1, password_hash: needed"),
        ("[server]\nhost = '0.0.0.0'", "config.toml:1: [server] public_url: needed"),
        ("[[clients]]\nclient_id = 'a'", "config.toml:1: [[clients]] number 1, redirect_uris: needed"),
        (
            "[mcp]\n[[mcp.upstreams]]\nname='x'",
            "config.toml:2: [[mcp.upstreams]] number 1, command: needed",
        ),
        (
            "server.port = 70000",
            "config.toml:1: [server] port: expected a whole number from 0 to 65535, found 70000",
        ),
    ],
)
def test_a_refusal_names_file_line_key_and_reason(file: Path, text: str, message: str) -> None:
    """Our choice: one line, as the contract says."""
    assert refuse(file, text).startswith(message)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[server\nport = 1", 1),
        ("[server]\nport =", 2),
        ("[server]\nport = 1\nport = 2", 3),
        ("[server]\n[server]", 2),
        ("\n\nnonsense", 3),
        ("[server]\nhost = local", 2),
        ("[server]\nhost = 'a' 'b'", 2),
        ('[server]\nhost = "a', 2),
        ("[server]\nallowed_origins = ['a'", 2),
        ("[users]\n[[users]]", 2),
        ("a = [1, 'x']", 1),
        ("a = {b = 1", 1),
        ('a = "x\\q"', 1),
        ("a = \x01", 1),
        ("a = " + "[" * 5000, 1),
        ('[mcp]\nname = "\\u00e9\\\\u1"', 2),
        ('[mcp]\nname = "\\""', 2),
        ('[mcp]\n\nname = ["x", ","]', 3),
    ],
)
def test_a_syntax_error_names_the_line(file: Path, text: str, line: int) -> None:
    """Our choice: so does text that two TOML readers read differently."""
    assert refuse(file, text).startswith(f"config.toml:{line}: ")


@pytest.mark.parametrize(
    "text",
    [
        "[[users]]\npassword = 'hunter2\n",
        "[[users]]\npassword = hunter2\n",
        "[[users]]\npassword = 'hunter2' x\n",
        "[[users]]\npassword = 0hunter2\n",
        '[[users]]\npassword = "hunter2\\q"\n',
        '[[users]]\npassword = "\\\\uhunter2"\n',
        '[[users]]\npassword = "\\"hunter2"\n',
        "[[users]]\npassword = 'hunter2'\n[users]\n",
        "[users]\npassword = 'hunter2'\n[[users]]\n",
        "[users]\npassword = 'hunter2'\n[users]\n",
        "[[users]]\npassword = ['hunter2', 1]\n",
        "[[users]]\npassword = {x = 'hunter2'\n",
        "password = 'hunter2'\n",
    ],
)
def test_a_syntax_error_repeats_no_secret(file: Path, text: str) -> None:
    """Our choice: not in the message and not in the traceback."""
    with pytest.raises(ConfigError) as refused:
        load(file, text)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value, limit=0))


def test_a_file_that_is_missing_a_folder_or_not_text_is_refused(file: Path) -> None:
    """Our choice."""
    with pytest.raises(ConfigError, match=r"^config\.toml: can't read the configuration: No such file"):
        load_config(file)
    with pytest.raises(ConfigError, match=r"^\.: can't read the configuration: Is a directory"):
        load_config(".")
    file.write_bytes(b"[server]\n\nhost = '\xff'\n")
    with pytest.raises(ConfigError, match=r"^config\.toml:3: the file is not UTF-8 text$"):
        load_config(file)


def test_a_mark_at_the_start_and_windows_line_ends_are_read(file: Path) -> None:
    """Our choice: editors on Windows write both."""
    file.write_bytes(b"\xef\xbb\xbf[server]\r\nport = 1\r\nallowed_origins = [\r\n]\r\n")
    assert load_config(file).server.port == 1


def test_relative_paths_start_at_the_file_and_not_at_the_working_folder(tmp_path: Path) -> None:
    """Our choice: the configuration's contract."""
    (tmp_path / "config.toml").write_text("[store]\npath = 'state'\n")
    config = load_config(tmp_path / "config.toml")
    assert (config.store.path, config.folder) == (tmp_path / "state", tmp_path)
    assert config.source == str(tmp_path / "config.toml")


def test_options_replace_keys_and_are_checked_like_them(file: Path) -> None:
    """Our choice: the configuration's contract."""
    server = load(file, "", host="::1", port=0, public_url="https://A.example/").server
    assert (server.host, server.port, server.public_url) == ("::1", 0, "https://a.example")
    assert load(file, "[server]\nport = 1\nhost = 'bad host'", host="localhost").server.port == 1
    assert refuse(file, "[server]\nport = 1", port=-1).startswith("--port: expected a whole number")
    assert refuse(file, "", public_url="http://a.example").startswith("--public-url: https is required")
    assert refuse(file, "", host="a b").startswith("--host: ")
    plain = "[[users]]\nusername = 'a'\npassword = 'b'\n"
    message = refuse(file, plain, host="0.0.0.0", public_url="https://a.example")
    assert message.startswith("config.toml:3: [[users]] number 1, password: accepted only while")


def test_a_later_error_is_put_at_the_key_of_the_file(file: Path) -> None:
    """Our choice: an app that can't be imported is reported where it is named."""
    config = load(file, "[mcp]\napp = 'tools:mcp'\n")
    assert str(build_key_error(config, "mcp", "app", "no module")) == "config.toml:2: [mcp] app: no module"
    file.unlink()
    assert str(build_key_error(config, "mcp", "app", "no module")) == "config.toml: [mcp] app: no module"


PIECES = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    "#",
    '"',
    "'",
    '"""',
    "'''",
    "\\",
    "\\u",
    "\n",
    " ",
    ",",
    ".",
    "a",
    "1",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example('a = "\\""')
@example("[a]\n[[a]]")
@example("""[["'"]]""")
def test_any_text_is_read_as_standard_toml_or_refused(text: str) -> None:
    """Our choice: a value that is read is the value that was written."""
    try:
        data, origin = parse_source(text, "x", Path("/"))
    except ConfigError as error:
        line, message = error.line, str(error)
    else:
        assert data == tomllib.loads(text)
        line, message = 1, "".join(str(origin.lines[(name,)]) for name in data) or "1"
    assert line is not None
    assert message.isprintable()
