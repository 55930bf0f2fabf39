"""Implements: OpenID Connect Discovery §3, §4 and §7.2, RFC 9207 §3: what the provider says of itself.

Its document is believed only if it names the issuer that the operator wrote down, and every address in it is
https (on loopback too where the issuer is). It is asked for when it is needed, and kept.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from omnitornado.net.fetched import Fetch, FetchError
from omnitornado.net.kept import KeptAnswers
from omnitornado.net.web_address import parse_any_address, parse_web_address
from omnitornado.oauth.jose import KEY_TYPES
from omnitornado.oauth.provider import Failure, OpenIDProvider, ProviderError

MAX_BYTES: Final = 64 * 1024
TIMEOUT: Final = 10.0
SHORTEST: Final = 300.0
LONGEST: Final = 86_400.0
"""Seconds a document is kept, whatever its headers say."""
STALE_LIFETIME: Final = 86_400.0
"""Seconds past its freshness that it is still used where its address fails."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"


class ProviderMetadata(msgspec.Struct, frozen=True):
    """The document, as far as it matters here."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_methods: tuple[str, ...]
    algorithms: tuple[str, ...]
    """For ID tokens; those that are taken here, or none of its own is."""
    announces_issuer: bool
    """Whether every authorization response must have `iss` (RFC 9207 §2.3)."""


def build_metadata_url(issuer: str) -> str:
    """Discovery §4: any final slash goes before the well-known part comes after it."""
    return issuer.rstrip("/") + WELL_KNOWN


def parse_metadata(document: Mapping[str, Any], provider: OpenIDProvider) -> ProviderMetadata:
    """Raises: ValueError in words."""
    if document.get("issuer") != provider.issuer:
        # Discovery §4.3. What it says instead is only its word: it may be logged, as a string of ours.
        raise ValueError(f"it names another issuer: {str(document.get('issuer'))[:200]!r}")
    if "code" not in _read_names(document, "response_types_supported", ("code",)):
        raise ValueError("the provider does not do the authorization code flow")
    methods = _read_names(document, "code_challenge_methods_supported", ("S256",))
    if "S256" not in methods:
        raise ValueError("the provider does PKCE, and not with S256")
    named = _read_names(document, "id_token_signing_alg_values_supported", ("RS256",))
    algorithms = tuple(name for name in named if name in KEY_TYPES)
    if not algorithms:
        raise ValueError("the provider signs ID tokens with no algorithm that is taken here")
    is_local = provider.issuer.startswith("http:")
    userinfo = document.get("userinfo_endpoint")
    return ProviderMetadata(
        authorization_endpoint=_read_address(document, "authorization_endpoint", is_local=is_local),
        token_endpoint=_read_address(document, "token_endpoint", is_local=is_local),
        jwks_uri=_read_address(document, "jwks_uri", is_local=is_local),
        userinfo_endpoint=None
        if userinfo is None
        else _read_address(document, "userinfo_endpoint", is_local=is_local),
        # Discovery §3: client_secret_basic where it does not say.
        auth_methods=_read_names(document, "token_endpoint_auth_methods_supported", ("client_secret_basic",)),
        algorithms=algorithms,
        announces_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _read_names(document: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, list):
        raise ValueError(f"its {name} is not an array")
    return tuple(entry for entry in value if isinstance(entry, str))


def _read_address(document: Mapping[str, Any], name: str, *, is_local: bool) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise ValueError(f"its {name} is missing")
    try:
        (parse_any_address if is_local else parse_web_address)(value)
    except ValueError as error:
        raise ValueError(f"its {name} can't be used: {error}") from None
    return value


class RemoteMetadata:
    """The provider's document, fetched and kept."""

    def __init__(self, provider: OpenIDProvider, fetch: Fetch) -> None:
        self._provider = provider
        self._fetch = fetch
        self._url = build_metadata_url(provider.issuer)
        self._kept: KeptAnswers[ProviderMetadata] = KeptAnswers(self._load)

    async def find(self, *, now: float) -> ProviderMetadata:
        """Raises: ProviderError."""
        try:
            return (await self._kept.find(self._url, now=now)).value
        except FetchError as error:
            stale = self._kept.find_last(self._url)
            if stale is not None and now < stale.fresh_until + STALE_LIFETIME:
                return stale.value
            is_wrong = error.reason == "oidc_metadata_invalid"
            failure = Failure.UNUSABLE if is_wrong else Failure.UNREACHABLE
            raise ProviderError(f"{self._url}: {error}", failure=failure, reason=error.reason) from None

    async def _load(self, url: str, now: float, asker: str) -> tuple[ProviderMetadata, float]:
        fetched = await self._fetch(url, max_bytes=MAX_BYTES, timeout=TIMEOUT)
        try:
            metadata = parse_metadata(fetched.parse_object(), self._provider)
        except ValueError as error:
            raise FetchError(str(error), reason="oidc_metadata_invalid") from None
        return metadata, fetched.find_freshness(shortest=SHORTEST, longest=LONGEST)
