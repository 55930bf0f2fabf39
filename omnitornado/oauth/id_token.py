"""Implements: OpenID Connect Core §2, §3.1.3.6 and §3.1.3.7: the ID token, as who asked for it checks it.

The signature is checked too, although it came by TLS from the provider itself (§3.1.3.7, 6. leaves that
open).
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from omnitornado.base64url import encode
from omnitornado.net.fetched import FetchError
from omnitornado.oauth.jose import JoseError, Token, check_times, parse_token
from omnitornado.oauth.key_sets import RemoteKeySets
from omnitornado.oauth.provider import Failure, OpenIDProvider, ProviderError
from omnitornado.oauth.provider_metadata import ProviderMetadata

LEEWAY: Final = 60.0
"""Seconds for clocks that differ."""
MAX_SUBJECT: Final = 255
"""Core §2: `sub` has no more ASCII characters."""
HASHES: Final[Mapping[str, str]] = {
    "RS256": "sha256",
    "PS256": "sha256",
    "ES256": "sha256",
    "ES384": "sha384",
    "EdDSA": "sha512",
    "Ed25519": "sha512",
}
"""The hash that goes with each algorithm (Core §3.1.3.6; Ed25519 has SHA-512 within it, RFC 8032 §5.1)."""


async def check_id_token(
    compact: str,
    *,
    provider: OpenIDProvider,
    metadata: ProviderMetadata,
    key_sets: RemoteKeySets,
    nonce: str,
    access_token: str | None,
    now: float,
) -> dict[str, Any]:
    """The claims, once all of them are known to be the provider's, and for this sign-in. Raises:
    ProviderError.
    """
    try:
        token = parse_token(compact, algorithms=metadata.algorithms)
        await key_sets.verify(token, metadata.jwks_uri, now=now)
    except JoseError as error:
        _refuse(str(error), "id_token_signature")
    except FetchError as error:
        raise ProviderError(
            f"{metadata.jwks_uri}: {error}", failure=Failure.UNREACHABLE, reason=error.reason
        ) from None
    claims = token.claims
    if claims.get("iss") != provider.issuer:
        _refuse("its iss is not the provider", "id_token_issuer")
    check_audience(claims, provider.client_id)
    check_instants(claims, now=now)
    if not is_same(claims.get("nonce"), nonce):
        _refuse("its nonce is not the one of this sign-in", "id_token_nonce")
    check_access_token_hash(token, access_token)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not subject.isascii():
        _refuse("its sub names nobody", "id_token_subject")
    return claims


def check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """Core §3.1.3.7, 3. to 5.: for this client, and for no other that this one would have to trust."""
    audience = claims.get("aud")
    if audience not in (client_id, [client_id]):
        _refuse("its aud is not this client alone", "id_token_audience")
    if claims.get("azp", client_id) != client_id:
        _refuse("its azp is another client", "id_token_audience")


def check_instants(claims: Mapping[str, Any], *, now: float) -> None:
    """Core §2: `exp` and `iat` are both required. Raises: ProviderError."""
    try:
        check_times(claims, now=now, leeway=LEEWAY)
    except JoseError as error:
        _refuse(str(error), "id_token_time")
    if claims.get("iat") is None:
        _refuse("iat is missing", "id_token_time")


def check_access_token_hash(token: Token, access_token: str | None) -> None:
    """Core §3.1.3.6: `at_hash`, where there is one, is that of the access token beside it."""
    told = token.claims.get("at_hash")
    if told is None or access_token is None:
        return
    digest = hashlib.new(HASHES[token.algorithm], access_token.encode("utf-8", "surrogatepass")).digest()
    if not is_same(told, encode(digest[: len(digest) // 2])):
        _refuse("its at_hash is not that of the access token beside it", "id_token_at_hash")


def is_same(told: object, expected: str) -> bool:
    """Constant time."""
    return isinstance(told, str) and hmac.compare_digest(
        told.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    )


def _refuse(detail: str, reason: str) -> NoReturn:
    raise ProviderError(f"the ID token can't be accepted: {detail}", failure=Failure.UNUSABLE, reason=reason)
