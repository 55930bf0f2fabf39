"""Implements: MCP extension io.modelcontextprotocol/enterprise-managed-authorization §7.4.1, RFC 8414 §3.1
and §3.3 (the document at the issuer's address): who may vouch for people, and with which keys.

A provider is known by the configuration alone; an assertion only says which of them it is from. Its keys are
where the configuration says, or else where the document at the issuer's own address says.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from omnitornado.net.fetched import Fetch, FetchError
from omnitornado.net.kept import KeptAnswers
from omnitornado.net.web_address import parse_web_address
from omnitornado.oauth.inline_keys import InlineKeys
from omnitornado.oauth.jose import KEY_TYPES, Token
from omnitornado.oauth.key_sets import RemoteKeySets
from omnitornado.oauth.provider_metadata import build_metadata_url
from omnitornado.oauth.provider_people import AdmissionRules

ALGORITHMS: Final = tuple(KEY_TYPES)
MAX_DOCUMENT: Final = 64 * 1024
SHORTEST: Final = 300.0
LONGEST: Final = 86_400.0
"""Seconds that a provider's document is kept, whatever its headers say."""
STALE_LIFETIME: Final = 86_400.0
"""Seconds past its freshness that one is still used where its address fails."""


class IdentityProvider(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose word is taken for who a person is."""

    name: str
    """For the log, and for the names of its own people."""
    issuer: str
    jwks_uri: str | None = None
    jwks: Mapping[str, Any] | None = None
    """Its keys, where they are not to be fetched."""
    clients: tuple[str, ...] = ()
    """The only clients that may bring its assertions; none named: every configured one that has the grant."""
    person_claim: str = "sub"
    admits_anyone: bool = False
    """Whether those it vouches for need not be people of the configuration: each has a name of their own."""
    sign_in: AdmissionRules | None = None
    """Where people also sign in through it: who is let in there, and by which claim they are known."""
    subjects: Mapping[str, str] = {}
    """Usernames by what `person_claim` says."""
    claims: Mapping[str, str | int | bool] = {}
    """What else has to be claimed."""
    scopes: tuple[str, ...] | None = None
    """What can be had by its word at most; None for every scope."""
    access_token_lifetime: float | None = None
    """In seconds; None for as long as any other."""


class IdentityProviders:
    """The configured ones, by their issuer. Empty, it is false."""

    def __init__(self, providers: Iterable[IdentityProvider], fetch: Fetch) -> None:
        self._providers = {provider.issuer: provider for provider in providers}
        self._fetch = fetch
        # Beside those of clients: what strangers ask for must not use up what may be asked of a provider.
        self._key_sets = RemoteKeySets(fetch)
        self._inline_keys = InlineKeys()
        self._documents: KeptAnswers[str] = KeptAnswers(self._load)

    def __len__(self) -> int:
        return len(self._providers)

    def find(self, issuer: object) -> IdentityProvider | None:
        return self._providers.get(issuer) if isinstance(issuer, str) else None

    @property
    def need_sign_in(self) -> bool:
        """Whether the people of one are those who sign in through it."""
        return any(provider.sign_in is not None for provider in self._providers.values())

    def build_provided(self) -> dict[str, tuple[str, ...] | None]:
        """What the people that providers bring themselves may grant, by the provider's name."""
        return {one.name: one.scopes for one in self._providers.values() if one.admits_anyone}

    async def verify(self, token: Token, provider: IdentityProvider, *, now: float) -> Token:
        """The token, once its signature is known to be by a key of the provider's. Raises: JoseError,
        FetchError.
        """
        if provider.jwks is not None:
            return await self._inline_keys.verify(token, provider.jwks)
        jwks_uri = provider.jwks_uri or await self._find_jwks_uri(provider, now=now)
        return await self._key_sets.verify(token, jwks_uri, asker=provider.name, now=now)

    async def _find_jwks_uri(self, provider: IdentityProvider, *, now: float) -> str:
        """Raises: FetchError."""
        try:
            return (await self._documents.find(provider.issuer, asker=provider.name, now=now)).value
        except FetchError:
            stale = self._documents.find_last(provider.issuer)
            if stale is None or now >= stale.fresh_until + STALE_LIFETIME:
                raise
            return stale.value

    async def _load(self, issuer: str, now: float, asker: str) -> tuple[str, float]:
        """Where an issuer's keys are, by its own document, and for how long that is good. Raises: FetchError,
        that of the first address.
        """
        first: FetchError | None = None
        for url in list_document_urls(issuer):
            try:
                fetched = await self._fetch(url, max_bytes=MAX_DOCUMENT, asker=asker)
                jwks_uri = find_jwks_uri(fetched.parse_object(), issuer)
            except FetchError as error:
                first = first or error
                continue
            return jwks_uri, fetched.find_freshness(shortest=SHORTEST, longest=LONGEST)
        raise first or FetchError("it has no address", reason="fetch_url")


def list_document_urls(issuer: str) -> tuple[str, ...]:
    """Where a provider's document may be: OpenID Connect Discovery §4, then RFC 8414 §3.1."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        build_metadata_url(issuer),
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


def find_jwks_uri(document: Mapping[str, Any], issuer: str) -> str:
    """Raises: FetchError for a document of another issuer (RFC 8414 §3.3), or one that names no keys."""
    if document.get("issuer") != issuer:
        raise FetchError("its document names another issuer", reason="provider_issuer")
    try:
        return parse_web_address(str(document.get("jwks_uri"))).url
    except ValueError:
        raise FetchError("its document names no https address of keys", reason="provider_keys") from None
