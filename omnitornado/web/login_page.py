"""The sign-in page, whoever shows it: the form for a password, and the button that leads to the provider."""

from omnitornado.oauth.client import UnusableClientError
from omnitornado.oauth.form import parse_parameters
from omnitornado.oauth.people import Person
from omnitornado.web.pages import PageHandler, build_login_url, build_provider_url


class LoginPage(PageHandler):
    """Shows the page, and signs the browser in."""

    event = "login"

    async def show_login(
        self,
        target: str,
        *,
        username: str = "",
        error: str | None = None,
        retry_after: int | None = None,
        reference: str | None = None,
        status: int = 200,
    ) -> None:
        """The page that leads on to `target`. `error`: what went wrong, in words; `reference`: where it
        stands in the log.
        """
        provider = self.services.provider
        self.render_page(
            "login.html",
            status=status,
            action=build_login_url(target),
            csrf_token=self.build_form_token("login", target),
            has_password_form=self.services.has_password_form,
            username=username,
            error=error,
            retry_after=retry_after,
            reference=reference,
            client_name=await self._find_client_name(target),
            provider_label=None if provider is None else provider.provider.button,
            provider_action=build_provider_url(target),
        )

    async def open_session(self, person: Person) -> None:
        """The browser is this person's from here on, under another cookie."""
        cookie = await self.services.sessions.open(
            person,
            replaces=self.cookie,
            address=self.address,
            user_agent=self.request.headers.get("User-Agent", ""),
            now=self.now,
        )
        self.give_cookie(cookie, lifetime=self.services.sessions.lifetime)

    async def _find_client_name(self, target: str) -> str | None:
        """The name of the app that the person came from."""
        _, _, query = target.partition("/authorize?")
        client_id = parse_parameters(query).get("client_id") if query else None
        if not client_id:
            return None
        try:
            client = await self.services.clients.asked_by(self.address).find(client_id, now=self.now)
        except UnusableClientError:
            return None
        return None if client is None else client.client_name
