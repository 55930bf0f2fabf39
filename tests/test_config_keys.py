"""Every key of the configuration: what it takes, what it refuses, and what it is when left out."""

import datetime
import hashlib
import ipaddress
import typing
from pathlib import Path
from typing import Any

import pytest

from omnitornado.config import SECTIONS, Config, ConfigError, build_config, is_loopback_host
from omnitornado.config.dpop import DpopSettings
from omnitornado.config.limits import LimitSettings

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
HERE = Path(__file__).parent
ROUNDS = 4
USER = {"username": "admin", "password": "password"}
CLIENT = {"client_id": "app", "client_secret": "12345678"}
RESOURCE_SERVER = {"server_id": "files", "server_secret": "12345678", "resources": ["/mcp"]}
UPSTREAM = {"name": "files", "command": ["server"]}
ARRAYS: dict[str, dict[str, Any]] = {
    "users": USER,
    "clients": CLIENT,
    "resource_servers": RESOURCE_SERVER,
    "scopes": {"scope": "files:write"},
    "identity_providers": {"name": "acme", "issuer": "https://acme.example.com"},
}
OIDC = {"issuer": "https://id.example.com", "client_id": "app", "allow_everyone": True}
NETWORK = ipaddress.ip_network


def build(section: str, **keys: Any) -> Config:
    table: Any = ARRAYS[section] | keys if section in ARRAYS else keys
    if section == "mcp.upstreams":
        return build_config({"mcp": {"upstreams": [UPSTREAM | keys]}}, folder=HERE)
    if section == "login.oidc":
        section, table = "login", {"oidc": OIDC | keys}
    return build_config({section: [table] if section in ARRAYS else table}, folder=HERE, bcrypt_rounds=ROUNDS)


def read(config: Config, section: str, key: str) -> Any:
    if section == "mcp.upstreams":
        return getattr(config.upstreams[0], key)
    settings: Any = config.oidc if section == "login.oidc" else getattr(config, section)
    return getattr(settings[0] if section in ARRAYS else settings, key)


DURATION: list[tuple[object, object]] = [
    ("90s", 90.0),
    ("15m", 900.0),
    ("1h", 3600.0),
    ("30d", 2592000.0),
    (7, 7.0),
]
NO_DURATION = [0, -1, "0s", "1", "1 h", "-1s", "1w", "1h30m", "", "٣s", "1.5h", "9999999d", 10**30]
NOT_WORD = [True, 1, 1.5, [], {}, datetime.date(2026, 1, 1)]

VALID: dict[tuple[str, str], list[tuple[object, object]]] = {
    ("users", "oidc_name"): [("", "")],
    ("login.oidc", "issuer"): [
        ("https://id.example.com/", "https://id.example.com/"),
        ("https://id.example.com:8443/realms/a", "https://id.example.com:8443/realms/a"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://localhost", "http://localhost"),
    ],
    ("login.oidc", "client_id"): [("a", "a"), ("1-x.apps.example", "1-x.apps.example")],
    ("login.oidc", "client_secret"): [("x", "x"), ("GOCSPX-a b~", "GOCSPX-a b~")],
    ("login.oidc", "token_endpoint_auth_method"): [],
    ("login.oidc", "label"): [("", ""), ("Bücher & Co", "Bücher & Co")],
    ("login.oidc", "allowed_emails"): [(["Ada@Example.com"], ("ada@example.com",))],
    ("login.oidc", "allowed_domains"): [(["Example.com"], ("example.com",))],
    ("login.oidc", "allowed_claims"): [(["groups=a=b", "r.x=y z"], (("groups", "a=b"), ("r.x", "y z")))],
    ("login.oidc", "allow_everyone"): [(True, True)],
    ("login.oidc", "blocked"): [(["ada"], ("ada",))],
    ("login.oidc", "username_claim"): [("preferred_username", "preferred_username")],
    ("login.oidc", "username_prefix"): [("google:", "google:"), (":", ":")],
    ("login.oidc", "grantable_scopes"): [(["mcp"], ("mcp",))],
    ("login.oidc", "request_scopes"): [(["openid", "groups"], ("openid", "groups"))],
    ("login.oidc", "prompt"): [("", ""), ("select_account", "select_account")],
    ("login.oidc", "password_form"): [(False, False)],
    ("server", "host"): [
        ("localhost", "localhost"),
        ("LOCALHOST", "localhost"),
        ("127.0.0.2", "127.0.0.2"),
        ("::1", "::1"),
        ("[::1]", "::1"),
    ],
    ("server", "port"): [(0, 0), (65535, 65535)],
    ("server", "public_url"): [
        ("", ""),
        ("https://mcp.example.com", "https://mcp.example.com"),
        ("HTTPS://MCP.Example.COM/", "https://mcp.example.com"),
        ("https://mcp.example.com:443", "https://mcp.example.com"),
        ("https://mcp.example.com:8443/", "https://mcp.example.com:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[0:0:0:0:0:0:0:1]:80", "http://[::1]"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
    ("server", "allowed_origins"): [
        ([], ()),
        (
            ["https://App.Example.com/", "http://localhost:6274"],
            ("https://app.example.com", "http://localhost:6274"),
        ),
        (["vscode-webview://abc"], ("vscode-webview://abc",)),
    ],
    ("server", "trusted_proxies"): [
        (["10.0.0.0/8", "::1", "192.0.2.1"], (NETWORK("10.0.0.0/8"), NETWORK("::1"), NETWORK("192.0.2.1")))
    ],
    ("server", "tls_certificate"): [("", None)],
    ("server", "tls_private_key"): [("", None)],
    ("server", "shutdown_grace"): [*DURATION, (0, 0.0)],
    ("server", "speed"): [("auto", "auto"), ("off", "off")],
    ("tokens", "access_token_lifetime"): DURATION,
    ("tokens", "refresh_token_lifetime"): DURATION,
    ("tokens", "refresh_token_absolute_lifetime"): [*DURATION, (0, None), ("off", None)],
    ("tokens", "authorization_code_lifetime"): DURATION,
    ("tokens", "refresh_grace"): [*DURATION, ("0s", 0.0)],
    ("store", "path"): [("", None), ("x.state", HERE / "x.state"), ("/tmp/x", Path("/tmp/x"))],
    ("store", "url"): [
        (url, url)
        for url in (
            "",
            "redis://localhost",
            "redis://ada:p%40ss@10.0.0.1:6380/3",
            "redis://:p@[::1]:6379/0",
            "rediss://cache.example?ssl_ca_certs=/etc/ca.pem",
            "unix:///run/redis.sock?db=2",
        )
    ],
    ("store", "prefix"): [("{team}:", "{team}:")],
    ("store", "timeout"): DURATION,
    ("store", "start_timeout"): [*DURATION, (0, 0.0)],
    ("store", "cache"): [*DURATION, (0, 0.0)],
    ("store", "snapshot_interval"): DURATION,
    ("store", "max_journal"): [(1024, 1024), ("64MiB", 2**26)],
    ("store", "durability"): [("always", "always"), ("interval", "interval")],
    ("registration", "enabled"): [(True, True), (False, False)],
    ("registration", "initial_access_tokens"): [
        ([], ()),
        (["sha256:" + "Ab" * 32], (b"\xab" * 32,)),
        (["a-Token_of.16~+/="], (hashlib.sha256(b"a-Token_of.16~+/=").digest(),)),
    ],
    ("registration", "unused_lifetime"): [*DURATION, (0, None), ("off", None)],
    ("registration", "max_unused"): [(1, 1)],
    ("registration", "rate_per_minute"): [(1, 1)],
    ("client_documents", "mode"): [("fetch", "fetch"), ("known", "known"), ("off", "off")],
    ("client_documents", "allowed_hosts"): [
        ([], ()),
        (["Claude.AI", "*.Example.com"], ("claude.ai", "*.example.com")),
    ],
    ("client_documents", "denied_hosts"): [([], ()), (["*.example"], ("*.example",))],
    ("client_documents", "longest_cache"): DURATION,
    ("outbound", "trusted_hosts"): [
        ([], ()),
        (["idp.corp.example", "IDP.Internal."], ("idp.corp.example", "idp.internal")),
    ],
    ("login", "session_lifetime"): DURATION,
    ("login", "bcrypt_threads"): [(1, 1), (64, 64)],
    ("login", "validate_user"): [("", ""), ("accounts:check", "accounts:check"), ("a.b:c.d", "a.b:c.d")],
    ("audit", "path"): [("", None), ("a.jsonl", HERE / "a.jsonl"), ("/tmp/a", Path("/tmp/a"))],
    ("audit", "tool_calls"): [(True, True), (False, False)],
    ("audit", "max_size"): [(1024, 1024), ("1GiB", 2**30)],
    ("audit", "keep"): [(0, 0), (1000, 1000)],
    **{("limits", name): [(1, 1), (10_000, 10_000)] for name in LimitSettings.__struct_fields__},
    ("device", "enabled"): [(True, True), (False, False)],
    ("device", "code_lifetime"): DURATION,
    ("device", "interval"): DURATION,
    ("device", "rate_per_minute"): [(1, 1)],
    ("pushed_requests", "enabled"): [(True, True), (False, False)],
    ("pushed_requests", "required"): [(True, True), (False, False)],
    ("pushed_requests", "lifetime"): DURATION,
    ("pushed_requests", "rate_per_minute"): [(1, 1)],
    **{("dpop", name): [(True, True), (False, False)] for name in DpopSettings.__struct_fields__},
    ("clients", "dpop_bound_access_tokens"): [(True, True), (False, False)],
    ("users", "username"): [("a", "a"), ("x" * 128, "x" * 128), ("Renée O'Neil", "Renée O'Neil")],
    ("users", "scopes"): [(["mcp"], ("mcp",)), (["a:b", "c/d"], ("a:b", "c/d"))],
    ("users", "name"): [("", ""), ("Ada Lovelace", "Ada Lovelace")],
    ("clients", "client_id"): [("x", "x"), ("https://app.example.com/~a", "https://app.example.com/~a")],
    ("clients", "client_secret"): [("12345678", "12345678"), ("with a space", "with a space")],
    ("clients", "client_name"): [("", "app"), ("My client", "My client")],
    ("clients", "redirect_uris"): [
        ([], ()),
        (
            [
                "https://myapp.com/callback",
                "http://127.0.0.1/callback",
                "http://localhost:8787/callback?x=1",
                "http://[::1]/",
                "com.example.app:/callback",
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "vscode://x/y",
            ],
            (
                "https://myapp.com/callback",
                "http://127.0.0.1/callback",
                "http://localhost:8787/callback?x=1",
                "http://[::1]/",
                "com.example.app:/callback",
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "vscode://x/y",
            ),
        ),
    ],
    ("clients", "token_endpoint_auth_method"): [
        ("client_secret_basic", "client_secret_basic"),
        ("client_secret_post", "client_secret_post"),
    ],
    ("clients", "grant_types"): [
        (["authorization_code"], ("authorization_code",)),
        ([DEVICE_CODE, "refresh_token"], (DEVICE_CODE, "refresh_token")),
        (["client_credentials"], ("client_credentials",)),
    ],
    ("clients", "scope"): [("mcp", ("mcp",)), ("a b  a", ("a", "b")), ("", None)],
    ("clients", "require_pushed_authorization_requests"): [(True, True), (False, False)],
    ("clients", "client_uri"): [("https://app.example.com/x", "https://app.example.com/x"), ("", None)],
    ("identity_providers", "name"): [("acme", "acme"), ("a-1", "a-1")],
    ("identity_providers", "issuer"): [
        ("https://acme.example.com", "https://acme.example.com"),
        ("https://acme.example.com/Tenant/", "https://acme.example.com/Tenant/"),
    ],
    ("identity_providers", "jwks_uri"): [("", None), ("https://a.example/keys", "https://a.example/keys")],
    ("identity_providers", "jwks"): [({"keys": [{"kty": "x"}]}, {"keys": [{"kty": "x"}]})],
    ("identity_providers", "clients"): [
        ([], ()),
        (["a", "https://b.example/c"], ("a", "https://b.example/c")),
    ],
    ("identity_providers", "person_claim"): [("sub", "sub"), ("email", "email")],
    ("identity_providers", "people"): [("listed", "listed"), ("any", "any")],
    ("identity_providers", "subjects"): [({}, {}), ({"00u1": "ada"}, {"00u1": "ada"})],
    ("identity_providers", "claims"): [({}, {}), ({"hd": "a", "mfa": True}, {"hd": "a", "mfa": True})],
    ("identity_providers", "scopes"): [(["mcp"], ("mcp",))],
    ("identity_providers", "access_token_lifetime"): DURATION,
    ("scopes", "scope"): [("files:write", "files:write")],
    ("scopes", "description"): [("", ""), ("Change files", "Change files")],
    ("scopes", "implies"): [([], ()), (["files:read", "mcp"], ("files:read", "mcp"))],
    ("scopes", "default"): [(True, True), (False, False)],
    ("resource_servers", "server_id"): [("files", "files")],
    ("resource_servers", "server_secret"): [("12345678", "12345678")],
    ("resource_servers", "resources"): [
        (["/mcp", "/files/mcp"], ("/mcp", "/files/mcp")),
        (["HTTPS://Files.Example.COM:443/Mcp/"], ("https://files.example.com/Mcp",)),
        (["https://files.example.com"], ("https://files.example.com",)),
        (["http://127.0.0.1:9000/mcp"], ("http://127.0.0.1:9000/mcp",)),
    ],
    ("resource_servers", "scope"): [("files", ("files",)), ("", None)],
    ("resource_servers", "name"): [("", ""), ("Files", "Files")],
    ("mcp", "path"): [("/mcp", "/mcp"), ("/a/b-c.d_e~f", "/a/b-c.d_e~f"), ("/tokens", "/tokens")],
    ("mcp", "name"): [("My tools", "My tools")],
    ("mcp", "app"): [("", ""), ("tools:mcp", "tools:mcp"), ("a.b:c.d", "a.b:c.d")],
    ("mcp", "skills"): [("", None), ("skills", HERE / "skills"), ("/srv/skills", Path("/srv/skills"))],
    ("mcp", "skills_scopes"): [([], ()), (["skills", "read"], ("skills", "read"))],
    ("mcp", "skills_interval"): DURATION,
    ("mcp", "scope"): [("tools", "tools")],
    ("mcp", "max_body"): [
        ("4MiB", 4194304),
        ("512KiB", 524288),
        ("1GiB", 2**30),
        (1024, 1024),
        ("2000B", 2000),
    ],
    ("mcp", "tool_timeout"): [*DURATION, (0, None), ("off", None), ("0s", None)],
    ("mcp", "tool_threads"): [(1, 1)],
    ("mcp", "keep_alive"): DURATION,
    ("mcp", "write_timeout"): DURATION,
    ("mcp", "answer_timeout"): DURATION,
    ("mcp", "calls_per_person"): [(1, 1)],
    ("mcp", "streams_per_person"): [(1, 1)],
    ("mcp", "max_nesting"): [(8, 8), (500, 500)],
    ("mcp", "page_size"): [(1, 1), (10000, 10000)],
    ("mcp", "stream_buffer"): [("64KiB", 65536)],
    ("mcp", "stream_retention"): DURATION,
    ("mcp.upstreams", "name"): [("files", "files"), ("My.server-2", "My.server-2")],
    ("mcp.upstreams", "path"): [("", "/files/mcp"), ("/mcp", "/mcp"), ("/a/b", "/a/b")],
    ("mcp.upstreams", "command"): [(["npx", "-y", "x"], ("npx", "-y", "x")), (["a b", ""], ("a b", ""))],
    ("mcp.upstreams", "env"): [({}, {}), ({"KEY": "a b", "_k2": ""}, {"KEY": "a b", "_k2": ""})],
    ("mcp.upstreams", "pass_env"): [([], ()), (["API_KEY"], ("API_KEY",))],
    ("mcp.upstreams", "cwd"): [("", None), ("folder", HERE / "folder"), ("/srv", Path("/srv"))],
    ("mcp.upstreams", "scope"): [("", "files"), ("files:read", "files:read")],
    ("mcp.upstreams", "per"): [("person", "person"), ("session", "session"), ("shared", "shared")],
    ("mcp.upstreams", "idle_time"): DURATION,
    ("mcp.upstreams", "max_children"): [(1, 1), (10_000, 10_000)],
    ("mcp.upstreams", "start_timeout"): DURATION,
    ("mcp.upstreams", "timeout"): [*DURATION, (0, None), ("off", None)],
    ("mcp.upstreams", "max_message"): [("64KiB", 65536)],
    ("mcp.upstreams", "roots"): [(True, True), (False, False)],
    ("tasks", "time_limit"): [("15m", 900.0), (60, 60.0)],
    ("tasks", "result_lifetime"): [("15m", 900.0), (60, 60.0)],
    ("tasks", "max_lifetime"): [("2h", 7200.0), ("30d", 2592000.0)],
    ("tasks", "poll_interval"): DURATION,
    ("tasks", "running_per_person"): [(1, 1)],
    ("tasks", "kept_per_person"): [(1, 1)],
    ("tasks", "max_result"): [("64KiB", 65536)],
    ("tasks", "storage_per_person"): [("64KiB", 65536)],
    ("tasks", "threads"): [(1, 1)],
}

INVALID: dict[tuple[str, str], list[object]] = {
    ("users", "oidc_name"): ["ada", "a\nb", "x" * 256, *NOT_WORD],
    ("login.oidc", "issuer"): [
        *("http://localhost.example", "http://LOCALHOST:1", "http://127.0.0.2"),
        *("", "id.example.com", "http://id.example.com", "ftp://id.example.com", "https://", "https://id:0"),
        *("https://id.example.com?x=1", "https://id.example.com#x", "https://u:p@id.example.com"),
        *(
            "https://10.0.0.1",
            "https://[fd00::1]",
            "https://id.example.com/\u00e9",
            "https://id.example:port",
        ),
        *("https://id.example.com/.well-known/openid-configuration", "https://" + "a" * 600, *NOT_WORD),
    ],
    ("login.oidc", "client_id"): ["", "a\nb", "a" * 513, *NOT_WORD],
    ("login.oidc", "client_secret"): ["", "pass wörd", "a\nb", "x" * 1025, *NOT_WORD],
    ("login.oidc", "token_endpoint_auth_method"): ["none", "private_key_jwt", *NOT_WORD],
    ("login.oidc", "label"): ["a\nb", " Google", "x" * 61, *NOT_WORD],
    ("login.oidc", "allowed_emails"): [
        ["ada"],
        ["@example.com"],
        ["a b@example.com"],
        "ada@example.com",
        [1],
    ],
    ("login.oidc", "allowed_domains"): [["@example.com"], ["com"], ["https://x.com"], ["*.x.com "], "x.com"],
    ("login.oidc", "allowed_claims"): [["groups"], ["=staff"], ["groups="], ["a b=c"], "groups=staff", [1]],
    ("login.oidc", "allow_everyone"): ["true", 1, []],
    ("login.oidc", "blocked"): [["a\nb"], [""], "ada", [1]],
    ("login.oidc", "username_claim"): ["", "a b", "a=b", *NOT_WORD],
    ("login.oidc", "username_prefix"): ["", "google", "g oogle:", "x" * 127 + ":", *NOT_WORD],
    ("login.oidc", "grantable_scopes"): [[], ["a b"], "mcp", [1]],
    ("login.oidc", "request_scopes"): [[], ["profile"], ["a b"], "openid", [1]],
    ("login.oidc", "prompt"): ["none", "Login", *NOT_WORD],
    ("login.oidc", "password_form"): ["false", 0, []],
    ("mcp.upstreams", "name"): ["", "a b", "-a", "a/b", "ä", "a" * 65, *NOT_WORD],
    ("mcp.upstreams", "path"): ["mcp", "/", "/a/", "/token", "/a b", *NOT_WORD],
    ("mcp.upstreams", "command"): [[], "npx -y x", [1], ["a\0b"], {}],
    ("mcp.upstreams", "env"): [[], "A=b", {"A": 1}, {"A B": "x"}, {"": "x"}, {"A": "a\0b"}],
    ("mcp.upstreams", "pass_env"): ["API_KEY", ["A=b"], [""], [1]],
    ("mcp.upstreams", "cwd"): ["a\0b", *NOT_WORD],
    ("mcp.upstreams", "scope"): ["a b", "offline_access", *NOT_WORD],
    ("mcp.upstreams", "per"): ["", "Person", "client", *NOT_WORD],
    ("mcp.upstreams", "idle_time"): [*NO_DURATION, 1.5],
    ("mcp.upstreams", "max_children"): [0, -1, 10_001, True, "5"],
    ("mcp.upstreams", "start_timeout"): [*NO_DURATION, 1.5],
    ("mcp.upstreams", "timeout"): [-1, "never", True, 1.5],
    ("mcp.upstreams", "max_message"): [0, "2GiB", "1MB", True],
    ("mcp.upstreams", "roots"): ["true", 1, 0, []],
    ("server", "host"): [
        "",
        "http://localhost",
        "localhost:8080",
        "a b",
        "300.1.1.1",
        "a..b",
        "bücher",
        *NOT_WORD,
    ],
    ("server", "port"): [-1, 65536, True, "8080", 80.5, []],
    ("server", "public_url"): [
        "mcp.example.com",
        "http://mcp.example.com",
        "ftp://mcp.example.com",
        "https://",
        "https://mcp.example.com/path",
        "https://mcp.example.com/?",
        "https://mcp.example.com?x=1",
        "https://mcp.example.com#",
        "https://mcp.example.com/#x",
        "https://user@mcp.example.com",
        "https://user:pw@mcp.example.com",
        "https://mcp.example.com:0",
        "https://mcp.example.com:",
        "https://mcp.example.com:99999",
        "https://mcp.example.com:x",
        "https://mcp example.com",
        " https://mcp.example.com",
        "https://mcp.example.com\n",
        "https://bücher.example",
        "https://[::1",
        "https://0.0.0.0",
        "https://1.2.3",
        "https://a\\b",
        *NOT_WORD,
    ],
    ("server", "allowed_origins"): [
        ["*"],
        ["null"],
        ["https://a/b"],
        ["a"],
        ["https://u:p@a"],
        [1],
        [""],
        "x",
        True,
    ],
    ("server", "trusted_proxies"): [["10.0.0.1/8"], ["localhost"], [1], [""], "10.0.0.1", 1],
    ("server", "tls_certificate"): ["a\0b", *NOT_WORD],
    ("server", "tls_private_key"): ["a\0b", *NOT_WORD],
    ("server", "shutdown_grace"): [-1, "1", True, 1.5],
    ("server", "speed"): ["", "on", "Auto", True, 1],
    ("tokens", "access_token_lifetime"): [*NO_DURATION, *NOT_WORD[:1], *NOT_WORD[2:]],
    ("tokens", "refresh_token_lifetime"): [*NO_DURATION, 1.5],
    ("tokens", "refresh_token_absolute_lifetime"): [-1, "never", True, 1.5],
    ("tokens", "authorization_code_lifetime"): [*NO_DURATION, 1.5],
    ("tokens", "refresh_grace"): [-1, "1", True, 1.5],
    ("store", "path"): ["a\0b", "no/such/folder/x", ".", *NOT_WORD],
    ("store", "url"): [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://h:port",
        "redis://h/x",
        "redis://h?db=1",
        "redis://h#x",
        "redis://h\n",
        "rediss://h?ssl_cert_reqs=none",
        "unix://relative",
        "unix:///s?db=x",
        *NOT_WORD,
    ],
    ("store", "prefix"): ["", " x", "a" * 65, *NOT_WORD],
    ("store", "timeout"): [*NO_DURATION, 1.5],
    ("store", "start_timeout"): [-1, "1", 1.5],
    ("store", "cache"): [-1, "1", 1.5],
    ("store", "snapshot_interval"): [*NO_DURATION, 1.5],
    ("store", "max_journal"): [0, 1023, "2GiB", "1MB", True],
    ("store", "durability"): ["", "Always", "never", *NOT_WORD],
    ("registration", "enabled"): ["true", 1, 0, []],
    ("registration", "initial_access_tokens"): [
        "a-token-of-16-letters",
        [""],
        ["too-short"],
        ["x" * 513],
        ["with a space in it"],
        ["sha256:abc"],
        ["sha256:" + "g" * 64],
        [1],
    ],
    ("registration", "unused_lifetime"): [-1, "never", True, 1.5],
    ("registration", "max_unused"): [0, -1, True, "1", 1.0, 10**20],
    ("registration", "rate_per_minute"): [0, -1, True, "1", 1.0],
    ("client_documents", "mode"): ["", "on", "Fetch", *NOT_WORD],
    ("client_documents", "allowed_hosts"): [
        "claude.ai",
        [""],
        ["*"],
        ["*."],
        ["a.*"],
        ["*.*.example"],
        ["https://claude.ai"],
        ["claude.ai/"],
        ["10.0.0.1"],
        [5],
    ],
    ("client_documents", "denied_hosts"): ["claude.ai", ["*"], ["10.0.0.1"], [5]],
    ("client_documents", "longest_cache"): [*NO_DURATION, 1.5],
    ("outbound", "trusted_hosts"): [
        "idp.corp.example",
        [""],
        ["10.0.0.1"],
        ["::1"],
        ["2130706433"],
        ["*"],
        ["*.corp.example"],
        ["https://idp.corp.example"],
        ["idp.corp.example:443"],
        [5],
    ],
    ("login", "session_lifetime"): [*NO_DURATION, 1.5],
    ("login", "bcrypt_threads"): [0, 65, True, "2"],
    ("login", "validate_user"): ["accounts", "accounts:", "a-b:c", 1, True],
    ("audit", "path"): ["a\0b", "no/such/folder/x", ".", *NOT_WORD],
    ("audit", "tool_calls"): ["true", 1, 0],
    ("audit", "max_size"): [0, 1023, "2GiB", "1MB", True],
    ("audit", "keep"): [-1, 1001, True, "5"],
    **{("limits", name): [0, -1, 10_001, True, "5", 1.0] for name in LimitSettings.__struct_fields__},
    ("device", "enabled"): ["true", 1, 0, []],
    ("device", "code_lifetime"): [*NO_DURATION, 1.5],
    ("device", "interval"): [*NO_DURATION, 1.5],
    ("device", "rate_per_minute"): [0, -1, True, "1"],
    ("pushed_requests", "enabled"): ["true", 1, 0, []],
    ("pushed_requests", "required"): ["true", 1, 0, []],
    ("pushed_requests", "lifetime"): [*NO_DURATION, 1.5],
    ("pushed_requests", "rate_per_minute"): [0, -1, True, "1"],
    **{("dpop", name): ["true", 1, 0, []] for name in DpopSettings.__struct_fields__},
    ("clients", "dpop_bound_access_tokens"): ["true", 1, 0, []],
    ("users", "username"): [
        "",
        "x" * 129,
        "a\nb",
        "a\0",
        "a\u202eb",
        " a",
        "client:a",
        "Client:a",
        *NOT_WORD,
    ],
    ("users", "password"): ["", "x" * 73, "a\0b", *NOT_WORD],
    ("users", "password_hash"): ["", "password", "$2b$12$short", *NOT_WORD],
    ("users", "scopes"): [[], [""], ["a b"], ['a"'], ["ä"], [1], "mcp", True, {}],
    ("users", "name"): ["a\nb", "x" * 129, *NOT_WORD],
    ("clients", "client_id"): ["", "a b", "ä", "x" * 257, "a\n", *NOT_WORD],
    ("clients", "client_secret"): ["", "1234567", "x" * 513, "pässword1", "12345678\n", *NOT_WORD],
    ("clients", "client_name"): ["a\nb", "x" * 129, *NOT_WORD],
    ("clients", "redirect_uris"): [
        ["http://myapp.com/callback"],
        ["http://localhost.evil.example/"],
        ["http://app.localhost/"],
        ["https://a/#"],
        ["https://a/#x"],
        ["https://user@a/"],
        ["https://user:pw@a/"],
        ["https:///callback"],
        ["https:callback"],
        ["https://a b/"],
        ["https://a\\@b/"],
        ["https://*.example.com/"],
        ["https://a:0/"],
        ["https://a:x/"],
        ["https://[::1/"],
        ["/callback"],
        ["callback"],
        ["//a/callback"],
        [""],
        ["javascript:alert(1)"],
        ["JavaScript:alert(1)"],
        ["data:text/html,x"],
        ["file:///etc/passwd"],
        ["vbscript:x"],
        ["blob:https://a/b"],
        ["about:blank"],
        ["myapp:/callback"],
        ["https://a/" + "x" * 2048],
        [1],
        "https://a/",
        True,
    ],
    ("clients", "token_endpoint_auth_method"): [
        "",
        "none",
        "private_key_jwt",
        "client_secret_jwt",
        *NOT_WORD,
    ],
    ("clients", "jwks"): ["", "x", "[]", "{}", '{"keys": {}}', {}, {"keys": "x"}, [], 1, "[" * 9000],
    ("clients", "jwks_uri"): [
        "http://app.example.com/jwks",
        "app.example.com",
        "https://",
        "https://a:b@app.example.com/",
        1,
    ],
    ("clients", "token_endpoint_auth_signing_alg"): ["", "none", "HS256", "rs256", *NOT_WORD],
    ("clients", "grant_types"): [
        [],
        ["refresh_token"],
        ["implicit"],
        ["password"],
        "authorization_code",
        [1],
    ],
    ("clients", "scope"): ['"', "ä", "a\tb", ["mcp"], 1],
    ("clients", "require_pushed_authorization_requests"): ["true", 1, 0, []],
    ("clients", "client_uri"): [
        "javascript:alert(1)",
        "app",
        "https://",
        "https://u@a/",
        "https://a b/",
        1,
        [],
    ],
    ("mcp", "path"): [
        "",
        "/",
        "mcp",
        "/mcp/",
        "//mcp",
        "/a//b",
        "/a/../b",
        "/a b",
        "/a%2fb",
        "/mcp?x",
        "/mcp#x",
        "/token",
        "/authorize",
        "/register/x",
        "/login",
        "/omnitornado/x",
        "/metrics",
        "/healthz",
        "/account",
        "/.well-known/x",
        "/a/.well-known/x",
        *NOT_WORD,
    ],
    ("mcp", "name"): ["", "a\nb", "x" * 129, *NOT_WORD],
    ("mcp", "app"): [
        "tools",
        "tools:",
        ":mcp",
        "a:b:c",
        "a b:c",
        "../a:b",
        "a.:b",
        "a:class",
        1,
    ],
    ("identity_providers", "name"): ["", "a b", "A", "a:b", "-a", "a" * 33, *NOT_WORD],
    ("identity_providers", "issuer"): [
        "",
        "acme.example.com",
        "http://acme.example.com",
        "https://",
        "https://a:b@acme.example.com",
        "https://acme.example.com/?x=1",
        "https://acme.example.com/#x",
        "https://acme.example.com/a b",
        "https://[x",
        1,
    ],
    ("identity_providers", "jwks_uri"): ["http://a.example/keys", "a.example", 1],
    ("identity_providers", "jwks"): ["", "x", {}, {"keys": 1}, 1],
    ("identity_providers", "clients"): ["a", [""], ["a b"], [1]],
    ("identity_providers", "person_claim"): ["", " sub", 1],
    ("identity_providers", "people"): ["", "all", True],
    ("identity_providers", "subjects"): [
        "",
        [],
        {"": "ada"},
        {"x" * 256: "ada"},
        {"x": ""},
        {"x": 1},
        {"x": "client:a"},
    ],
    ("identity_providers", "claims"): ["", [], {"": "a"}, {"a": 1.5}, {"a": ["b"]}, {"a": {}}],
    ("identity_providers", "scopes"): ["mcp", [], ["a b"]],
    ("identity_providers", "access_token_lifetime"): ["", "1w", 0, -1],
    ("scopes", "scope"): ["", "a b", "ä", "offline_access", 1],
    ("scopes", "description"): ["a\nb", "x" * 129, *NOT_WORD],
    ("scopes", "implies"): [["a b"], [1], "files:read", True],
    ("scopes", "default"): ["true", 1, []],
    ("resource_servers", "server_id"): ["", "a b", *NOT_WORD],
    ("resource_servers", "server_secret"): ["", "1234567", *NOT_WORD],
    ("resource_servers", "resources"): [
        [],
        [""],
        ["files"],
        ["/token"],
        ["/mcp/"],
        ["http://files.example.com/mcp"],
        ["https://files.example.com/mcp?x=1"],
        ["https://files.example.com/mcp#x"],
        ["https://user:password@files.example.com/mcp"],
        ["https://files.example.com:0/mcp"],
        ["https:///mcp"],
        ["https://[x/mcp"],
        ["ftp://files.example.com/mcp"],
        ["https://files.example.com/a b"],
        [1],
        "/mcp",
    ],
    ("resource_servers", "scope"): ['a"b', 1, ["files"]],
    ("resource_servers", "name"): ["a\nb", *NOT_WORD],
    ("mcp", "skills"): ["a\0b", *NOT_WORD],
    ("mcp", "skills_scopes"): ["skills", [""], ["a b"], ["offline_access"], [1], 1],
    ("mcp", "skills_interval"): [*NO_DURATION, 1.5],
    ("mcp", "scope"): ["", "a b", "ä", "offline_access", 1],
    ("mcp", "max_body"): [0, -1, 1023, 2**30 + 1, "4MB", "4", "", "MiB", True, 1.5],
    ("mcp", "tool_timeout"): [-1, "never", True, 1.5],
    ("mcp", "tool_threads"): [0, 1025, True, "8"],
    ("mcp", "keep_alive"): [*NO_DURATION, 1.5],
    ("mcp", "write_timeout"): [*NO_DURATION, 1.5],
    ("mcp", "answer_timeout"): [*NO_DURATION, 1.5],
    ("mcp", "calls_per_person"): [0, True, "8"],
    ("mcp", "streams_per_person"): [0, True, "8"],
    ("mcp", "max_nesting"): [7, 501, True, "8"],
    ("mcp", "page_size"): [0, 10001, True, "8"],
    ("mcp", "stream_buffer"): [0, 1023, "1MB", True],
    ("mcp", "stream_retention"): [*NO_DURATION, 1.5],
    ("tasks", "time_limit"): [*NO_DURATION, 1.5],
    ("tasks", "result_lifetime"): [*NO_DURATION, 1.5],
    ("tasks", "max_lifetime"): [*NO_DURATION, 1.5, "119m"],
    ("tasks", "poll_interval"): [*NO_DURATION, 1.5],
    ("tasks", "running_per_person"): [0, True, "8"],
    ("tasks", "kept_per_person"): [0, True, "8"],
    ("tasks", "max_result"): [0, 1023, "1MB", True],
    ("tasks", "storage_per_person"): [0, 1023, "1MB", True],
    ("tasks", "threads"): [0, 1025, True, "8"],
}

DEFAULTS = {
    "server": ("127.0.0.1", 8080, "", (), (), None, None, 10.0, "off"),
    "tokens": (3600.0, 2592000.0, 31536000.0, 60.0, 30.0),
    "store": (HERE / "omnitornado.state", "", "{omnitornado}:", 5.0, 10.0, 2.0, 60.0, 2**26, "always"),
    "registration": (True, (), 2592000.0, 1000, 60),
    "client_documents": ("fetch", (), (), 86400.0),
    "outbound": ((),),
    "login": (43200.0, 2, ""),
    "audit": (None, True, 50 * 2**20, 5),
    "limits": (1000, 100, 1000, 1000, 100, 1000, 1000, 100),
    "device": (True, 600.0, 5.0, 30),
    "pushed_requests": (True, False, 600.0, 60),
    "dpop": (False, False, False),
    "mcp": (
        *("/mcp", "omnitornado", "", None, (), 2.0, "mcp", 4194304, 60.0, 8, 15.0),
        *(30.0, 600.0, 64, 64, 100, 1000, 1048576, 300.0),
    ),
    "tasks": (3600.0, 3600.0, 86400.0, 1.0, 16, 1000, 1048576, 33554432, 32),
}


@pytest.mark.parametrize(
    ("section", "key", "written", "expected"),
    [(*place, written, expected) for place, pairs in VALID.items() for written, expected in pairs],
)
def test_a_key_takes_a_valid_value(section: str, key: str, written: object, expected: object) -> None:
    """Our choice: the configuration's contract."""
    value = read(build(section, **{key: written}), section, key)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("section", "key", "written"),
    [(*place, written) for place, values in INVALID.items() for written in values],
)
def test_a_key_refuses_a_wrong_type_or_an_impossible_value(section: str, key: str, written: object) -> None:
    """Our choice: refused at start, with key and reason."""
    with pytest.raises(ConfigError) as refused:
        build(section, **{key: written})
    is_array = section in ARRAYS or section == "mcp.upstreams"
    place = f"[[{section}]] number 1, {key}" if is_array else f"[{section}] {key}"
    assert str(refused.value).startswith(f"<python>: {place}: ")
    assert refused.value.reason
    assert str(refused.value).isprintable()


def test_every_key_has_valid_and_invalid_examples_here() -> None:
    """Our choice: a new key comes with its table of tests."""
    keys = {(section.name, name) for section in SECTIONS for name in section.keys}
    assert set(INVALID) == keys
    elsewhere = {  # in test_config_rules.py: they go with no client_secret
        ("clients", "jwks"),
        ("clients", "jwks_uri"),
        ("clients", "token_endpoint_auth_signing_alg"),
    }
    assert set(VALID) == keys - elsewhere - {("users", "password"), ("users", "password_hash")}


@pytest.mark.parametrize("section", DEFAULTS)
def test_keys_that_are_left_out_have_their_defaults(section: str) -> None:
    """Our choice: the configuration's contract."""
    settings = getattr(build_config({}, folder=HERE), section)
    values = tuple(getattr(settings, name) for name in settings.__struct_fields__)
    assert values == DEFAULTS[section]


def test_an_empty_configuration_has_no_users_and_no_clients() -> None:
    """Our choice: an application that checks passwords itself names none."""
    config = build_config({}, folder=HERE)
    assert (config.users, config.clients, config.folder, config.source) == ((), (), HERE, "<python>")


def test_every_default_is_valid_and_every_key_has_help() -> None:
    """Our choice: help, default and kind stand in one place."""
    for section in SECTIONS:
        for name, key in section.keys.items():
            assert key.help.endswith("."), name
            if isinstance(key.default, str | int | list | dict):
                key.kind.parse(key.default)
            elif name != "password":
                assert key.example is not None or key.secret, name


def test_every_field_is_a_key_or_says_what_it_derives_from() -> None:
    """Our choice: nothing in the settings that the file can't say, but for what follows from it."""
    derived = {
        (section.name, field)
        for section in SECTIONS
        for field in typing.get_type_hints(section.settings)
        if field not in section.keys
    }
    assert derived == {("clients", "either_secret_method")}


@pytest.mark.parametrize("key", ["username", "client_id"])
def test_a_key_without_a_default_is_needed(key: str) -> None:
    """Our choice: reported at the table that lacks it."""
    section = "users" if key == "username" else "clients"
    table = {name: value for name, value in ARRAYS[section].items() if name != key}
    with pytest.raises(ConfigError, match=rf"\[\[{section}\]\] number 1, {key}: needed"):
        build_config({section: [table]}, folder=HERE)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LocalHost", True),
        ("localhost.", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("[::1]", True),
        ("0:0:0:0:0:0:0:1", True),
        ("::ffff:127.0.0.1", True),
        ("", False),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("128.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("localhost.example.com", False),
        ("notlocalhost", False),
        ("127.0.0.1.example.com", False),
        ("127.1", False),
        ("example.com", False),
    ],
)
def test_loopback_hosts_are_this_machine_alone(host: str, expected: bool) -> None:
    """Required by RFC 1122 §3.2.1.3 (127/8), RFC 4291 §2.5.3 (::1) and RFC 6761 §6.3 (localhost)."""
    assert is_loopback_host(host) is expected
