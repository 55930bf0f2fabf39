"""Tables of bad answers and what the doctor says of them. No network."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from omnitornado.doctor.addresses import (
    is_loopback,
    list_protected_resource,
    list_server_metadata,
    list_variants,
    split,
)
from omnitornado.doctor.answers import Answer, parse_challenge, parse_document, quote
from omnitornado.doctor.checks_login import is_callback_blocked
from omnitornado.doctor.checks_server import check_cors, check_families, check_streams, check_variants
from omnitornado.doctor.clients import CLIENTS, Client
from omnitornado.doctor.examine import Report, Walk, examine
from omnitornado.doctor.findings import FAILS, FIXES, WARNING, Finding
from omnitornado.doctor.report import write_json, write_lines

URL = "https://mcp.example.com/mcp"
ISSUER = "https://mcp.example.com"
PLACE = f"{ISSUER}/.well-known/oauth-protected-resource/mcp"
CHALLENGE = f'Bearer error="invalid_token", resource_metadata="{PLACE}", scope="mcp"'
RESOURCE: dict[str, Any] = {"resource": URL, "authorization_servers": [ISSUER], "scopes_supported": ["mcp"]}
METADATA: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "registration_endpoint": f"{ISSUER}/register",
    "response_types_supported": ["code"],
    "grant_types_supported": ["authorization_code", "refresh_token"],
    "code_challenge_methods_supported": ["S256"],
    "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
    "authorization_response_iss_parameter_supported": True,
    "client_id_metadata_document_supported": True,
}
ALL = {client.name: client for client in CLIENTS}


def build_answer(
    status: int = 200, document: Any = None, *, method: str = "GET", url: str = URL, **more: Any
) -> Answer:
    body = b"" if document is None else msgspec.json.encode(document)
    return Answer(method, url, status, body=body, **more)


def build_challenge(value: str = CHALLENGE, **more: Any) -> Answer:
    return build_answer(401, headers=(("www-authenticate", value),), **more)


def build_redirect(target: str, **more: Any) -> Answer:
    return build_answer(302, headers=(("location", target),), **more)


def build_walk(client: Client, **changes: Any) -> Walk:
    """What a faultless server would have answered this client, but for `changes`."""
    walk = Walk(
        URL,
        openings=tuple(build_challenge(method=one.method) for one in client.openings),
        resource=(build_answer(document=RESOURCE),),
        issuer=ISSUER,
        metadata=(build_answer(document=METADATA),),
        registration=build_answer(201, client.registration | {"client_id": "c1"}),
        client_id="c1",
        removal=build_answer(204),
        authorize=build_redirect("/login"),
        page=build_answer(),
        unknown=build_answer(400),
    )
    return msgspec.structs.replace(walk, **changes)


def with_metadata(**changes: Any) -> dict[str, Any]:
    document = {key: value for key, value in (METADATA | changes).items() if value is not None}
    return {"metadata": (build_answer(document=document),)}


def with_resource(**changes: Any) -> dict[str, Any]:
    return {"resource": (build_answer(document=RESOURCE | changes),)}


def with_registered(**changes: Any) -> Callable[[Client], dict[str, Any]]:
    return lambda client: {
        "registration": build_answer(201, client.registration | {"client_id": "c1"} | changes)
    }


def with_csp(value: str) -> dict[str, Any]:
    return {"page": build_answer(headers=(("content-security-policy", value),))}


BAD: list[tuple[str, str, str, Any]] = [
    # code, a client, the level for it, what is changed
    ("unreachable", "Codex", FAILS, {"openings": (build_answer(0, trouble="refused"),)}),
    ("certificate", "Codex", FAILS, {"openings": (build_answer(0, trouble="certificate"),)}),
    ("certificate", "Codex", FAILS, {"openings": (build_answer(0, trouble="tls"),)}),
    ("slow_limit", "Codex", FAILS, {"openings": (build_answer(0, trouble="timeout"),)}),
    ("slow_limit", "Claude", FAILS, {"openings": (build_challenge(seconds=11.0),)}),
    ("slow", "Claude", WARNING, {"openings": (build_challenge(seconds=4.0),)}),
    ("slow", "Codex", WARNING, {"openings": (build_challenge(seconds=11.0),)}),
    ("plain_http", "Cursor", FAILS, {"url": "http://mcp.example.com/mcp"}),
    ("local_address", "ChatGPT", WARNING, {"url": "http://127.0.0.1:8080/mcp"}),
    ("no_ipv4", "Claude", FAILS, {"has_ipv4": False}),
    ("mcp_redirect", "fastmcp", FAILS, {"openings": (build_redirect(f"{URL}/"),)}),
    ("not_401", "Gemini CLI", FAILS, {"openings": (build_challenge(), build_answer(405, method="HEAD"))}),
    ("not_401", "Codex", FAILS, {"openings": (build_answer(403),)}),
    ("not_401", "Codex", FAILS, {"openings": (build_answer(200),)}),
    ("no_challenge", "Claude", FAILS, {"openings": (build_answer(401),)}),
    ("no_challenge", "VS Code", WARNING, {"openings": (build_challenge('Basic realm="x"'),)}),
    ("no_resource_metadata", "Gemini CLI", FAILS, {"openings": (build_challenge('Bearer scope="mcp"'),)}),
    ("no_scope", "Codex", WARNING, {"openings": (build_challenge(f'Bearer resource_metadata="{PLACE}"'),)}),
    ("no_resource_document", "Claude", FAILS, {"resource": (build_answer(404),)}),
    ("no_resource_document", "Codex", WARNING, {"resource": ()}),
    ("resource_spelling", "Claude", FAILS, with_resource(resource=f"{URL}/")),
    ("resource_spelling", "Codex", WARNING, with_resource(resource="https://MCP.example.com/mcp")),
    ("resource_spelling", "Gemini CLI", FAILS, with_resource(resource=ISSUER)),
    ("resource_differs", "Codex", FAILS, with_resource(resource="http://10.0.0.3:8080/mcp")),
    ("resource_differs", "Codex", FAILS, with_resource(resource=7)),
    ("dpop_required", "Codex", FAILS, with_resource(dpop_bound_access_tokens_required=True)),
    ("no_authorization_server", "Codex", FAILS, with_resource(authorization_servers=[])),
    ("no_authorization_server", "Codex", FAILS, with_resource(authorization_servers=["ftp://x"])),
    ("metadata_missing", "Codex", FAILS, {"metadata": (build_answer(404), build_answer(404))}),
    ("metadata_missing", "Codex", FAILS, {"metadata": (build_answer(200, ["a list"]),)}),
    ("metadata_redirect", "Codex", WARNING, {"resource": (build_redirect(URL), build_answer(200, RESOURCE))}),
    ("metadata_place", "Codex", WARNING, {"metadata": (build_answer(404), build_answer(200, METADATA))}),
    ("issuer_differs", "Codex", FAILS, with_metadata(issuer=f"{ISSUER}/")),
    ("no_s256", "Codex", FAILS, with_metadata(code_challenge_methods_supported=["plain"])),
    ("no_code", "Codex", FAILS, with_metadata(response_types_supported=["token"])),
    ("no_code", "Codex", FAILS, with_metadata(grant_types_supported=["client_credentials"])),
    ("no_none", "Codex", FAILS, with_metadata(token_endpoint_auth_methods_supported=None)),
    ("no_none", "Python SDK", WARNING, with_metadata(token_endpoint_auth_methods_supported=["x"])),
    ("push_required", "Codex", FAILS, with_metadata(require_pushed_authorization_requests=True)),
    ("no_endpoint", "Codex", FAILS, with_metadata(token_endpoint=None)),
    ("plain_endpoint", "Codex", FAILS, with_metadata(authorization_endpoint="http://example.com/a")),
    ("endpoints_elsewhere", "Claude", WARNING, with_metadata(authorization_endpoint=f"{ISSUER}/o/authorize")),
    ("no_iss", "Codex", WARNING, with_metadata(authorization_response_iss_parameter_supported=None)),
    ("no_documents", "VS Code", WARNING, with_metadata(client_id_metadata_document_supported="true")),
    ("no_identity", "Gemini CLI", FAILS, with_metadata(registration_endpoint=None)),
    ("registration_limited", "Codex", WARNING, {"registration": build_answer(429), "client_id": ""}),
    ("registration_refused", "Codex", FAILS, {"registration": build_answer(400, {"error": "invalid_scope"})}),
    ("registration_answer", "Codex", FAILS, {"registration": build_answer(201, {"id": 1}), "client_id": ""}),
    ("secret_issued", "Gemini CLI", FAILS, with_registered(client_secret="s")),
    ("secret_issued", "Codex", FAILS, with_registered(token_endpoint_auth_method="client_secret_basic")),
    ("redirect_changed", "VS Code", FAILS, with_registered(redirect_uris=["https://vscode.dev/redirect"])),
    ("no_deletion", "Codex", WARNING, {"removal": None}),
    ("no_deletion", "Codex", WARNING, {"removal": build_answer(401)}),
    ("authorize_401", "fastmcp", FAILS, {"authorize": build_answer(401), "page": None}),
    ("authorize_401", "fastmcp", FAILS, {"page": build_answer(401)}),
    ("authorize_refused", "Cursor", FAILS, {"authorize": build_answer(400), "page": None}),
    ("authorize_refused", "Codex", FAILS, {"authorize": build_redirect("http://127.0.0.1/?error=invalid_scope")}),
    ("authorize_refused", "Codex", FAILS, {"page": build_answer(500)}),
    ("authorize_gone", "Codex", FAILS, {"authorize": build_answer(0, trouble="guarded")}),
    ("authorize_unseen", "Gemini CLI", WARNING, {"registration": None, "client_id": "", "authorize": None}),
    ("unknown_client", "fastmcp", FAILS, {"unknown": build_answer(200)}),
    ("unknown_client", "Codex", WARNING, {"unknown": build_redirect("http://127.0.0.1/?error=x")}),
    ("form_action", "Codex", FAILS, with_csp("default-src 'none'; form-action 'self'")),
    ("form_action", "Cursor", FAILS, with_csp("form-action *")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "name", "level", "changes"), BAD, ids=lambda one: str(one)[:40])
def test_a_bad_answer_is_found_and_weighed_for_the_client(
    code: str, name: str, level: str, changes: Any
) -> None:
    """Our choice: what stops one client hinders another; each finding says what to do."""
    client = ALL[name]
    walk = build_walk(client, **(changes(client) if callable(changes) else changes))
    found = [finding for finding in examine(client, walk).findings if finding.code == code and finding.fix]
    assert [finding.level for finding in found] == [level]
    assert found[0].fix == FIXES[code]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_faultless_server_passes_with_every_client(client: Client) -> None:
    """Our choice: no finding but good ones, where nothing is wrong."""
    findings = examine(client, build_walk(client)).findings
    assert [finding for finding in findings if finding.level != "ok"] == []
    assert {"challenge", "resource", "issuer", "s256", "registration", "authorize"} <= {
        finding.code for finding in findings
    }


def build_preflight(status: int = 204, allowed: str = "Authorization") -> Answer:
    return build_answer(status, method="OPTIONS", headers=(("access-control-allow-headers", allowed),))


def build_exposing(origin: str, exposed: str) -> Answer:
    headers = (("access-control-allow-origin", origin), ("access-control-expose-headers", exposed))
    return build_answer(401, headers=headers)


EXPOSED = "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version"
SERVER: list[tuple[str, list[Finding]]] = [
    ("metadata_place", list(check_variants([build_answer(200, METADATA), build_answer(404)]))),
    ("metadata_redirect", list(check_variants([build_redirect(URL)]))),
    ("preflight", list(check_cors(build_preflight(401), build_exposing("*", EXPOSED)))),
    ("cors", list(check_cors(build_preflight(), build_answer(401)))),
    ("cors", list(check_cors(build_preflight(allowed="*"), build_exposing("*", EXPOSED)))),
    ("cors_exposed", list(check_cors(build_preflight(), build_exposing("*", "Mcp-Session-Id")))),
    ("family", list(check_families({"IPv4": True, "IPv6": False}))),
]


@pytest.mark.parametrize(("code", "findings"), SERVER)
def test_what_is_wrong_with_the_server_is_a_warning(code: str, findings: list[Finding]) -> None:
    """Our choice: none of these stops a client by itself."""
    assert [finding.code for finding in findings if finding.level == WARNING] == [code]


def test_a_server_that_is_right_gets_good_lines() -> None:
    """Our choice; and streams can't be judged before a login, which is said."""
    findings = [
        *check_variants([build_answer(200, METADATA)]),
        *check_cors(build_preflight(), build_exposing("http://localhost:6274", EXPOSED)),
        *check_families({"IPv4": True, "IPv6": True}),
        *check_streams(),
    ]
    assert {finding.level for finding in findings} == {"ok"}
    assert "can't be seen from outside" in findings[-1].reason


def test_every_problem_is_provoked_by_a_test_and_stops_only_known_ones() -> None:
    """Our choice: the tables above are whole, and no client needs what nobody looks at."""
    provoked = {row[0] for row in BAD} | {code for code, _ in SERVER} | {"streams_unseen"}
    assert provoked == set(FIXES)
    assert {code for client in CLIENTS for code in client.needs} <= set(FIXES)


def test_every_client_is_there_and_logs_in_with_an_address_it_registers() -> None:
    """Our choice: the list of clients is whole."""
    names = "ChatGPT, Claude, Claude Code, Codex, Cursor, VS Code, Gemini CLI, MCP Inspector, mcp-remote"
    assert {*names.split(", "), "Python SDK", "fastmcp"} == set(ALL)
    assert all(client.redirect_uri in client.registration["redirect_uris"] for client in CLIENTS)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            'Bearer scope="a b", resource_metadata=https://x/y',
            {"scope": "a b", "resource_metadata": "https://x/y"},
        ),
        ('Basic realm="x", bearer error="a\\"b"', {"error": 'a"b'}),
        ('Bearer scope="first", scope="second"', {"scope": "first"}),
        ('Bearer scope="a", DPoP algs="ES256", scope="b"', {"scope": "a", "algs": "ES256"}),
        ("Bearer", {}),
        ('Basic realm="Bearer"', None),
        ("Bearerish x=y", None),
        ("", None),
    ],
)
def test_a_challenge_is_read_as_it_was_written(value: str, expected: dict[str, str] | None) -> None:
    """Our choice (RFC 9110 §11.6.1): scheme names in any case, quoted and plain values, several schemes."""
    assert parse_challenge(build_challenge(value)) == expected


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b"{", b'"x"', b"[" * 100_000])
def test_what_is_no_document_is_none(body: bytes) -> None:
    """Our choice: nothing that a server sends ends the run."""
    assert parse_document(Answer("GET", URL, 200, body=body)) is None


@pytest.mark.parametrize(
    ("policy", "redirect_uri", "blocked"),
    [
        ("default-src 'self'", "http://localhost:1/cb", False),
        ("form-action 'self'", "https://claude.ai/cb", True),
        ("form-action 'self' https://claude.ai", "https://claude.ai/cb", False),
        ("form-action 'self' http://localhost:*", "http://localhost:5/cb", False),
        ("form-action 'none'", "cursor://x/cb", True),
        ("form-action 'self' cursor:", "cursor://x/cb", False),
        ("form-action *", "cursor://x/cb", True),
        ("form-action *", "https://claude.ai/cb", False),
    ],
)
def test_a_policy_that_stops_the_way_back_is_seen(policy: str, redirect_uri: str, blocked: bool) -> None:
    """Our choice: as Chromium does it, which holds the redirect after a form to form-action too."""
    answer = build_answer(headers=(("content-security-policy", policy),))
    assert is_callback_blocked(answer, redirect_uri) is blocked


@pytest.mark.parametrize(
    "url",
    ["", "mcp.example.com/mcp", "ftp://x/mcp", "https://", "https://u:p@x/", "https://x/#f", "https://x:0/",
     "https://x:99999/", "https://x/\x1b[31m", "https://x/a b", "https://x\\y/", "https://[::1/"],
)  # fmt: skip
def test_an_address_that_no_client_can_use_is_refused(url: str) -> None:
    """Our choice."""
    with pytest.raises(ValueError, match=r"."):
        split(url)


def test_documents_are_asked_for_in_the_order_of_the_specifications() -> None:
    """Our choice (RFC 9728 §3.1, RFC 8414 §3.1): the challenge's address first; then paths inserted."""
    known = f"{ISSUER}/.well-known"
    assert list_protected_resource(URL, "https://x/y") == (
        "https://x/y",
        f"{known}/oauth-protected-resource/mcp",
        f"{known}/oauth-protected-resource",
    )
    assert list_server_metadata(f"{ISSUER}/a") == (
        f"{known}/oauth-authorization-server/a",
        f"{known}/openid-configuration/a",
        f"{ISSUER}/a/.well-known/openid-configuration",
    )
    assert len(list_variants(URL)) == 5
    assert [is_loopback(f"http://{host}/") for host in ("127.9.9.9", "[::1]", "localhost", "10.0.0.1")] == [
        True, True, True, False,
    ]  # fmt: skip


def test_no_text_of_a_server_reaches_the_terminal_as_it_is() -> None:
    """Our choice: escapes, line ends and right-to-left marks are replaced, and long texts are cut."""
    hostile = "\x1b]0;owned\x07\n  ok       all is well \u202e\x9b31m" + "x" * 5000
    assert len(quote(hostile)) == 201
    client = ALL["Codex"]
    answers = {
        **with_resource(resource=hostile, authorization_servers=[hostile]),
        **with_metadata(issuer=hostile, authorization_endpoint="http://x/" + hostile),
        "openings": (build_redirect(hostile), build_challenge(f'Bearer resource_metadata="{hostile}"')),
        "registration": build_answer(400, {"error": hostile, "error_description": hostile}),
        "authorize": build_redirect("http://127.0.0.1/?error=%1b%5b31m%0aok"),
        "client_id": hostile,
        "removal": None,
        **with_csp("form-action " + hostile),
    }
    report = examine(client, build_walk(client, **answers))
    lines = list(write_lines(URL, [Report("Server", ()), report]))
    assert all(line.isprintable() and len(line) < 800 for line in lines)
    assert msgspec.json.decode(write_json(URL, [Report("Server", ()), report]))["fails"] is True


def test_a_report_for_programs_has_the_same_findings() -> None:
    """Our choice: `url`, `fails`, `server`, `clients`; each finding with level, code, reason and fix."""
    bad = examine(ALL["fastmcp"], build_walk(ALL["fastmcp"], unknown=build_answer(200)))
    written = msgspec.json.decode(write_json(URL, [Report("Server", ()), bad]))
    (client,) = written["clients"]
    assert (written["url"], written["server"], client["name"], client["fails"]) == (URL, [], "fastmcp", True)
    assert {tuple(sorted(finding)) for finding in client["findings"]} == {("code", "fix", "level", "reason")}
    assert list(write_lines(URL, [Report("Server", ()), bad]))[-1] == "Would fail: fastmcp"
