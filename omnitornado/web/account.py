"""The person's own page: which apps are connected, and a way to disconnect each."""

import datetime
from dataclasses import dataclass

from omnitornado.oauth.client import DOCUMENT_PREFIX
from omnitornado.oauth.client_document import check_document_url
from omnitornado.oauth.people import Person
from omnitornado.oauth.redirect_uri import parse_redirect_uri
from omnitornado.store.records import Grant
from omnitornado.web.pages import PageHandler, build_login_url


@dataclass(frozen=True)
class AppView:
    """A grant in words."""

    public_id: str
    client_name: str
    publisher: str | None
    """The host whose document describes the app, for one that is known by it."""
    redirect_host: str
    scopes: list[str]
    since: str
    last_used: str


class AccountHandler(PageHandler):
    """GET shows the connected apps; POST disconnects one, which works on its next request."""

    event = "account"

    async def get(self) -> None:
        found = await self.find_session()
        if found is None:
            self.redirect(build_login_url("/account"))
            return
        await self._show(found[1], message=None)

    async def post(self) -> None:
        form = self.parse_form()
        self.check_form_token(form.get("csrf_token"), "account")
        found = await self.find_session()
        if found is None:
            self.redirect(build_login_url("/account"), status=303)
            return
        person = found[1]
        username = person.username
        public_id = form.get("public_id")
        grants = await self.services.store.find_grants(username, now=self.now)
        grant = next((g for g in grants if g.public_id == public_id), None)
        if grant is None:
            await self._show(person, message="That app is not connected any more.")
            return
        await self.services.store.disconnect_client(
            username=username, client_id=grant.client_id, grant_id=grant.grant_id
        )
        self.log("account.disconnected", user=username, client=grant.client_id, grant=grant.public_id)
        await self._show(person, message="The app is disconnected.")

    async def _show(self, person: Person, *, message: str | None) -> None:
        grants = await self.services.store.find_grants(person.username, now=self.now)
        self.render_page(
            "account.html",
            person=person.shown_name,
            csrf_token=self.build_form_token("account"),
            logout_action="/logout",
            disconnect_action="/account",
            apps=[build_app_view(grant) for grant in reversed(grants)],
            message=message,
            device_url="/device" if self.services.can_use_devices else None,
        )


def build_app_view(grant: Grant) -> AppView:
    return AppView(
        public_id=grant.public_id,
        client_name=grant.client_name,
        publisher=find_publisher(grant.client_id),
        redirect_host=find_receiver(grant),
        scopes=list(grant.scope),
        since=_format_day(grant.created_at),
        last_used=_format_day(grant.last_used_at),
    )


def find_receiver(grant: Grant) -> str:
    """Where access went, in words."""
    if grant.redirect_uri:
        return parse_redirect_uri(grant.redirect_uri).shown_host
    return f"the app itself, by the word of {grant.provider}" if grant.provider else "a device"


def find_publisher(client_id: str) -> str | None:
    """A client id that is the address of its client's document begins with its host."""
    if not client_id.startswith(DOCUMENT_PREFIX):
        return None
    try:
        return check_document_url(client_id).host
    except ValueError:
        return None


def _format_day(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%-d %B %Y, %H:%M UTC")
