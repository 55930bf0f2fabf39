"""Implements: OpenID Connect Core §3.1.3 and §5.3, RFC 6749 §2.3.1 and §4.1.3: what the provider is asked
behind the browser's back: tokens for a code, and claims that the ID token lacks.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import msgspec

from omnitornado.net.fetched import Fetch, Fetched, FetchError
from omnitornado.oauth.pending_sign_in import PendingSignIn
from omnitornado.oauth.provider import Failure, OpenIDProvider, ProviderError
from omnitornado.oauth.provider_metadata import ProviderMetadata

MAX_BYTES: Final = 64 * 1024
TIMEOUT: Final = 10.0
"""Seconds for each request, all in all."""
EMAIL: Final = ("email", "email_verified")
ERROR_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class ProviderTokens(msgspec.Struct, frozen=True):
    """What a code was good for."""

    id_token: str
    access_token: str | None


async def redeem_code(
    code: str,
    pending: PendingSignIn,
    *,
    provider: OpenIDProvider,
    metadata: ProviderMetadata,
    fetch: Fetch,
    address: str,
) -> ProviderTokens:
    """`address`: the browser's, on whose behalf. Raises: ProviderError."""
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": pending.redirect_uri,
        "code_verifier": pending.code_verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    authorization = build_authorization(provider, metadata)
    if authorization is not None:
        headers["Authorization"] = authorization
    else:
        fields["client_id"] = provider.client_id
        if provider.client_secret is not None:
            fields["client_secret"] = provider.client_secret
    answer = await _ask(
        fetch,
        metadata.token_endpoint,
        method="POST",
        headers=headers,
        body=urlencode(fields).encode("ascii"),
        address=address,
    )
    return parse_tokens(answer)


def build_authorization(provider: OpenIDProvider, metadata: ProviderMetadata) -> str | None:
    """The header, where the client proves itself by one; None where it does so in the body. Raises:
    ProviderError.
    """
    if provider.client_secret is None:
        return None
    named = metadata.auth_methods if provider.auth_method is None else (provider.auth_method,)
    if "client_secret_basic" not in named:
        if "client_secret_post" not in named:
            raise ProviderError(
                "the provider takes a secret neither by Basic nor by post",
                failure=Failure.UNUSABLE,
                reason="oidc_metadata_invalid",
            )
        return None
    # RFC 6749 §2.3.1: both are form-encoded first.
    pair = f"{quote_plus(provider.client_id)}:{quote_plus(provider.client_secret)}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")


def parse_tokens(answer: Fetched) -> ProviderTokens:
    """Core §3.1.3.3. Raises: ProviderError."""
    if answer.status != 200:
        raise ProviderError(
            f"the token endpoint answered {answer.status} {find_error_code(answer)}".rstrip(),
            failure=Failure.UNREACHABLE if answer.status >= 500 else Failure.UNUSABLE,
            reason="oidc_token_refused",
        )
    try:
        document = answer.parse_object()
    except FetchError as error:
        raise ProviderError(str(error), failure=Failure.UNUSABLE, reason="oidc_token_malformed") from None
    id_token, access_token = document.get("id_token"), document.get("access_token")
    if not isinstance(id_token, str) or not isinstance(access_token, str | None):
        raise ProviderError(
            "the token endpoint gave no ID token", failure=Failure.UNUSABLE, reason="oidc_token_malformed"
        )
    return ProviderTokens(id_token, access_token)


async def fetch_userinfo(
    claims: Mapping[str, Any],
    tokens: ProviderTokens,
    *,
    metadata: ProviderMetadata,
    fetch: Fetch,
    address: str,
) -> dict[str, Any]:
    """The claims, with those from UserInfo that the ID token has not. Raises: ProviderError."""
    if metadata.userinfo_endpoint is None or tokens.access_token is None:
        return dict(claims)
    if not tokens.access_token.isascii() or not tokens.access_token.isprintable():
        raise ProviderError(
            "the access token is malformed", failure=Failure.UNUSABLE, reason="oidc_token_malformed"
        )
    answer = await _ask(
        fetch,
        metadata.userinfo_endpoint,
        headers={"Authorization": f"Bearer {tokens.access_token}"},
        address=address,
    )
    try:
        more = answer.parse_object()
    except FetchError as error:
        raise ProviderError(
            f"UserInfo: {error}", failure=Failure.UNUSABLE, reason="oidc_userinfo_malformed"
        ) from None
    # Core §5.3.2: or it may be somebody else's.
    if more.get("sub") != claims["sub"]:
        raise ProviderError(
            "UserInfo is about somebody else", failure=Failure.UNUSABLE, reason="oidc_userinfo_subject"
        )
    return merge_claims(claims, more)


def merge_claims(claims: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the ID token count more. An e-mail address and whether it is verified stay together, as one of
    the two has said it (Core §5.1): it may have changed between them.
    """
    merged = {**more, **claims}
    if all(name in claims for name in EMAIL):
        return merged
    if all(name in more for name in EMAIL):
        return merged | {name: more[name] for name in EMAIL}
    merged.pop("email_verified", None)
    return merged


async def _ask(
    fetch: Fetch,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str],
    body: bytes | None = None,
    address: str,
) -> Fetched:
    try:
        return await fetch(
            url,
            max_bytes=MAX_BYTES,
            timeout=TIMEOUT,
            method=method,
            headers=headers,
            body=body,
            asker=address,
        )
    except FetchError as error:
        raise ProviderError(f"{url}: {error}", failure=Failure.UNREACHABLE, reason=error.reason) from None


def find_error_code(answer: Fetched) -> str:
    """RFC 6749 §5.2, for the log: a code, and nothing that only looks like one."""
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return read_error_code(document.get("error") if isinstance(document, dict) else None)


def read_error_code(value: object) -> str:
    return value if isinstance(value, str) and ERROR_CODE.fullmatch(value) else ""
