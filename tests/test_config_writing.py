"""What the configuration writes: the reference, a fresh file, and what `--check` prints."""

import re
import stat
from pathlib import Path

import bcrypt
import pytest

from omnitornado.config import SECTIONS, build_config, build_reference, describe_config, load_config
from omnitornado.config.fresh import write_fresh
from omnitornado.config.writing import build_base_url

TOP = Path(__file__).parent.parent


def test_the_reference_names_every_table_and_every_key_of_the_settings() -> None:
    """Our choice: the documentation is written from the declarations."""
    reference = build_reference()
    for section in SECTIONS:
        _, _, rest = reference.partition(f"\n## `{section.header}`\n")
        chapter = rest.partition("\n## ")[0]
        named = set(re.findall(r"^\| `([a-z_]+)` \|", chapter, re.MULTILINE))
        fields = set(section.settings.__struct_fields__) - {"either_secret_method"}
        assert named == fields | set(section.inputs)
    assert all(line.count("|") == 5 for line in reference.splitlines() if line.startswith("|"))


def test_a_fresh_file_loads_with_a_hash_of_its_password_and_every_default(tmp_path: Path) -> None:
    """Our choice: `init`, then serve."""
    path = tmp_path / "config.toml"
    fresh = write_fresh(path, bcrypt_rounds=4)
    config = load_config(path)
    assert [user.username for user in config.users] == [fresh.username]
    assert bcrypt.checkpw(fresh.password.encode(), config.users[0].password_hash or b"")
    assert fresh.password not in path.read_text()
    assert len(config.clients[0].client_secret or "") == 43
    default = build_config({}, folder=tmp_path)
    for section in SECTIONS:
        if not section.is_array and not section.is_optional:
            assert getattr(config, section.name) == getattr(default, section.name)


def test_a_fresh_file_is_readable_by_its_owner_alone_and_names_every_key(tmp_path: Path) -> None:
    """Our choice: it holds a secret."""
    path = tmp_path / "config.toml"
    write_fresh(path, bcrypt_rounds=4)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    for section in SECTIONS:
        assert re.search(rf"^(# )?{re.escape(section.header)}$", text, re.MULTILINE)
        assert all(re.search(rf"^(# )?{name} = ", text, re.MULTILINE) for name in section.keys)


def test_the_commented_lines_of_a_fresh_file_are_valid_once_uncommented(tmp_path: Path) -> None:
    """Our choice: an example that doesn't load is worse than none. (Keys go with no client_secret.)"""
    path = tmp_path / "config.toml"
    write_fresh(path, bcrypt_rounds=4)
    left_out = "password |jwks|token_endpoint_auth_signing"
    text = re.sub(rf"^# ((?!{left_out})[a-z_]+ = |\[)", r"\1", path.read_text(), flags=re.MULTILINE)
    path.write_text(text)
    config = load_config(path)
    assert config.users[0].scopes == ("mcp",)
    assert config.oidc is not None
    assert config.oidc.allowed_emails == ("ada@example.com",)
    assert config.clients[0].client_uri == "https://app.example.com"
    assert config.scopes[0].implies == ("files:read",)
    assert config.resource_servers[0].resources == ("https://files.example.com/mcp",)


def test_two_fresh_files_share_no_secret(tmp_path: Path) -> None:
    """Our choice."""
    one, two = (write_fresh(tmp_path / name, bcrypt_rounds=4) for name in ("one", "two"))
    clients = [load_config(fresh.path).clients[0] for fresh in (one, two)]
    assert one.password != two.password
    assert clients[0].client_id != clients[1].client_id
    assert clients[0].client_secret != clients[1].client_secret


def test_secrets_come_from_the_random_source_that_is_given(tmp_path: Path) -> None:
    """Our choice: randomness is injected."""
    sizes: list[int] = []

    def token_bytes(size: int) -> bytes:
        sizes.append(size)
        return bytes(size)

    fresh = write_fresh(tmp_path / "x", token_bytes=token_bytes, bcrypt_rounds=4)
    assert fresh.password == "A" * 16
    assert sorted(sizes) == [8, 12, 32]


def test_a_fresh_file_overwrites_nothing(tmp_path: Path) -> None:
    """Our choice: not a file, not a link to nowhere."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            write_fresh(tmp_path / name, bcrypt_rounds=4)
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_the_example_configuration_is_what_the_contract_shows() -> None:
    """Our choice: it works as it stands, on loopback."""
    config = load_config(TOP / "config.toml", bcrypt_rounds=4)
    assert bcrypt.checkpw(b"password", config.users[0].password_hash or b"")
    assert (config.users[0].username, config.users[0].scopes) == ("admin", ("mcp",))
    client = config.clients[0]
    assert (client.client_id, client.client_secret) == ("my-client-id", "my-client-secret")
    assert client.redirect_uris == ("https://myapp.com/callback", "http://127.0.0.1/callback")
    assert (config.mcp.app, config.store.path) == ("examples.tools:mcp", TOP / "omnitornado.state")


def test_the_example_configuration_names_every_key_and_its_defaults() -> None:
    """Our choice: it is the first thing that people read."""
    text = (TOP / "config.toml").read_text()
    config, default = load_config(TOP / "config.toml", bcrypt_rounds=4), build_config({}, folder=TOP)
    for section in SECTIONS:
        chapter = re.split(rf"\n(?:# )?{re.escape(section.header)}", text)[1]
        chapter = re.split(r"\n\n(?:# )?\[", chapter)[0]
        named = set(re.findall(r"^(?:# )?([a-z_]+) = ", chapter, re.MULTILINE))
        assert named | {"name"} == set(section.keys) | {"name"}
    assert (config.server, config.tokens, config.store) == (default.server, default.tokens, default.store)
    assert (config.registration, config.login) == (default.registration, default.login)


def test_a_description_says_what_is_served_and_no_secret() -> None:
    """Our choice: what `--check` prints."""
    config = load_config(TOP / "config.toml", bcrypt_rounds=4)
    lines = dict(describe_config(config))
    assert lines["MCP URL"] == "http://127.0.0.1:8080/mcp"
    assert lines["Issuer"] == "http://127.0.0.1:8080"
    assert (lines["Users"], lines["Clients"]) == ("admin", "my-client-id")
    assert (lines["Store"], lines["App"]) == (str(TOP / "omnitornado.state"), "examples.tools:mcp")
    assert "my-client-secret" not in str(lines)


@pytest.mark.parametrize(
    ("server", "port", "url"),
    [
        ({"public_url": "https://a.example/"}, 1, "https://a.example"),
        ({"host": "::1", "port": 9}, None, "http://[::1]:9"),
        ({"port": 0}, 4711, "http://127.0.0.1:4711"),
        ({"port": 0}, None, "http://127.0.0.1:(a free port)"),
    ],
)
def test_the_base_url_is_the_public_one_or_the_loopback_one(
    server: dict[str, object], port: int | None, url: str
) -> None:
    """Our choice."""
    assert build_base_url(build_config({"server": server}, folder=TOP).server, port) == url
