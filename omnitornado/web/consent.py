"""The person's decision. The query is the authorization request the page showed, and it is checked anew."""

from omnitornado.oauth.authorize import AuthorizationRequest
from omnitornado.oauth.consent import check_grantable
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.people import Person
from omnitornado.web.authorize import AuthorizationHandler
from omnitornado.web.pages import build_login_url, refuse_form


class ConsentHandler(AuthorizationHandler):
    """POST `/consent`."""

    event = "consent"

    async def post(self) -> None:
        form = self.parse_form()
        self.check_form_token(form.get("csrf_token"), "consent", self.query)
        request = await self.load_request()
        found = await self.find_session()
        if found is None:
            self.redirect(build_login_url("/authorize?" + self.query), status=303)
            return
        _, person = found
        with concerning(client=request.client.client_id, user=person.username):
            await self._decide(request, person, form.get("action"))

    async def _decide(self, request: AuthorizationRequest, person: Person, action: str | None) -> None:
        scope = check_grantable(request, person)
        if action == "approve":
            await self.answer(request, person, scope)
        elif action == "approve_by_hand" and request.redirect_uri.is_on_device:
            await self.answer(request, person, scope, by_hand=True)
        elif action == "deny":
            self.log("consent.denied", client=request.client.client_id, user=person.username)
            raise OAuthError(
                code="access_denied",
                description="the person said no",
                reason="denied",
                redirect=request.redirect,
            )
        else:
            refuse_form("action must be approve or deny")
