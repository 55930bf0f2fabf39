"""The authorization endpoint (RFC 6749 §3.1): check the request, then sign in, ask, or answer at once."""

import re
from typing import Final
from urllib.parse import quote_plus, unquote_plus, urlencode

from omnitornado.oauth.authorize import (
    AuthorizationRequest,
    build_error_url,
    build_success_url,
)
from omnitornado.oauth.consent import ConsentGone, approve, check_grantable, needs_consent
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.form import parse_parameters
from omnitornado.oauth.people import Person
from omnitornado.oauth.pushed_request import load_authorization_request
from omnitornado.store.records import BrowserSession
from omnitornado.web.consent_view import build_consent_view
from omnitornado.web.pages import PageHandler, build_login_url

SHELL_SAFE: Final = re.compile(r"[A-Za-z0-9:/?&=._~%+\[\]-]+")
"""What means nothing between double quotes to any shell. A client chooses its address, and a person will
paste it.
"""


class AuthorizationHandler(PageHandler):
    """What `/authorize` and `/consent` share: a checked request, and errors that go to the client where they
    may.
    """

    event = "authorize"
    is_unbound = False
    """Whether nobody has approved the address yet: then only the person's own no is sent there."""

    async def load_request(self) -> AuthorizationRequest:
        """The request in the query. Raises: OAuthError."""
        parameters = parse_parameters(self.query)
        rules = self.services.build_authorization_rules(self.issuer, self.address)
        request = await load_authorization_request(parameters, rules, now=self.now)
        self.is_unbound = request.binds_redirect
        return request

    async def answer(
        self,
        request: AuthorizationRequest,
        person: Person,
        scope: tuple[str, ...],
        *,
        by_hand: bool = False,
        is_unasked: bool = False,
    ) -> None:
        """Issue the code and send the browser back to the client; with `by_hand` show the address instead.
        The code is on disk before that. Raises: OAuthError; ConsentGone, with `is_unasked`.
        """
        code = await approve(
            request,
            person,
            scope,
            self.services.consents,
            now=self.now,
            by_hand=by_hand,
            is_unasked=is_unasked,
        )
        self.log(
            "authorize.approved",
            client=request.client.client_id,
            user=person.username,
            scope=scope,
            redirect=request.redirect_uri.shown_host,
            bound=request.binds_redirect or None,
            by_hand=by_hand or None,
            pushed=request.pushed is not None or None,
        )
        url = build_success_url(request.redirect, code)
        if by_hand:
            self._show_address(request, url)
        else:
            if request.redirect_uri.is_on_device:
                self.note_departure(self.query)
            self.send_to_client(url)

    def _show_address(self, request: AuthorizationRequest, url: str) -> None:
        """For an app on another computer than this browser: what the redirect would have told it."""
        lifetime = self.services.consents.find_lifetime(by_hand=True)
        self.render_page(
            "handover.html",
            client_name=request.client.client_name,
            address=url,
            command=f'curl "{url}"'
            if request.redirect_uri.is_loopback and SHELL_SAFE.fullmatch(url)
            else None,
            minutes=max(int(lifetime // 60), 1),
        )

    def send_to_client(self, url: str) -> None:
        """302 after a GET; 303 after a form, so that the browser does not post the form to the client."""
        self.set_status(303 if self.request.method == "POST" else 302)
        self.set_header("Location", url)

    def write_failure(self, status: int, error: BaseException | None) -> None:
        if (
            isinstance(error, OAuthError)
            and error.redirect is not None
            and (not self.is_unbound or error.reason == "denied")
        ):
            self.send_to_client(build_error_url(error.redirect, error))
            self.finish()
        else:
            super().write_failure(status, error)


class AuthorizeHandler(AuthorizationHandler):
    """GET `/authorize`."""

    async def get(self) -> None:
        request = await self.load_request()
        found = await self.find_session()
        if found is None or self._must_sign_in(request, found[0]):
            self._send_to_login(request)
            return
        _, person = found
        with concerning(client=request.client.client_id, user=person.username):
            # The same request again, from a browser that has its answer: the app was not where it was sent.
            is_back = request.redirect_uri.is_on_device and self.has_departed(self.query)
            if not await self._answer_unasked(request, person, is_back=is_back):
                await self._ask(request, person, is_back=is_back)

    def _must_sign_in(self, request: AuthorizationRequest, session: BrowserSession) -> bool:
        """Whether `prompt` asks for a sign-in that has not been. Nobody can take it out of a pushed request
        after the sign-in: one since the push is what was asked for.
        """
        if "login" not in request.prompt:
            return False
        return request.pushed is None or session.signed_in_at < request.pushed.pushed_at

    async def _answer_unasked(self, request: AuthorizationRequest, person: Person, *, is_back: bool) -> bool:
        """Answer at once where what the person approved before covers the request; whether it did."""
        scope = check_grantable(request, person)
        if is_back and "none" not in request.prompt:
            return False
        if await needs_consent(request, person, scope, self.services.store):
            return False
        try:
            await self.answer(request, person, scope, is_unasked=True)
        except ConsentGone:  # they disconnected the app in this moment
            return False
        return True

    async def _ask(self, request: AuthorizationRequest, person: Person, *, is_back: bool) -> None:
        scope = check_grantable(request, person)
        if "none" in request.prompt:
            raise OAuthError(
                code="consent_required",
                description="the person must be asked",
                reason="prompt_none",
                redirect=request.redirect,
            )
        self.log("authorize.asked", client=request.client.client_id, user=person.username, scope=scope)
        grants = await self.services.store.find_grants(person.username, now=self.now)
        before = [grant for grant in grants if grant.client_id == request.client.client_id]
        self.render_page(
            "consent.html",
            action=f"/consent?{self.query}",
            csrf_token=self.build_form_token("consent", self.query),
            switch_account_url=build_login_url("/authorize?" + self.query),
            **await build_consent_view(
                request, person, scope, self.services, self.issuer, grants=before, did_not_arrive=is_back
            ),
        )

    def _send_to_login(self, request: AuthorizationRequest) -> None:
        if "none" in request.prompt:
            raise OAuthError(
                code="login_required",
                description="the person must sign in",
                reason="prompt_none",
                redirect=request.redirect,
            )
        self.log("authorize.login", client=request.client.client_id)
        self.redirect(build_login_url("/authorize?" + drop_login_prompt(self.query)))

    async def post(self) -> None:
        """RFC 6749 §3.1 allows POST. A Lax cookie does not come with one from elsewhere: go on as GET."""
        parameters = self.parse_form()
        pairs = [*parameters.values.items(), *(("resource", url) for url in parameters.resources)]
        self.redirect("/authorize?" + urlencode(pairs), status=303)


def drop_login_prompt(query: str) -> str:
    """The query without `login` in `prompt`: the person is about to sign in, once is enough."""
    return "&".join(_drop_login(pair) for pair in query.split("&"))


def _drop_login(pair: str) -> str:
    name, _, value = pair.partition("=")
    if unquote_plus(name) != "prompt":
        return pair
    kept = [word for word in unquote_plus(value).split() if word != "login"]
    return "prompt=" + quote_plus(" ".join(kept))
