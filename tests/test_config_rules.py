"""Rules across keys: passwords, TLS, clients, duplicates, unknown names; and no secret in an error."""

import datetime
import json
import traceback
from pathlib import Path
from typing import Any

import bcrypt
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from omnitornado.config import Config, ConfigError, build_config, describe_config, load_config

HASH = bcrypt.hashpw(b"password", bcrypt.gensalt(4)).decode()
PLAIN = {"username": "admin", "password": "password"}
HASHED = {"username": "admin", "password_hash": HASH}
SECRET = "hunter2-hunter2"


def build(folder: Path, **tables: Any) -> Config:
    return build_config(tables, folder=folder, bcrypt_rounds=4)


def refuse(folder: Path, **tables: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        build(folder, **tables)
    return str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.9"])
@pytest.mark.parametrize("public_url", ["", "http://localhost:8080", "https://127.0.0.1", "http://[::1]:1"])
def test_a_plain_password_is_accepted_on_loopback_hashed_and_not_kept(
    tmp_path: Path, host: str, public_url: str
) -> None:
    """Our choice: nothing of a plain password outlives the start."""
    config = build(tmp_path, server={"host": host, "public_url": public_url}, users=[PLAIN])
    assert bcrypt.checkpw(b"password", config.users[0].password_hash or b"")
    assert b'"password"' not in msgspec.json.encode(config, enc_hook=str)


@pytest.mark.parametrize(
    "server",
    [
        {"public_url": "https://mcp.example.com"},
        {"host": "0.0.0.0", "public_url": "http://localhost"},
        {"host": "::", "public_url": "https://mcp.example.com"},
    ],
)
def test_a_plain_password_off_loopback_is_refused_with_the_fix(
    tmp_path: Path, server: dict[str, str]
) -> None:
    """Our choice: anywhere but on loopback the file holds hashes."""
    message = refuse(tmp_path, server=server, users=[PLAIN])
    assert message.startswith("<python>: [[users]] number 1, password: ")
    assert "loopback" in message
    assert "hash-password" in message


def test_a_hash_is_accepted_anywhere_and_kept_as_it_is(tmp_path: Path) -> None:
    """Our choice."""
    server = {"host": "0.0.0.0", "public_url": "https://mcp.example.com"}
    assert build(tmp_path, server=server, users=[HASHED]).users[0].password_hash == HASH.encode()


def test_a_user_has_a_password_or_a_hash_and_not_both(tmp_path: Path) -> None:
    """Our choice."""
    assert "number 1, password_hash: needed" in refuse(tmp_path, users=[{"username": "admin"}])
    assert "number 1, password: " in refuse(tmp_path, users=[{**PLAIN, "password_hash": HASH}])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "mcp.example.com"])
def test_a_public_url_is_needed_off_loopback(tmp_path: Path, host: str) -> None:
    """Our choice: the issuer is one known address, never a guess from a request."""
    message = refuse(tmp_path, server={"host": host})
    assert message.startswith("<python>: [server] public_url: needed")
    assert host in message


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pem")
    for name in ("one", "two"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        start = datetime.datetime(2026, 1, 1)
        builder = x509.CertificateBuilder(
            subject, subject, key.public_key(), 1, start, start.replace(year=2036)
        )
        pem = serialization.Encoding.PEM
        (folder / f"{name}.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (folder / f"{name}.key").write_bytes(key.private_bytes(pem, form, plain))
        locked = key.private_bytes(pem, form, serialization.BestAvailableEncryption(b"x"))
        (folder / f"{name}.locked").write_bytes(locked)
    return folder


def test_a_certificate_and_its_key_are_found_beside_the_configuration(pem: Path) -> None:
    """Our choice: relative paths start at the configuration's folder."""
    server = build(pem, server={"tls_certificate": "one.pem", "tls_private_key": "one.key"}).server
    assert (server.tls_certificate, server.tls_private_key) == (pem / "one.pem", pem / "one.key")


@pytest.mark.parametrize(
    ("certificate", "key", "where"),
    [
        ("one.pem", "", "tls_private_key: needed"),
        ("", "one.key", "tls_certificate: needed"),
        ("none.pem", "one.key", "tls_certificate: can't read"),
        ("one.pem", "none.key", "tls_private_key: can't read"),
        ("one.pem", "two.key", "tls_certificate: can't be used"),
        ("one.key", "one.pem", "tls_certificate: can't be used"),
        ("one.pem", "one.locked", "tls_certificate: can't be used"),
        (".", "one.key", "tls_certificate: can't read"),
    ],
)
def test_tls_files_that_would_fail_later_are_refused(
    pem: Path, certificate: str, key: str, where: str
) -> None:
    """Our choice: found at start, not at the first connection."""
    assert where in refuse(pem, server={"tls_certificate": certificate, "tls_private_key": key})


def test_a_plain_http_public_url_contradicts_a_certificate(pem: Path) -> None:
    """Our choice."""
    server = {"tls_certificate": "one.pem", "tls_private_key": "one.key", "public_url": "http://localhost:1"}
    assert "[server] public_url: https:// is needed" in refuse(pem, server=server)


@pytest.mark.parametrize(
    ("given", "method", "either"),
    [
        ({"client_secret": SECRET}, "client_secret_basic", True),
        (
            {"client_secret": SECRET, "token_endpoint_auth_method": "client_secret_basic"},
            "client_secret_basic",
            False,
        ),
        (
            {"client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post"},
            "client_secret_post",
            False,
        ),
        ({"redirect_uris": ["https://a/"]}, "none", False),
        ({"redirect_uris": ["https://a/"], "token_endpoint_auth_method": "none"}, "none", False),
    ],
)
def test_the_authentication_method_follows_from_the_secret(
    tmp_path: Path, given: dict[str, Any], method: str, either: bool
) -> None:
    """Required by RFC 7591 §2: the default is client_secret_basic. Our choice: unset, post is good too."""
    client = build(tmp_path, clients=[{"client_id": "app", **given}]).clients[0]
    assert (client.token_endpoint_auth_method, client.either_secret_method) == (method, either)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "redirect_uris: needed"),
        ({"redirect_uris": []}, "redirect_uris: needed"),
        (
            {"redirect_uris": ["https://a/"], "token_endpoint_auth_method": "client_secret_basic"},
            "needs a client_secret",
        ),
        ({"client_secret": SECRET, "token_endpoint_auth_method": "none"}, "never check the client_secret"),
        (
            {"client_secret": SECRET, "grant_types": ["refresh_token"]},
            'grant_types: "refresh_token" alone',
        ),
        ({"client_secret": SECRET, "grant_types": []}, "grant_types: "),
        (
            {"redirect_uris": ["https://a/"], "grant_types": ["authorization_code", "client_credentials"]},
            'grant_types: "client_credentials" needs a client_secret or keys',
        ),
    ],
)
def test_a_client_whose_keys_contradict_each_other_is_refused(
    tmp_path: Path, given: dict[str, Any], where: str
) -> None:
    """Our choice: redirect URIs may be left to the first approval by confidential clients only."""
    assert where in refuse(tmp_path, clients=[{"client_id": "app", **given}])


KEYS = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"jwks": KEYS}, (KEYS, None, None)),
        ({"jwks": json.dumps(KEYS)}, (KEYS, None, None)),
        ({"jwks_uri": "https://app.example.com/jwks"}, (None, "https://app.example.com/jwks", None)),
        ({"jwks": KEYS, "token_endpoint_auth_signing_alg": "EdDSA"}, (KEYS, None, "EdDSA")),
        ({"jwks": KEYS, "token_endpoint_auth_method": "private_key_jwt"}, (KEYS, None, None)),
    ],
)
def test_a_client_with_keys_signs(tmp_path: Path, given: dict[str, Any], kept: tuple[Any, ...]) -> None:
    """Required by RFC 7591 §2 (jwks, jwks_uri): as a confidential client it may leave its addresses out."""
    client = build(tmp_path, clients=[{"client_id": "app", **given}]).clients[0]
    assert (client.jwks, client.jwks_uri, client.token_endpoint_auth_signing_alg) == kept
    assert (client.token_endpoint_auth_method, client.either_secret_method) == ("private_key_jwt", False)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"jwks": KEYS, "jwks_uri": "https://a.example/"}, "jwks_uri: jwks and jwks_uri are both set"),
        ({"jwks": KEYS, "client_secret": SECRET}, "client_secret: a client has a client_secret or keys"),
        ({"jwks": KEYS, "token_endpoint_auth_method": "none"}, "never use the keys"),
        ({"jwks": KEYS, "token_endpoint_auth_method": "client_secret_post"}, "never use the keys"),
        ({"client_secret": SECRET, "token_endpoint_auth_method": "private_key_jwt"}, "never check the"),
        (
            {"redirect_uris": ["https://a/"], "token_endpoint_auth_method": "private_key_jwt"},
            "needs jwks or jwks_uri",
        ),
        ({"client_secret": SECRET, "token_endpoint_auth_signing_alg": "ES256"}, "needs jwks or jwks_uri"),
    ],
)
def test_keys_that_do_not_fit_the_client_are_refused(
    tmp_path: Path, given: dict[str, Any], where: str
) -> None:
    """Required by RFC 7591 §2: one of jwks and jwks_uri. Our choice: nothing that would never be used."""
    assert where in refuse(tmp_path, clients=[{"client_id": "app", **given}])


ACME = {"name": "acme", "issuer": "https://acme.example.com"}
OIDC = {"issuer": ACME["issuer"], "client_id": "x", "allow_everyone": True}
ASSERTIONS = ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


@pytest.mark.parametrize(
    ("tables", "where"),
    [
        ({"identity_providers": [ACME | {"jwks": KEYS, "jwks_uri": "https://a.example/k"}]}, "are both set"),
        (
            {
                "identity_providers": [ACME],
                "server": {"public_url": "https://acme.example.com"},
            },
            "issuer: this is the server itself",
        ),
        ({"identity_providers": [ACME | {"people": "login"}]}, '"login" needs a [login.oidc] with the same'),
        (
            {
                "identity_providers": [ACME | {"people": "login"}],
                "login": {"oidc": OIDC | {"issuer": "https://b.example"}},
            },
            '"login" needs a [login.oidc] with the same issuer',
        ),
        (
            {
                "identity_providers": [ACME | {"people": "login", "subjects": {"u": "ada"}}],
                "login": {"oidc": OIDC},
            },
            "subjects: with people",
        ),
        (
            {
                "identity_providers": [ACME | {"people": "login", "person_claim": "email"}],
                "login": {"oidc": OIDC},
            },
            "person_claim: with people",
        ),
        ({"identity_providers": [ACME, ACME | {"name": "b"}]}, "number 2, issuer: this issuer is in use"),
        ({"identity_providers": [ACME, ACME | {"issuer": "https://b.example"}]}, "number 2, name: this name"),
        (
            {"clients": [{"client_id": "app", "client_secret": SECRET, "grant_types": ASSERTIONS}]},
            "needs [[identity_providers]]",
        ),
        (
            {
                "identity_providers": [ACME],
                "clients": [{"client_id": "app", "redirect_uris": ["https://a/"], "grant_types": ASSERTIONS}],
            },
            "needs a client_secret or keys",
        ),
    ],
)
def test_an_identity_provider_that_can_not_be_is_refused(
    tmp_path: Path, tables: dict[str, Any], where: str
) -> None:
    """Our choice: nothing that would never be used, and nobody who vouches to himself."""
    assert where in refuse(tmp_path, **tables)


def test_people_that_a_provider_vouches_for_need_no_password(tmp_path: Path) -> None:
    """Our choice: listed, they have their scopes here, and can't sign in by the page."""
    config = build(
        tmp_path,
        identity_providers=[ACME],
        users=[{"username": "ada", "scopes": ["mcp"]}],
        clients=[{"client_id": "app", "client_secret": SECRET, "grant_types": ASSERTIONS}],
    )
    assert (config.users[0].password_hash, config.clients[0].grant_types) == (None, tuple(ASSERTIONS))
    assert "password_hash: needed" in refuse(tmp_path, users=[{"username": "ada"}])


def test_keys_are_written_as_tables_or_as_text(tmp_path: Path) -> None:
    """Our choice: both ways that TOML has for a key set."""
    key = KEYS["keys"][0]
    inline = f'kty = "{key["kty"]}", crv = "{key["crv"]}", x = "{key["x"]}"'
    for jwks in (f"jwks = {{ keys = [ {{ {inline} }} ] }}", f"jwks = '''{json.dumps(KEYS)}'''"):
        path = tmp_path / "config.toml"
        path.write_text(f'[[clients]]\nclient_id = "app"\n{jwks}\n', encoding="utf-8")
        assert load_config(path).clients[0].jwks == KEYS


def test_duplicate_users_and_clients_are_refused_at_the_second(tmp_path: Path) -> None:
    """Our choice."""
    other = {"username": "other", "password_hash": HASH}
    assert "[[users]] number 3, username: " in refuse(tmp_path, users=[HASHED, other, HASHED])
    client = {"client_id": "app", "client_secret": SECRET}
    assert "[[clients]] number 2, client_id: " in refuse(tmp_path, clients=[client, client])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sever": {}}, "[sever]: unknown table; did you mean [server]?"),
        ({"user": [{}]}, "[user]: unknown table; did you mean [[users]]?"),
        ({"zzz": {}}, "[zzz]: unknown table"),
        ({"port": 1}, "port: unknown key outside of any table"),
        ({"server": {"prot": 1}}, "[server] prot: unknown key; did you mean port?"),
        ({"tokens": {"acces_token_lifetime": 1}}, "unknown key; did you mean access_token_lifetime?"),
        (
            {"users": [HASHED, {**PLAIN, "pasword": "x"}]},
            "[[users]] number 2, pasword: unknown key; did you mean password?",
        ),
        (
            {"clients": [{"client_id": "a", "redirect_uri": "x"}]},
            "redirect_uri: unknown key; did you mean redirect_uris?",
        ),
        ({"clients": [{"either_secret_method": True}]}, "either_secret_method: unknown key"),
        ({"mcp": {"xyzzy": 1}}, "[mcp] xyzzy: unknown key"),
        ({"server": {"a\nb": 1}}, "[server] a\\x0ab: unknown key"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(
    tmp_path: Path, data: dict[str, Any], message: str
) -> None:
    """Our choice: a typing error never switches a setting off silently."""
    assert message in refuse(tmp_path, **data)


@pytest.mark.parametrize(
    ("upstreams", "message"),
    [
        ([{"name": "files"}], "[[mcp.upstreams]] number 1, command: needed"),
        ([{"command": ["x"]}], "[[mcp.upstreams]] number 1, name: needed"),
        ([{"name": "a", "url": "http://x"}], "number 1, url: servers behind the login that speak HTTP"),
        ([{"name": "a", "command": ["x"]}] * 2, "number 2, name: this name is in use by another"),
        (
            [{"name": "a", "command": ["x"]}, {"name": "b", "command": ["x"], "path": "/a/mcp"}],
            "[[mcp.upstreams]] number 2, path: another server stands at this path",
        ),
        ([{"name": "a", "command": ["x"], "path": "/mcp"}], "path: another server stands at this path"),
        ([{"name": "a", "comand": ["x"]}], "number 1, comand: unknown key; did you mean command?"),
        ([{"name": "token", "command": ["x"]}], "number 1, path: needed, for the name does not do"),
        ({"name": "a"}, "[mcp] upstreams: expected an array of tables, found a table"),
        ([{"name": "a", "command": ["x"], "env": {"K": ["secret"]}}], "env: K: expected a string"),
    ],
)
def test_upstreams_are_held_to_each_other(tmp_path: Path, upstreams: Any, message: str) -> None:
    """Our choice."""
    refused = refuse(tmp_path, mcp={"app": "tools:mcp", "upstreams": upstreams})
    assert message in refused
    assert "secret" not in refused


def test_an_upstream_may_stand_where_nothing_of_our_own_does() -> None:
    """Our choice: an endpoint without tools is not served beside upstreams."""
    upstreams = [{"name": "a", "command": ["x"], "path": "/mcp"}, {"name": "b", "command": ["x"]}]
    config = build_config({"mcp": {"upstreams": upstreams}}, folder=Path.cwd())
    assert not config.has_own_endpoint
    assert config.mcp_paths == ("/mcp", "/b/mcp")
    assert "VALUE" not in repr(
        build_config({"mcp": {"upstreams": [{**upstreams[0], "env": {"K": "VALUE"}}]}}, folder=Path.cwd())
    )


@pytest.mark.parametrize("value", [1, "x", True, [], [1]])
def test_a_table_that_is_none_is_refused(tmp_path: Path, value: object) -> None:
    """Our choice."""
    assert "[server]: expected a table" in refuse(tmp_path, server=value)
    if value:
        assert "expected a" in refuse(tmp_path, users=value)
    assert "expected an array of tables, found a table: write [[users]]" in refuse(tmp_path, users={})


def test_the_state_is_kept_in_files_or_at_a_url_and_not_both(tmp_path: Path) -> None:
    """Our choice: which of them counts must not be a guess."""
    url = "redis://ada:hunter2@localhost/0"
    assert "[store] path: " in refuse(tmp_path, store={"path": "state", "url": url})
    for table in ({"url": url}, {"url": url, "path": ""}):
        config = build_config({"store": table}, folder=tmp_path)
        assert (config.store.path, config.store.url) == (None, url)


def test_the_password_of_a_store_is_in_no_message(tmp_path: Path) -> None:
    """Our choice: a log line, a traceback and `--check` are read by many."""
    config = build_config({"store": {"url": "redis://ada:hunter2@localhost/0"}}, folder=tmp_path)
    assert "hunter2" not in repr(config)
    assert ("Store", "redis://localhost/0") in describe_config(config)
    for url in ("redis://ada:hunter2@localhost/x", "redis://ada:hunter2@h?ssl=1", "redis://ada:hunter2@h:x"):
        assert "hunter2" not in refuse(tmp_path, store={"url": url})


def test_a_store_path_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    """Our choice."""
    (tmp_path / "state").mkdir()
    assert "[store] path: " in refuse(tmp_path, store={"path": "state"})


@pytest.mark.parametrize(
    "tables",
    [
        {"users": [{"username": "admin", "password": SECRET * 5}]},
        {"users": [{"username": "admin", "password": SECRET + "\0"}]},
        {"users": [{"username": "admin", "password": [SECRET]}]},
        {"users": [{"username": "admin", "password": {"x": SECRET}}]},
        {"users": [{"username": "admin", "password_hash": SECRET}]},
        {"users": [{"username": "admin", "password": SECRET, "password_hash": HASH}]},
        {"users": [{"username": "admin", "password": SECRET}], "server": {"public_url": "https://a.example"}},
        {"users": [{"username": "admin", "pasword": SECRET}]},
        {"users": [{"username": "", "password": SECRET}]},
        {"users": SECRET},
        {"users": [SECRET]},
        {"clients": [{"client_id": "app", "client_secret": SECRET + "ä"}]},
        {"clients": [{"client_id": "app", "client_secret": SECRET * 50}]},
        {"clients": [{"client_id": "app", "client_secret": [SECRET]}]},
        {"clients": [{"client_id": "app", "client_secret": SECRET, "token_endpoint_auth_method": "none"}]},
        {"clients": [{"client_id": "app", "client_secret": SECRET}] * 2},
        {"resource_servers": [{"server_id": "x", "server_secret": SECRET}]},
        {"resource_servers": [{"server_id": "x", "server_secret": SECRET + "ä", "resources": ["/mcp"]}]},
        {"registration": {"initial_access_tokens": [SECRET + " "]}},
        {"registration": {"initial_access_tokens": [SECRET, SECRET * 100]}},
        {"server": {"public_url": f"https://user:{SECRET}@a.example"}},
        {"server": {"public_url": f"https://user:{SECRET} @a.example"}},
        {"server": {"public_url": f"https://user:{SECRET}@a.example:x"}},
        {"server": {"allowed_origins": [f"x://user:{SECRET}@a.example"]}},
        {"password": SECRET},
    ],
)
def test_no_error_repeats_a_secret(tmp_path: Path, tables: dict[str, Any]) -> None:
    """Our choice: neither the message nor the traceback."""
    with pytest.raises(ConfigError) as refused:
        build(tmp_path, **tables)
    shown = "".join(traceback.format_exception(refused.value, limit=0))
    assert "hunter2" not in str(refused.value) + shown


def test_settings_show_no_secret_when_they_are_printed(tmp_path: Path) -> None:
    """Our choice: a log line that holds a configuration holds no secret."""
    config = build(tmp_path, users=[HASHED], clients=[{"client_id": "app", "client_secret": SECRET}])
    shown = repr(config) + str(config.users[0]) + f"{config.clients[0]}"
    assert SECRET not in shown
    assert HASH[7:] not in shown
    assert "admin" in shown
