"""Signing in through the OpenID provider: the way there, and the way back.

Whatever goes wrong there leads to the sign-in page, with what can be done about it: the form for a password
works whether the provider does or not.
"""

import math
from typing import Final

from tornado.web import HTTPError

from omnitornado.oauth.form import Parameters, parse_parameters
from omnitornado.oauth.pending_sign_in import (
    LIFETIME,
    PendingSignIn,
    TooLongError,
    find_cookie_suffix,
)
from omnitornado.oauth.provider import Failure, ProviderError
from omnitornado.oauth.provider_sign_in import ProviderSignIn
from omnitornado.web.login_page import LoginPage
from omnitornado.web.pages import build_login_url, parse_target

CALLBACK: Final = "/login/oidc/callback"
MAX_PENDING: Final = 5
"""Sign-ins that one browser may have begun; more than that would fill its cookies for this server."""
WORDS: Final = {
    Failure.ENDED: (
        403,
        "This sign-in took too long, was used, or began in another browser. Please begin again.",
    ),
    Failure.DENIED: (403, "{host} did not sign you in. You can try again."),
    Failure.NOT_ALLOWED: (
        403,
        "Your account at {host} is not let in here. Ask the operator, or use another one.",
    ),
    Failure.UNREACHABLE: (503, "{host} can't be asked at the moment. Please try again shortly."),
    Failure.UNUSABLE: (
        502,
        "{host} gave an answer that can't be accepted. The operator finds it in the log.",
    ),
}


class ProviderHandler(LoginPage):
    """What both ways share."""

    def check_request(self) -> None:
        super().check_request()
        if self.services.provider is None:
            raise HTTPError(404)

    @property
    def sign_in(self) -> ProviderSignIn:
        assert self.services.provider is not None  # noqa: S101 - for the type checker: see `check_request`
        return self.services.provider

    @property
    def redirect_uri(self) -> str:
        return self.issuer + CALLBACK

    def build_pending_name(self, suffix: str) -> str:
        """The cookie of a sign-in that was begun."""
        return self.cookie_name.replace("session", f"provider_{suffix}")

    def list_pending_names(self) -> list[str]:
        """Those that the browser has."""
        head, _, tail = self.build_pending_name("*").partition("*")
        return [name for name in self.cookies if name.startswith(head) and name.endswith(tail)]

    async def refuse_rush(self, target: str) -> bool:
        """Whether the address has asked too often, which the page then says."""
        wait = self.services.provider_requests.take(self.address, now=self.now)
        if wait <= 0:
            return False
        self.log("login.refused", reason="throttled", provider=self.sign_in.provider.host)
        self.set_header("Retry-After", str(math.ceil(wait)))
        await self.show_login(target, error="Too many attempts.", retry_after=math.ceil(wait), status=429)
        return True

    async def show_failure(self, target: str, error: ProviderError) -> None:
        """The sign-in page, with what went wrong."""
        host = self.sign_in.provider.host
        self.log("login.refused", reason=error.reason, user=error.user, provider=host, detail=error)
        status, words = WORDS[error.failure]
        if status == 503:
            self.set_header("Retry-After", "5")
        await self.show_login(target, error=words.format(host=host), reference=self.request_id, status=status)


class ProviderDepartureHandler(ProviderHandler):
    """`/login/oidc`: a form, so that no other page can send a person there."""

    def get(self) -> None:
        self.redirect(build_login_url(parse_target(parse_parameters(self.query).get("next"))))

    async def post(self) -> None:
        target = parse_target(parse_parameters(self.query).get("next"))
        self.check_form_token(self.parse_form().get("csrf_token"), "login", target)
        if await self.refuse_rush(target):
            return
        try:
            departure = await self.sign_in.begin(
                target,
                redirect_uri=self.redirect_uri,
                is_switching=await self.find_session() is not None,
                now=self.now,
            )
        except ProviderError as error:
            await self.show_failure(target, error)
            return
        except TooLongError:
            self.log("login.refused", reason="oidc_target_too_long", provider=self.sign_in.provider.host)
            error_words = "The app's request is too long to be kept while you sign in elsewhere."
            await self.show_login(target, error=error_words, reference=self.request_id, status=413)
            return
        self._keep(departure.state, departure.sealed)
        self.log("login.sent", provider=self.sign_in.provider.host)
        self.redirect(departure.url, status=303)

    def _keep(self, state: str, sealed: str) -> None:
        """In a cookie, and room is made for it: the browser does not say which one is the oldest."""
        names = self.list_pending_names()
        if len(names) >= MAX_PENDING:
            for name in names:
                self.clear_cookie(name, path="/", secure=self.is_secure)
        self.set_cookie(
            self.build_pending_name(find_cookie_suffix(state) or ""),
            sealed,
            httponly=True,
            samesite="Lax",
            secure=self.is_secure,
            path="/",
            max_age=int(LIFETIME),
        )


class ProviderCallbackHandler(ProviderHandler):
    """`/login/oidc/callback`: the way back (RFC 6749 §4.1.2)."""

    async def get(self) -> None:
        parameters = parse_parameters(self.query)
        parameters.check_unique()
        pending = await self._take_pending(parameters)
        target = parse_target(None if pending is None else pending.target)
        if await self.refuse_rush(target):
            return
        try:
            person = await self.sign_in.finish(
                parameters,
                pending,
                redirect_uri=self.redirect_uri,
                address=self.address,
                now=self.now,
            )
        except ProviderError as error:
            await self.show_failure(target, error)
            return
        await self.open_session(person)
        self.log("login.succeeded", user=person.username, provider=self.sign_in.provider.host)
        self.redirect(target, status=303)

    async def _take_pending(self, parameters: Parameters) -> PendingSignIn | None:
        """What this browser had begun; it forgets it."""
        state = parameters.get("state")
        suffix = find_cookie_suffix(state)
        name = None if suffix is None else self.build_pending_name(suffix)
        sealed = None if name is None else self.get_cookie(name)
        pending = await self.sign_in.find_pending(state, sealed, now=self.now)
        if name is not None and pending is not None:
            self.clear_cookie(name, path="/", secure=self.is_secure)
        return pending
