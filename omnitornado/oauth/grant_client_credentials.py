"""Implements: RFC 6749 §4.4: a configured client gets a token for itself; no person stands behind it.

It proved itself, or it would not have come here. Each token has a grant of its own, with a name for the log,
that ends with it: there is no refresh token (§4.4.3), for the client may ask again at any time. What it may
have stands in the configuration. A client that is no longer there, or may no longer do this, has no token.
"""

from omnitornado.oauth.client import OAuthClient
from omnitornado.oauth.errors import concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.issuance import (
    Approval,
    TokenResponse,
    TokenRules,
    build_first_tokens,
    check_confidential,
)
from omnitornado.oauth.people import name_machine
from omnitornado.oauth.resource import check_resources
from omnitornado.oauth.scope import check_client_scope


async def redeem(
    parameters: Parameters, client: OAuthClient, rules: TokenRules, *, issuer: str, now: float
) -> TokenResponse:
    """Raises: OAuthError unauthorized_client, invalid_scope, invalid_target."""
    check_confidential(client)
    username = name_machine(client.client_id)
    with concerning(user=username):
        resources = check_resources(parameters.resources, rules.resources, issuer=issuer)
        scope = check_client_scope(
            parameters.get("scope"),
            client.scope,
            rules.scopes,
            [resource for resource in rules.resources if resource.path in resources],
            redirect=None,
        )
        approval = Approval(
            username=username, redirect_uri="", scope=scope, resources=resources, can_refresh=False
        )
        first = build_first_tokens(approval, parameters, client, rules, issuer=issuer, now=now)
        await rules.store.issue_grant(first.grant, first.access_hash, first.access, now=now)
    return TokenResponse(body=first.body, grant=first.grant, reason="client_credentials_redeemed")
