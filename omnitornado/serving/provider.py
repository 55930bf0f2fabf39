"""The OpenID provider of `[login.oidc]`, and a look at it when the server starts."""

import asyncio
import logging
from collections.abc import Callable

from omnitornado.config import Config, OidcSettings
from omnitornado.log import log_event
from omnitornado.net.fetched import Fetch
from omnitornado.oauth.people import ProviderPeople
from omnitornado.oauth.provider import OpenIDProvider, ProviderError
from omnitornado.oauth.provider_people import AdmissionRules
from omnitornado.oauth.provider_sign_in import ProviderLogin, ProviderSignIn


def build_provider_login(config: Config, fetch: Fetch | None) -> ProviderLogin | None:
    """Who signs in through the provider, and how; None where there is none."""
    oidc = config.oidc
    if oidc is None:
        return None
    return ProviderLogin(
        provider=OpenIDProvider(
            issuer=oidc.issuer,
            client_id=oidc.client_id,
            client_secret=oidc.client_secret,
            auth_method=oidc.token_endpoint_auth_method,
            label=oidc.label,
            request_scopes=oidc.request_scopes,
            prompt=oidc.prompt,
        ),
        admission=build_admission(oidc),
        people=_build_people(oidc, config),
        has_password_form=oidc.password_form,
        fetch=fetch,
    )


def build_admission(oidc: OidcSettings) -> AdmissionRules:
    return AdmissionRules(
        everyone=oidc.allow_everyone,
        emails=frozenset(oidc.allowed_emails),
        domains=frozenset(oidc.allowed_domains),
        claims=oidc.allowed_claims,
        username_claim=oidc.username_claim,
    )


def _build_people(oidc: OidcSettings, config: Config) -> ProviderPeople:
    return ProviderPeople(
        prefix=oidc.prefix,
        usernames={oidc.fold(user.oidc_name): user.username for user in config.users if user.oidc_name},
        blocked=frozenset(oidc.prefix + oidc.fold(name.removeprefix(oidc.prefix)) for name in oidc.blocked),
        scopes=oidc.grantable_scopes,
    )


class ProviderCheck:
    """Asks the provider once, beside everything else: an operator sees at the start what would fail at the
    first sign-in, and the server starts whether the provider answers or not.
    """

    def __init__(self, sign_in: ProviderSignIn | None, clock: Callable[[], float]) -> None:
        self._sign_in = sign_in
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._sign_in is not None:
            self._task = asyncio.get_running_loop().create_task(self._check(self._sign_in), name="provider")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _check(self, sign_in: ProviderSignIn) -> None:
        issuer = sign_in.provider.issuer
        try:
            await sign_in.check(now=self._clock())
        except ProviderError as error:
            log_event(
                "login.provider_failed",
                level=logging.WARNING,
                issuer=issuer,
                reason=error.reason,
                detail=error,
            )
        else:
            log_event("login.provider_ready", issuer=issuer)
