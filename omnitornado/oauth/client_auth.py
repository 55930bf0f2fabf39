"""Implements: RFC 6749 §2.3 and §3.2.1, OAuth 2.1 §2.4: client authentication by Basic, by post, by a signed
assertion and by none, as registered.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Final, NoReturn

from omnitornado.oauth.basic import list_spellings, parse_basic
from omnitornado.oauth.client import Clients, OAuthClient, UnusableClientError
from omnitornado.oauth.client_assertion import RETRY_AFTER, check_assertion, parse_assertion
from omnitornado.oauth.client_proof import proving
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.secrets import is_same_secret

CREDENTIALS: Final = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
"""The parameters that a client proves itself by."""


async def authenticate_client(
    parameters: Parameters, authorization: str | None, clients: Clients, *, issuer: str, now: float
) -> OAuthClient:
    """The client behind a request to the token or the revocation endpoint, to which this server is `issuer`.

    Raises: OAuthError invalid_client (401), or invalid_request where two methods are used at once;
    temporarily_unavailable where the client's keys can't be had, or (429) where too many proofs were wrong.
    """
    if parameters.get("client_assertion") is not None or parameters.get("client_assertion_type") is not None:
        return await _authenticate_assertion(parameters, authorization, clients, issuer=issuer, now=now)
    if authorization is not None:
        return await _authenticate_basic(parameters, authorization, clients, now=now)
    client_id = parameters.get("client_id")
    if client_id is None:
        _refuse("no client authentication and no client_id", "client_id_missing")
    client = await _find_client(client_id, clients, now=now)
    if client is None:
        _refuse("unknown client; register again", "client_unknown")
    with concerning(client=client_id):
        _check_post(client, parameters.get("client_secret"), clients, now=now)
    return client


def _check_post(client: OAuthClient, secret: str | None, clients: Clients, *, now: float) -> None:
    # A public client that sends some secret is still nobody but a public client; it proves nothing by it.
    if secret is None or client.secret_hash is None:
        _check_method(client, "none")
        return
    _check_method(client, "client_secret_post")
    with _proving(client, clients, now=now):
        _check_secret(client, [secret])


def _proving(client: OAuthClient, clients: Clients, *, now: float) -> AbstractContextManager[None]:
    # The secret of a client that registered itself has 256 random bits of this server's: nobody chose it.
    return proving(
        "client " + client.client_id,
        clients.throttle,
        address=clients.asker,
        is_chosen=client.is_preset and client.secret_hash is not None,
        now=now,
    )


async def _find_client(client_id: str, clients: Clients, *, now: float) -> OAuthClient | None:
    """Raises: OAuthError for one whose own document can't be used."""
    try:
        return await clients.find(client_id, now=now)
    except UnusableClientError as error:
        raise OAuthError(
            code="temporarily_unavailable" if error.is_passing else "invalid_client",
            description=f"the client's own document can't be used: {error}",
            reason=error.reason,
            retry_after=RETRY_AFTER if error.is_passing else None,
        ) from None


async def _authenticate_assertion(
    parameters: Parameters, authorization: str | None, clients: Clients, *, issuer: str, now: float
) -> OAuthClient:
    if authorization is not None or parameters.get("client_secret") is not None:
        _refuse_two_methods()
    token, client_id = parse_assertion(
        parameters.get("client_assertion_type"), parameters.get("client_assertion")
    )
    if parameters.get("client_id") not in (None, client_id):
        raise OAuthError(
            code="invalid_request",
            description="client_id differs from the client assertion's",
            reason="client_id_mismatch",
        )
    client = await _find_client(client_id, clients, now=now)
    if client is None:
        _refuse("unknown client; register again", "client_unknown")
    with concerning(client=client_id):
        _check_method(client, "private_key_jwt")
        with _proving(client, clients, now=now):
            await check_assertion(token, client, clients, issuer=issuer, now=now)
    return client


async def _authenticate_basic(
    parameters: Parameters, authorization: str, clients: Clients, *, now: float
) -> OAuthClient:
    identifier, secret = parse_basic(authorization)
    if parameters.get("client_secret") is not None:
        _refuse_two_methods()
    client = None
    for candidate in list_spellings(identifier):
        client = await _find_client(candidate, clients, now=now)
        if client is not None:
            break
    if client is None:
        _refuse("unknown client; register again", "client_unknown")
    with concerning(client=client.client_id):
        _check_basic(client, parameters.get("client_id"), secret, clients, now=now)
    return client


def _check_basic(
    client: OAuthClient, named: str | None, secret: str, clients: Clients, *, now: float
) -> None:
    if named not in (None, client.client_id):
        raise OAuthError(
            code="invalid_request",
            description="client_id differs from the Authorization header's",
            reason="client_id_mismatch",
        )
    if client.secret_hash is None and not secret:
        _check_method(client, "none")
        return
    _check_method(client, "client_secret_basic")
    with _proving(client, clients, now=now):
        _check_secret(client, list_spellings(secret))


def _check_method(client: OAuthClient, method: str) -> None:
    if method not in client.auth_methods:
        _refuse(f"this client authenticates with {' or '.join(client.auth_methods)}", "client_auth_method")


def _check_secret(client: OAuthClient, candidates: Iterable[str]) -> None:
    expected = client.secret_hash
    # Every candidate is compared, so that the time taken tells nothing.
    matches = [is_same_secret(candidate, expected) for candidate in candidates] if expected else [False]
    if not any(matches):
        _refuse("wrong client secret", "client_secret_wrong")


def _refuse_two_methods() -> NoReturn:
    """RFC 6749 §2.3: one method a request."""
    raise OAuthError(
        code="invalid_request",
        description="use one way of client authentication",
        reason="client_two_methods",
    )


def _refuse(description: str, reason: str) -> NoReturn:
    raise OAuthError(code="invalid_client", description=description, reason=reason)
