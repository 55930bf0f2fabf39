"""Sign in and sign out."""

import math

from tornado.web import HTTPError

from omnitornado.oauth.form import parse_parameters
from omnitornado.oauth.login import SignInError
from omnitornado.web.login_page import LoginPage
from omnitornado.web.pages import PageHandler, parse_target


class LoginHandler(LoginPage):
    """`/login`: an ordinary form. After it the browser goes on to `next`, a page of this server."""

    event = "login"

    async def get(self) -> None:
        target = parse_target(parse_parameters(self.query).get("next"))
        await self.show_login(target)

    async def post(self) -> None:
        target = parse_target(parse_parameters(self.query).get("next"))
        form = self.parse_form()
        self.check_form_token(form.get("csrf_token"), "login", target)
        if not self.services.has_password_form:
            raise HTTPError(403, "password_form")
        username, password = form.get("username") or "", form.get("password") or ""
        try:
            person = await self.services.sign_in.sign_in(username, password, self.address, now=self.now)
        except SignInError as error:
            self.log("login.refused", reason=error.reason, user=self._find_known_name(username))
            await self._show_again(target, username, error)
            return
        await self.open_session(person)
        self.log("login.succeeded", user=person.username)
        self.redirect(target, status=303)

    async def _show_again(self, target: str, username: str, error: SignInError) -> None:
        if error.retry_after is None:
            await self.show_login(target, username=username, error="Wrong username or password.", status=403)
            return
        wait = max(math.ceil(error.retry_after), 1)
        self.set_header("Retry-After", str(wait))
        is_busy = error.reason in ("sign_in_busy", "validate_user_failed")
        await self.show_login(
            target,
            username=username,
            error="Passwords can't be checked at the moment." if is_busy else "Too many attempts.",
            retry_after=wait,
            status=503 if is_busy else 429,
        )

    def _find_known_name(self, username: str) -> str | None:
        """For the log, which must not hold what people type into the wrong field: their password."""
        return (
            username if any(person.username == username for person in self.services.people.listed) else None
        )


class LogoutHandler(PageHandler):
    """`/logout`: a form, so that no other page can sign a person out."""

    event = "logout"

    async def get(self) -> None:
        if await self.find_session() is not None:
            self.redirect("/account")
            return
        self.render_page(
            "notice.html",
            title="Signed out",
            message="You are signed out of this server in this browser.",
            link_url="/login",
            link_text="Sign in",
        )

    async def post(self) -> None:
        form = self.parse_form()
        self.check_form_token(form.get("csrf_token"), "account")
        cookie, found = self.cookie, await self.find_session()
        if cookie is not None:
            await self.services.sessions.close(cookie)
        self.take_cookie()
        self.log("logout.succeeded", user=None if found is None else found[1].username)
        self.redirect("/logout", status=303)
