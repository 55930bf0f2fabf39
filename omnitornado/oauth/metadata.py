"""Implements: RFC 8414 §2, RFC 9728 §2, RFC 9207 §3, RFC 9126 §5, RFC 9449 §5.1, OAuth Client ID Metadata
Document §5: the documents that clients discover this server by.
"""

from collections.abc import Sequence
from typing import Any

from omnitornado.oauth import introspection
from omnitornado.oauth.client import (
    AUTH_METHODS,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    GRANT_TYPES,
    JWT_BEARER,
    SIGNING_ALGORITHMS,
)
from omnitornado.oauth.dpop import ALGORITHMS as DPOP_ALGORITHMS
from omnitornado.oauth.id_jag import GRANT_PROFILE
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.scope import ScopePolicy


def build_server_metadata(
    *,
    issuer: str,
    scopes: ScopePolicy,
    resources: Sequence[ProtectedResource],
    can_register: bool,
    can_introspect: bool = False,
    takes_documents: bool = False,
    can_use_devices: bool = False,
    can_push: bool = False,
    must_push: bool = False,
    has_machines: bool = False,
    takes_id_jags: bool = False,
) -> dict[str, Any]:
    """RFC 8414 §2. The same document is served where clients look for OpenID Connect Discovery."""
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
    }
    if can_register:
        document["registration_endpoint"] = f"{issuer}/register"
    if can_use_devices:
        document["device_authorization_endpoint"] = f"{issuer}/device_authorization"
    if can_push:
        document["pushed_authorization_request_endpoint"] = f"{issuer}/par"
    if must_push:
        document["require_pushed_authorization_requests"] = True
    if can_introspect:
        document["introspection_endpoint"] = f"{issuer}/introspect"
        document["introspection_endpoint_auth_methods_supported"] = list(introspection.AUTH_METHODS)
    if takes_id_jags:
        # It says which profile is spoken, and nothing of who is trusted.
        document["authorization_grant_profiles_supported"] = [GRANT_PROFILE]
    if takes_documents:
        document["client_id_metadata_document_supported"] = True
    return _drop_empty(
        document
        | {
            "revocation_endpoint": f"{issuer}/revoke",
            "scopes_supported": list(scopes.descriptions),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": [
                *(grant for grant in GRANT_TYPES if can_use_devices or grant != DEVICE_CODE),
                *((CLIENT_CREDENTIALS,) if has_machines else ()),
                *((JWT_BEARER,) if takes_id_jags else ()),
            ],
            "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "token_endpoint_auth_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
            "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "revocation_endpoint_auth_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
            "code_challenge_methods_supported": ["S256"],
            # Left out it would be true (OpenID Connect Discovery §3); for pushed ones it is (RFC 9126 §5).
            "request_uri_parameter_supported": False,
            "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
            "authorization_response_iss_parameter_supported": True,
            "protected_resources": [resource.build_url(issuer) for resource in resources],
            "service_documentation": f"{issuer}/",
        }
    )


def build_resource_metadata(
    resource: ProtectedResource, *, issuer: str, needs_dpop: bool = False
) -> dict[str, Any]:
    """RFC 9728 §2. It names the fewest scopes: some clients ask for everything they find here."""
    required = {"dpop_bound_access_tokens_required": True} if needs_dpop else {}
    return _drop_empty(
        required
        | {
            "resource": resource.build_url(issuer),
            "authorization_servers": [issuer],
            "scopes_supported": list(resource.scope),
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
            "resource_name": resource.name,
        }
    )


def _drop_empty(document: dict[str, Any]) -> dict[str, Any]:
    """RFC 8414 §3.2 and RFC 9728 §3.2: a member with no elements is left out."""
    return {name: value for name, value in document.items() if value != []}
