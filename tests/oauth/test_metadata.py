"""The documents that clients discover the server by."""

from omnitornado.oauth.metadata import build_resource_metadata, build_server_metadata
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.scope import ScopePolicy

from .world import FILES, ISSUER, MCP, SCOPES


def test_the_server_says_what_it_does() -> None:
    """Required by RFC 8414 §2, RFC 9207 §3, RFC 7636 §6.2, RFC 9449 §5.1 and RFC 9728 §4."""
    methods = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
    algorithms = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
    dpop = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"]
    assert build_server_metadata(issuer=ISSUER, scopes=SCOPES, resources=[MCP, FILES], can_register=True) == {
        "issuer": ISSUER,
        "authorization_endpoint": ISSUER + "/authorize",
        "token_endpoint": ISSUER + "/token",
        "registration_endpoint": ISSUER + "/register",
        "revocation_endpoint": ISSUER + "/revoke",
        "scopes_supported": ["mcp", "files"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "request_uri_parameter_supported": False,
        "dpop_signing_alg_values_supported": dpop,
        "authorization_response_iss_parameter_supported": True,
        "protected_resources": [ISSUER + "/mcp", ISSUER + "/files/mcp"],
        "service_documentation": ISSUER + "/",
    }


def test_registration_is_advertised_where_it_is_on() -> None:
    """Required by RFC 8414 §2."""
    document = build_server_metadata(issuer=ISSUER, scopes=SCOPES, resources=[MCP], can_register=False)
    assert "registration_endpoint" not in document


def test_clients_documents_are_advertised_where_they_are_taken() -> None:
    """Required by OAuth Client ID Metadata Document §5; well-known clients look for `none` beside it."""
    for taken in (True, False):
        document = build_server_metadata(
            issuer=ISSUER, scopes=SCOPES, resources=[MCP], can_register=True, takes_documents=taken
        )
        assert document.get("client_id_metadata_document_supported") is (True if taken else None)
        assert "none" in document["token_endpoint_auth_methods_supported"]


def test_ways_without_a_person_are_advertised_where_they_are_open() -> None:
    """Required by RFC 8414 §2, and by enterprise-managed-authorization §6: the profile beside the grant."""
    for on in (True, False):
        document = build_server_metadata(
            issuer=ISSUER,
            scopes=SCOPES,
            resources=[MCP],
            can_register=True,
            has_machines=on,
            takes_id_jags=on,
        )
        grants = document["grant_types_supported"]
        assert ("client_credentials" in grants) is on
        assert ("urn:ietf:params:oauth:grant-type:jwt-bearer" in grants) is on
        profiles = ["urn:ietf:params:oauth:grant-profile:id-jag"] if on else None
        assert document.get("authorization_grant_profiles_supported") == profiles


def test_a_resource_says_who_guards_it() -> None:
    """Required by RFC 9728 §2: `resource` is what a person pastes, and the issuer has no final slash."""
    document = build_resource_metadata(FILES, issuer=ISSUER)
    algorithms = document.pop("dpop_signing_alg_values_supported")
    assert algorithms == ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"]
    assert document == {
        "resource": ISSUER + "/files/mcp",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["files"],
        "bearer_methods_supported": ["header"],
        "resource_name": "files",
    }


def test_empty_members_are_left_out() -> None:
    """Required by RFC 8414 §3.2 and RFC 9728 §3.2."""
    resource = ProtectedResource(path="/api", name="api", scope=())
    assert "scopes_supported" not in build_resource_metadata(resource, issuer=ISSUER)
    policy = ScopePolicy(descriptions={}, default=())
    document = build_server_metadata(issuer=ISSUER, scopes=policy, resources=[], can_register=True)
    assert not {"scopes_supported", "protected_resources"} & set(document)
