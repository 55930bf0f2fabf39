"""Implements: OpenID Connect Core §3.1, RFC 9207 §2.4, RFC 9700 §2.1, §4.4 and §4.5: signing in through the
provider.

A browser goes there with `state`, `nonce` and a PKCE challenge, and comes back with a code. The checks, in
order:
1. `state` is one that this browser was given, and lately (login CSRF).
2. `iss`, where it is there or announced, is the provider (mix-up). So it is for an error.
3. The code is exchanged with its verifier (injection), and the ID token is checked, `nonce` included.
4. Who it is, and whether they are let in.
5. `state` has signed nobody in before (replay).
"""

import secrets
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from omnitornado.net.fetched import Fetch
from omnitornado.oauth.form import Parameters
from omnitornado.oauth.id_token import check_id_token
from omnitornado.oauth.key_sets import RemoteKeySets
from omnitornado.oauth.pending_sign_in import PendingSignIn, build_pending, open_pending, seal_pending
from omnitornado.oauth.people import People, Person, ProviderPeople
from omnitornado.oauth.provider import Failure, OpenIDProvider, ProviderError
from omnitornado.oauth.provider_metadata import ProviderMetadata, RemoteMetadata
from omnitornado.oauth.provider_people import AdmissionRules, find_shown_name
from omnitornado.oauth.provider_requests import (
    ProviderTokens,
    fetch_userinfo,
    read_error_code,
    redeem_code,
)
from omnitornado.oauth.secrets import TokenBytes
from omnitornado.store.transitions import Store, UseOutcome

KEY_NAME = "provider_sign_in"


class Departure(msgspec.Struct, frozen=True):
    """Where a browser is sent, and what it keeps meanwhile."""

    url: str
    state: str
    sealed: str


class ProviderLogin(msgspec.Struct, frozen=True, kw_only=True):
    """How people sign in through a provider: which one, who is let in, and under which names."""

    provider: OpenIDProvider
    admission: AdmissionRules
    people: ProviderPeople
    has_password_form: bool = True
    """Whether passwords count beside it."""
    fetch: Fetch | None = None
    """Asks the provider: better none that strangers make busy. None: the server's own."""


class ProviderSignIn:
    """Signs people in through one provider."""

    def __init__(
        self,
        login: ProviderLogin,
        people: People,
        store: Store,
        fetch: Fetch,
        *,
        token_bytes: TokenBytes = secrets.token_bytes,
    ) -> None:
        self.provider = login.provider
        self._admission = login.admission
        self._people = people
        self._store = store
        self._fetch = login.fetch or fetch
        self._metadata = RemoteMetadata(login.provider, self._fetch)
        self._key_sets = RemoteKeySets(self._fetch)
        self._token_bytes = token_bytes

    async def check(self, *, now: float) -> None:
        """Find out whether the provider can be asked. Raises: ProviderError."""
        await self._metadata.find(now=now)

    async def begin(self, target: str, *, redirect_uri: str, is_switching: bool, now: float) -> Departure:
        """Send a browser to the provider, to come back to `redirect_uri` and go on to `target`.

        `is_switching`: somebody is signed in here and wants to be somebody else. Raises: ProviderError,
        TooLongError.
        """
        metadata = await self._metadata.find(now=now)
        pending = build_pending(
            issuer=self.provider.issuer,
            redirect_uri=redirect_uri,
            target=target,
            now=now,
            token_bytes=self._token_bytes,
        )
        sealed = seal_pending(pending, await self._find_key(now=now))
        prompt = self.provider.prompt or ("login" if is_switching else "")
        return Departure(self._build_url(metadata, pending, prompt), pending.state, sealed)

    def _build_url(self, metadata: ProviderMetadata, pending: PendingSignIn, prompt: str) -> str:
        parameters = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": pending.redirect_uri,
            "scope": " ".join(self.provider.request_scopes),
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": pending.code_challenge,
            "code_challenge_method": "S256",
        }
        if prompt:
            parameters["prompt"] = prompt
        endpoint = metadata.authorization_endpoint
        # RFC 6749 §3.1: a query that it has is kept.
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(parameters)

    async def find_pending(
        self, state: str | None, sealed: str | None, *, now: float
    ) -> PendingSignIn | None:
        """What a browser that comes back had begun, `sealed` being its cookie; also when that is over."""
        if state is None:
            return None
        return open_pending(sealed, state, await self._find_key(now=now))

    async def finish(
        self,
        parameters: Parameters,
        pending: PendingSignIn | None,
        *,
        redirect_uri: str,
        address: str,
        now: float,
    ) -> Person:
        """The person, signed in. `address`: the browser's. Raises: ProviderError."""
        pending = self._check_pending(pending, redirect_uri, now=now)
        metadata = await self._metadata.find(now=now)
        check_response_issuer(parameters, self.provider.issuer, metadata)
        tokens = await redeem_code(
            check_response(parameters),
            pending,
            provider=self.provider,
            metadata=metadata,
            fetch=self._fetch,
            address=address,
        )
        claims = await check_id_token(
            tokens.id_token,
            provider=self.provider,
            metadata=metadata,
            key_sets=self._key_sets,
            nonce=pending.nonce,
            access_token=tokens.access_token,
            now=now,
        )
        person = await self._let_in(claims, tokens, metadata, address=address)
        await self._use_up(pending, now=now)
        return person

    def _check_pending(
        self, pending: PendingSignIn | None, redirect_uri: str, *, now: float
    ) -> PendingSignIn:
        """Raises: ProviderError for what this browser did not begin, or not lately, or not for this."""
        if pending is None:
            raise ProviderError(
                "this browser has not begun this", failure=Failure.ENDED, reason="oidc_state_unknown"
            )
        if now >= pending.expires_at:
            raise ProviderError("it took too long", failure=Failure.ENDED, reason="oidc_state_expired")
        if (pending.issuer, pending.redirect_uri) != (self.provider.issuer, redirect_uri):
            raise ProviderError(
                "it was begun for another provider or address",
                failure=Failure.ENDED,
                reason="oidc_state_unknown",
            )
        return pending

    async def _let_in(
        self, claims: dict[str, Any], tokens: ProviderTokens, metadata: ProviderMetadata, *, address: str
    ) -> Person:
        """Raises: ProviderError."""
        rules = self._admission
        if rules.may_need_more(claims):
            claims = await fetch_userinfo(
                claims, tokens, metadata=metadata, fetch=self._fetch, address=address
            )
        username = self._people.find_provider_name(rules.find_name(claims))
        person = self._people.find(username)
        if person is None:
            raise ProviderError(
                "blocked by the configuration",
                failure=Failure.NOT_ALLOWED,
                reason="oidc_blocked",
                user=username,
            )
        if not self._people.is_listed(username) and not rules.let_in(claims):
            raise ProviderError(
                "no rule lets them in", failure=Failure.NOT_ALLOWED, reason="oidc_not_allowed", user=username
            )
        return person if person.name else replace(person, name=find_shown_name(claims))

    async def _use_up(self, pending: PendingSignIn, *, now: float) -> None:
        """Last, although a code that is replayed then reaches the provider again: what anybody could have
        remembered by making codes up would keep everyone else from signing in once it is too much. Raises:
        ProviderError.
        """
        outcome = await self._store.use_once(
            "provider_sign_in", pending.issuer, pending.state, expires_at=pending.expires_at, now=now
        )
        if outcome is UseOutcome.REPLAYED:
            raise ProviderError("it has been used", failure=Failure.ENDED, reason="oidc_state_replayed")
        if outcome is UseOutcome.FULL:
            raise ProviderError(
                "too many are remembered", failure=Failure.UNREACHABLE, reason="oidc_states_cap"
            )

    async def _find_key(self, *, now: float) -> bytes:
        return await self._store.find_or_create_key(KEY_NAME, self._token_bytes(32), now=now)


def check_response_issuer(parameters: Parameters, issuer: str, metadata: ProviderMetadata) -> None:
    """RFC 9207 §2.4. Raises: ProviderError."""
    told = parameters.get("iss")
    if told != issuer and (told is not None or metadata.announces_issuer):
        raise ProviderError(
            "the response is from another issuer, or does not say from which",
            failure=Failure.UNUSABLE,
            reason="oidc_issuer_mismatch",
        )


def check_response(parameters: Parameters) -> str:
    """The code of an authorization response (RFC 6749 §4.1.2). Raises: ProviderError."""
    error = parameters.get("error")
    if error is not None:
        told = read_error_code(error)
        is_denied = told in ("access_denied", "login_required", "interaction_required", "consent_required")
        raise ProviderError(
            f"the provider answered {told or 'an error'}",
            failure=Failure.DENIED if is_denied else Failure.UNREACHABLE,
            reason="oidc_denied" if is_denied else "oidc_error",
        )
    code = parameters.get("code")
    if code is None:
        raise ProviderError("there is no code", failure=Failure.UNUSABLE, reason="oidc_code_missing")
    return code
