"""What a client says of itself when it registers."""

from typing import Any

import pytest

from omnitornado.oauth.client import DEVICE_CODE
from omnitornado.oauth.client_metadata import build_registration_response, parse_registration
from omnitornado.oauth.secrets import digest
from omnitornado.store.records import Client

from .keys import make_key, publish, publish_key
from .world import START, build_token_bytes, refused

CALLBACK = "http://127.0.0.1/callback"


def register(**members: Any) -> tuple[Client, str | None]:
    return parse_registration(
        {"redirect_uris": [CALLBACK]} | members, now=START, token_bytes=build_token_bytes()
    )


def test_the_least_a_client_can_say_is_enough() -> None:
    """Required by RFC 7591 §2: the defaults."""
    client, secret = register()
    assert secret is not None
    assert client.secret_hash == digest(secret)
    response = build_registration_response(client, secret)
    assert response == {
        "client_id": client.client_id,
        "client_id_issued_at": int(START),
        "client_name": "this computer (127.0.0.1)",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "client_secret": secret,
        "client_secret_expires_at": 0,
    }


def test_every_registration_is_its_own() -> None:
    """Required by RFC 7591 §3.2.1: a unique client id. Random is our choice: nobody can guess the next."""
    first, second = parse_registration({"redirect_uris": [CALLBACK]}, now=START), register()
    assert first[0].client_id != second[0].client_id
    assert first[1] != second[1]


def test_none_is_honoured_and_gets_no_secret() -> None:
    """Required by RFC 7591 §2; a secret issued anyway breaks Gemini CLI and Codex."""
    client, secret = register(token_endpoint_auth_method="none")
    assert secret is None
    assert client.secret_hash is None
    response = build_registration_response(client, secret)
    assert response["token_endpoint_auth_method"] == "none"
    assert not {"client_secret", "client_secret_expires_at"} & set(response)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_method_with_a_secret_gets_one(method: str) -> None:
    """Required by RFC 7591 §3.2.1."""
    client, secret = register(token_endpoint_auth_method=method)
    assert client.token_endpoint_auth_method == method
    assert secret is not None


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (None, ["authorization_code"]),
        ([], ["authorization_code"]),
        (["authorization_code"], ["authorization_code"]),
        (["refresh_token", "authorization_code"], ["refresh_token", "authorization_code"]),
        (
            ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        ),
        (
            ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer", "authorization_code"],
            ["authorization_code"],
        ),
    ],
)
def test_unknown_grants_are_left_out_and_the_client_told(asked: list[str] | None, kept: list[str]) -> None:
    """Required by RFC 7591 §3.2.1 (the response says what was registered); VS Code asks for all there are."""
    client, secret = register(grant_types=asked)
    assert build_registration_response(client, secret)["grant_types"] == kept


def test_unknown_response_types_are_left_out() -> None:
    """Required by RFC 7591 §3.2.1."""
    client, secret = register(response_types=["code", "token", "id_token"])
    assert build_registration_response(client, secret)["response_types"] == ["code"]


def test_a_client_that_only_uses_device_codes_needs_no_address() -> None:
    """Required by RFC 7591 §2 and §2.1: addresses are for grants that answer by redirect, and `code` is for
    the authorization code.
    """
    body = {"grant_types": [DEVICE_CODE, "refresh_token"], "token_endpoint_auth_method": "none"}
    variants: list[dict[str, Any]] = [
        {},
        {"redirect_uris": []},
        {"response_types": []},
        {"response_types": ["code"]},
    ]
    for more in variants:
        client, secret = parse_registration(body | more, now=START)
        response = build_registration_response(client, secret)
        assert (response["redirect_uris"], response["response_types"]) == ([], [])
        assert response["grant_types"] == [DEVICE_CODE, "refresh_token"]
        assert response["client_name"] == "Unnamed device"
    with refused("invalid_redirect_uri", "invalid_redirect_uri"):
        parse_registration(body | {"redirect_uris": ["http://evil.example/"]}, now=START)
    for grants in (["authorization_code", DEVICE_CODE], None):
        with refused("invalid_redirect_uri", "invalid_redirect_uri"):
            parse_registration({"grant_types": grants}, now=START)


@pytest.mark.parametrize("scope", ["", " ", None])
def test_an_empty_scope_is_none(scope: str | None) -> None:
    """Required by RFC 6749 §3.3 (a scope has a token); Gemini CLI and the Inspector send an empty one."""
    assert "scope" not in register(scope=scope)[0].metadata


def test_what_was_registered_is_returned() -> None:
    """Required by RFC 7591 §3.2.1: all registered metadata. What is not known is ignored (§2)."""
    members: dict[str, Any] = {
        "client_name": "An app",
        "client_uri": "https://app.example.com",
        "logo_uri": "https://app.example.com/logo.png",
        "tos_uri": "http://app.example.com/tos",
        "policy_uri": "https://app.example.com/policy",
        "contacts": ["a@app.example.com"],
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "1.0",
        "application_type": "native",
        "scope": "mcp  unknown mcp",
    }
    client, secret = register(**members, jwks_uri="https://x", made_up=[1], id="x")
    response = build_registration_response(client, secret)
    assert response.items() >= (members | {"scope": "mcp unknown"}).items()
    assert not {"jwks_uri", "made_up", "id"} & set(response)


@pytest.mark.parametrize(
    "uris",
    [
        ["http://127.0.0.1/callback"],
        ["http://[::1]:8080/callback"],
        ["http://localhost:3000/callback"],
        ["com.example.app:/callback"],
        ["cursor://anysphere.cursor-mcp/oauth/callback"],
        ["https://localhost/callback"],
        ["https://127.0.0.1:8443/callback"],
        ["https://app.example.com/callback", "http://localhost:3000/callback"],
    ],
)
def test_a_web_application_is_not_answered_on_the_persons_computer(uris: list[str]) -> None:
    """Required by OpenID Connect Dynamic Client Registration §2 (application_type "web")."""
    with refused("invalid_redirect_uri", "invalid_redirect_uri"):
        register(application_type="web", redirect_uris=uris)
    for members in ({"application_type": "native"}, {}):
        client, _ = register(redirect_uris=uris, **members)
        assert client.redirect_uris == tuple(uris)
        assert client.metadata.get("application_type") == members.get("application_type")


@pytest.mark.parametrize("kind", ["web", "native"])
def test_https_is_for_web_and_for_native_applications(kind: str) -> None:
    """Required by RFC 8252 §7.2: a native application may have an https address of its own. VS Code registers
    one as native.
    """
    client, _ = register(application_type=kind, redirect_uris=["https://app.example.com/callback"])
    assert client.metadata["application_type"] == kind


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("eyJhbGciOiJSUzI1NiJ9.eyJzb2Z0d2FyZV9pZCI6IngifQ.c2ln", "unapproved_software_statement"),
        ("eyJhbGciOiJub25lIn0.eyJzb2Z0d2FyZV9pZCI6IngifQ.", "unapproved_software_statement"),
        ("x", "invalid_software_statement"),
        ("", "invalid_software_statement"),
        ("a.b.c.d", "invalid_software_statement"),
        ("a.b\n.c", "invalid_software_statement"),
        ({"software_id": "x"}, "invalid_software_statement"),
        (1, "invalid_software_statement"),
    ],
)
def test_a_software_statement_is_refused_plainly(statement: object, code: str) -> None:
    """Required by RFC 7591 §3.2.2: nobody is registered as something else than was signed. Our choice: no
    issuer is trusted.
    """
    with refused(code, code):
        register(software_statement=statement)
    assert register(software_statement=None)[0].client_name


def test_a_client_cannot_choose_its_id_or_secret() -> None:
    """Required by RFC 7591 §3.2.1: the server assigns them."""
    client, secret = register(client_id="web", client_secret="mine", client_id_issued_at=1)
    assert client.client_id.startswith("omt_ci_")
    assert secret is not None
    assert secret.startswith("omt_cs_")
    assert build_registration_response(client, secret)["client_id_issued_at"] == int(START)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("An app", "An app"),
        ("  An \t app \n", "An app"),
        ("An\x00app\x1b[31m\x7f", "An app [31m"),
        ("Claude\u202egnp.exe", "Claude gnp.exe"),
        ("\u2066Claude\u2069\u200f", "Claude"),
        ("Cla\u200bude\ufeff", "Cla ude"),
        ("line\u2028break\u2029here\x85now", "line break here now"),
        ("Приложение 应用 🛠", "Приложение 应用 🛠"),
        ("<b>An app</b>", "<b>An app</b>"),
        ("", "this computer (127.0.0.1)"),
        (" \u202e\u200b ", "this computer (127.0.0.1)"),
        (None, "this computer (127.0.0.1)"),
    ],
)
def test_a_name_is_one_line_of_plain_text(given: str | None, shown: str) -> None:
    """Required by RFC 7591 §5 in spirit: what a person reads can't be turned around or hidden."""
    assert register(client_name=given)[0].client_name == shown


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        1,
        {},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": CALLBACK},
        {"redirect_uris": {"0": CALLBACK}},
        {"redirect_uris": [1]},
        {"redirect_uris": [None]},
        {"redirect_uris": [CALLBACK, ["https://a.example"]]},
        {"redirect_uris": [""]},
        {"redirect_uris": ["http://app.example.com/callback"]},
        {"redirect_uris": [CALLBACK, "javascript:alert(1)"]},
        {"redirect_uris": ["https://app.example.com/callback#x"]},
        {"redirect_uris": ["https://user@app.example.com/callback"]},
        {"redirect_uris": ["https://*.example.com/callback"]},
        {"redirect_uris": ["http://[::1].evil.com/callback"]},
        {"redirect_uris": [f"{CALLBACK}/{n}" for n in range(33)]},
    ],
)
def test_unfit_redirect_uris_are_refused(body: object) -> None:
    """Required by RFC 7591 §3.2.2: invalid_redirect_uri (invalid_client_metadata without an object)."""
    code = "invalid_redirect_uri" if isinstance(body, dict) else "invalid_client_metadata"
    with refused(code, code):
        parse_registration(body, now=START)


@pytest.mark.parametrize(
    "member",
    [
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": ""},
        {"token_endpoint_auth_method": ["none"]},
        {"token_endpoint_auth_method": 0},
        {"grant_types": "authorization_code"},
        {"grant_types": [1]},
        {"grant_types": {}},
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["refresh_token"]},
        {"response_types": ["token"]},
        {"response_types": "code"},
        {"client_name": 1},
        {"client_name": ["x"]},
        {"client_name": "x" * 201},
        {"client_uri": 1},
        {"client_uri": "javascript:alert(1)"},
        {"client_uri": "data:text/html,x"},
        {"client_uri": "app.example.com"},
        {"client_uri": "https://"},
        {"client_uri": "https://[x"},
        {"client_uri": "https://a.example/\n"},
        {"client_uri": "https://a.example/" + "x" * 2048},
        {"logo_uri": "data:image/png;base64,AAAA"},
        {"tos_uri": {}},
        {"policy_uri": "file:///etc/passwd"},
        {"software_id": 1},
        {"software_id": "a\x00b"},
        {"software_version": "\ud800"},
        {"contacts": "a@b.example"},
        {"contacts": ["\ud800"]},
        {"contacts": [1]},
        {"contacts": ["x"] * 11},
        {"application_type": "desktop"},
        {"application_type": []},
        {"scope": ["mcp"]},
        {"scope": 'a"b'},
        {"scope": "x" * 3000},
    ],
)
def test_unfit_metadata_is_refused(member: dict[str, Any]) -> None:
    """Required by RFC 7591 §3.2.2: invalid_client_metadata."""
    with refused("invalid_client_metadata", "invalid_client_metadata"):
        register(**member)


@pytest.mark.parametrize(
    "body",
    [
        {
            "client_name": "Visual Studio Code",
            "redirect_uris": [
                "https://insiders.vscode.dev/redirect",
                "https://vscode.dev/redirect",
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/",
            ],
            "grant_types": [
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
            ],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        },
        {
            "client_name": "Gemini CLI MCP Client",
            "redirect_uris": ["http://localhost:7777/oauth/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "scope": "",
        },
        {
            "client_name": "Cursor",
            "redirect_uris": [
                "http://localhost:8787/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "cursor://anysphere.cursor-mcp/oauth/callback",
            ],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        },
        {
            "client_name": "Claude",
            "redirect_uris": [
                "https://claude.ai/api/mcp/auth_callback",
                "https://claude.com/api/mcp/auth_callback",
            ],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
            "scope": "mcp offline_access",
        },
    ],
)
def test_the_clients_of_the_field_can_register(body: dict[str, Any]) -> None:
    """Our choice: as they are known to ask."""
    client, secret = parse_registration(body, now=START)
    response = build_registration_response(client, secret)
    assert response["redirect_uris"] == body["redirect_uris"]
    assert response["grant_types"] == body["grant_types"]
    assert (secret is None) is (body["token_endpoint_auth_method"] == "none")


def test_a_client_that_signs_registers_its_keys() -> None:
    """Required by RFC 7591 §2: kept and returned, and no secret is issued beside them."""
    jwks = publish(make_key(), kid="1")
    for members in (
        {"jwks": jwks},
        {"jwks_uri": "https://keys.example/jwks.json"},
        {"jwks": jwks, "token_endpoint_auth_signing_alg": "ES256"},
    ):
        client, secret = register(token_endpoint_auth_method="private_key_jwt", **members)
        assert (secret, client.secret_hash) == (None, None)
        response = build_registration_response(client, secret)
        assert response.items() >= members.items()
        assert "client_secret" not in response


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"jwks": publish(make_key()), "jwks_uri": "https://keys.example/jwks.json"},
        {"jwks": {}},
        {"jwks": {"keys": []}},
        {"jwks": "x"},
        {"jwks": {"keys": [dict(make_key().as_dict(private=True))]}},
        {"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}},
        {"jwks": {"keys": [publish_key(make_key())] * 33}},
        {"jwks_uri": 5},
        {"jwks_uri": ""},
        {"jwks_uri": "http://keys.example/jwks.json"},
        {"jwks_uri": "https://127.0.0.1/jwks.json"},
        {"jwks_uri": "https://[::1]/jwks.json"},
        {"jwks_uri": "https://a@keys.example/jwks.json"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks": publish(make_key()), "token_endpoint_auth_signing_alg": "none"},
        {"jwks": publish(make_key()), "token_endpoint_auth_signing_alg": "HS256"},
        {"jwks": publish(make_key()), "token_endpoint_auth_signing_alg": ["ES256"]},
    ],
)
def test_a_client_that_signs_needs_keys_that_can_be_used(members: dict[str, Any]) -> None:
    """Required by RFC 7591 §2: one of jwks and jwks_uri; a private key is nothing to give away."""
    with refused("invalid_client_metadata", "invalid_client_metadata"):
        register(token_endpoint_auth_method="private_key_jwt", **members)


def test_keys_of_a_client_that_does_not_sign_are_left_out() -> None:
    """Our choice: nothing would ever use them, so whatever they are is no reason to turn a client away."""
    client, _ = register(token_endpoint_auth_method="none", jwks="nonsense", jwks_uri=5)
    assert not {"jwks", "jwks_uri"} & set(client.metadata)
