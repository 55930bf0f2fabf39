"""Device authorization (RFC 8628): where a device asks for its codes, and the page where a person types one
in.
"""

import math

import msgspec
from tornado.web import HTTPError

from omnitornado.oauth.client import OAuthClient, UnusableClientError
from omnitornado.oauth.device import (
    build_device_key,
    find_grantable,
    find_open_device,
    parse_user_code,
    request_device_code,
)
from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.form import Parameters, parse_parameters
from omnitornado.oauth.people import Person
from omnitornado.store.records import DeviceCode
from omnitornado.web.consent_view import build_client_view, build_scope_views, list_resources
from omnitornado.web.pages import PageHandler, build_login_url, refuse_form
from omnitornado.web.token import ClientAuthenticationHandler


class DeviceAuthorizationHandler(ClientAuthenticationHandler):
    """POST `/device_authorization` (RFC 8628 §3.1)."""

    event = "device_authorization"

    async def post(self) -> None:
        if not self.services.can_use_devices:
            raise OAuthError(
                code="access_denied", description="device codes are switched off", reason="device_off"
            )
        wait = self.services.device_requests.take(self.address, now=self.now)
        if wait > 0:
            raise OAuthError(
                code="temporarily_unavailable",
                description="too many device codes for this address",
                reason="device_rate",
                status=429,
                retry_after=math.ceil(wait),
            )
        clients = self.services.clients.asked_by(self.address)
        request = await request_device_code(
            self.parse_form(),
            self.authorization,
            msgspec.structs.replace(self.services.devices, clients=clients),
            issuer=self.issuer,
            address=self.address,
            now=self.now,
        )
        self.log("device.asked", client=request.device.client_id, scope=request.device.scope)
        self.write_json(request.build_response(self.issuer))


class DeviceHandler(PageHandler):
    """`/device` (RFC 8628 §3.3): the code is typed in, then the person sees what it is about and decides.

    A code in the address (`verification_uri_complete`) is filled in and not looked up: the person compares it
    with their device first (§3.3.1).
    """

    event = "device"

    def check_request(self) -> None:
        super().check_request()
        if not self.services.can_use_devices:
            raise HTTPError(404)

    async def get(self) -> None:
        user_code = parse_user_code(parse_parameters(self.query).get("user_code"))
        found = await self.find_session()
        if found is None:
            self.redirect(build_login_url(build_device_url(user_code)))
            return
        self._show_entry(found[1], user_code=user_code or "", is_given=user_code is not None)

    async def post(self) -> None:
        form = self.parse_form()
        action = form.get("action")
        if action is None:
            self.check_form_token(form.get("csrf_token"), "device")
        else:
            # Before anything is looked up: only what this browser was shown can be decided, or asked about.
            self.check_form_token(form.get("csrf_token"), "device_decision", build_shown(form))
        found = await self.find_session()
        if found is None:
            self.redirect(
                build_login_url(build_device_url(parse_user_code(form.get("user_code")))), status=303
            )
        elif action is None:
            await self._look_up(form.get("user_code") or "", found[1])
        else:
            await self._decide(form, action, found[1])

    async def _look_up(self, typed: str, person: Person) -> None:
        user_code = parse_user_code(typed)
        if user_code is None:
            self.log("device.refused", reason="user_code_malformed", user=person.username)
            error = "A code has eight letters, such as WDJB-MJHT, and no vowels or digits."
            self._show_entry(person, user_code=typed[:32], error=error)
            return
        wait = self.services.user_codes.begin(person.username, self.address, now=self.now)
        if wait > 0:
            self.log("device.refused", reason="throttled", user=person.username)
            self.set_header("Retry-After", str(math.ceil(wait)))
            self._show_entry(person, error="Too many codes that no device has.", retry_after=math.ceil(wait))
            return
        device = await find_open_device(user_code, self.services.store, now=self.now)
        client = None if device is None else await self._find_client(device.client_id)
        if device is None or client is None:
            self.log("device.refused", reason="user_code_unknown", user=person.username)
            error = "No device waits with this code. Check it, or start again on the device."
            self._show_entry(person, user_code=user_code, error=error)
            return
        self.services.user_codes.succeed(person.username, self.address)
        await self._show_consent(user_code, device, client, person)

    async def _find_client(self, client_id: str) -> OAuthClient | None:
        try:
            return await self.services.clients.asked_by(self.address).find(client_id, now=self.now)
        except UnusableClientError:
            return None

    async def _decide(self, form: Parameters, action: str, person: Person) -> None:
        user_code = parse_user_code(form.require("user_code"))
        if action not in ("approve", "deny") or user_code is None:
            refuse_form("action must be approve or deny")
        device = await find_open_device(user_code, self.services.store, now=self.now)
        scope = None
        if device is not None and action == "approve":
            scope = check_grantable(device, person)
        decided = await self.services.store.decide_device(
            build_device_key(user_code),
            bytes.fromhex(form.require("device")),
            username=person.username,
            scope=scope,
            now=self.now,
        )
        if decided is None:
            self.log("device.refused", reason="device_code_expired", user=person.username)
            self._show_notice(
                "Too late", "The code has expired, or was used. Start again on the device.", 400
            )
        elif decided.is_approved:
            self.log("device.approved", client=decided.client_id, user=person.username, scope=decided.scope)
            self._show_notice(
                "Your device is connected", "It goes on by itself within seconds. You can close this page."
            )
        else:
            self.log("device.denied", client=decided.client_id, user=person.username)
            self._show_notice("Denied", "Nothing was given to the device. You can close this page.")

    # The pages

    def _show_entry(
        self,
        person: Person,
        *,
        user_code: str = "",
        is_given: bool = False,
        error: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.render_page(
            "device.html",
            status=429 if retry_after else 403 if error else 200,
            csrf_token=self.build_form_token("device"),
            person=person.shown_name,
            user_code=user_code,
            is_given=is_given,
            error=error,
            retry_after=retry_after,
            switch_account_url=build_login_url(build_device_url(parse_user_code(user_code))),
        )

    async def _show_consent(
        self, user_code: str, device: DeviceCode, client: OAuthClient, person: Person
    ) -> None:
        scope = check_grantable(device, person)
        self.log("device.shown", client=device.client_id, user=person.username, scope=scope)
        shown = device.device_hash.hex()
        self.render_page(
            "device_consent.html",
            csrf_token=self.build_form_token("device_decision", f"{user_code} {shown}"),
            user_code=user_code,
            device=shown,
            person=person.shown_name,
            **build_client_view(client),
            asked_from=device.address,
            minutes_ago=int((self.now - device.issued_at) // 60),
            resources=list_resources(device.resources, self.services, self.issuer),
            scopes=await build_scope_views(scope, self.services),
            switch_account_url=build_login_url(build_device_url(user_code)),
        )

    def _show_notice(self, title: str, message: str, status: int = 200) -> None:
        self.render_page(
            "notice.html",
            status=status,
            title=title,
            message=message,
            link_url="/account",
            link_text="Your account",
        )


def check_grantable(device: DeviceCode, person: Person) -> tuple[str, ...]:
    """Raises: OAuthError access_denied where the person can give nothing of what was asked for."""
    scope = find_grantable(device, person)
    if scope is None:
        raise OAuthError(
            code="access_denied",
            description="this person may not grant any of these scopes",
            reason="scope_not_allowed",
        )
    return scope


def build_shown(form: Parameters) -> str:
    """What a decision is about: the code, and the very request that had it."""
    return f"{form.get('user_code')} {form.get('device')}"


def build_device_url(user_code: str | None) -> str:
    """The page, with a code filled in."""
    return "/device" if user_code is None else f"/device?user_code={user_code}"
