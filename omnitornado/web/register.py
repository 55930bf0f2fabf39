"""The client registration endpoint (RFC 7591 §3) and the client configuration endpoint (RFC 7592 §2)."""

import math

import msgspec

from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.registration import (
    Registration,
    check_initial_access,
    delete_registration,
    find_registration,
    register,
    update_registration,
)
from omnitornado.web.base import BaseHandler


class RegistrationHandler(BaseHandler):
    """What both endpoints share: JSON in, bearer tokens, and a limit for each address."""

    event = "register"
    is_cors_open = True

    @property
    def authorization(self) -> str | None:
        """The Authorization header; one is the most that may come (RFC 9110 §5.3)."""
        values = self.request.headers.get_list("Authorization")
        if len(values) > 1:
            raise OAuthError(
                code="invalid_request",
                description="more than one Authorization header",
                reason="token_two_headers",
            )
        return values[0] if values else None

    def check_rate(self) -> None:
        """Raises: OAuthError temporarily_unavailable (429)."""
        wait = self.services.registrations.take(self.address, now=self.now)
        if wait > 0:
            raise OAuthError(
                code="temporarily_unavailable",
                description="too many registrations from this address",
                reason="registration_rate",
                status=429,
                retry_after=math.ceil(wait),
            )

    def parse_body(self) -> object:
        """The body's JSON. Raises: OAuthError invalid_client_metadata."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise OAuthError(
                code="invalid_client_metadata", description="the body must be JSON", reason="not_json"
            ) from None

    def write_failure(self, status: int, error: BaseException | None) -> None:
        if isinstance(error, OAuthError) and error.code == "invalid_token":
            # RFC 6750 §3.1: no error code where no credentials came.
            has_token = "Authorization" in self.request.headers
            self.set_header("WWW-Authenticate", 'Bearer error="invalid_token"' if has_token else "Bearer")
        super().write_failure(status, error)


class RegisterHandler(RegistrationHandler):
    """POST `/register`, for anyone who can reach the server, or who has an initial access token. The client
    is on disk before the 201.
    """

    async def post(self) -> None:
        if not self.services.can_register:
            raise OAuthError(
                code="access_denied", description="registration is switched off", reason="registration_off"
            )
        self.check_rate()
        check_initial_access(self.authorization, self.services.registration)
        registration, dropped = await register(self.parse_body(), self.services.registration, now=self.now)
        client = registration.client
        self.log(
            "register.succeeded",
            client=client.client_id,
            name=client.client_name,
            method=client.token_endpoint_auth_method,
            redirect_uris=client.redirect_uris,
        )
        if dropped:
            self.log("register.dropped", clients=dropped, reason="unused_clients_cap")
        self.finish_json(registration.build_response(self.issuer), status=201)


class ClientConfigurationHandler(RegistrationHandler):
    """`/register/{client_id}`: GET reads, PUT replaces, DELETE ends the registration. All with its
    registration access token; also where new clients may not register any more.
    """

    async def get(self, client_id: str) -> None:
        registration = await self._find(client_id)
        self.write_json(registration.build_response(self.issuer))

    async def put(self, client_id: str) -> None:
        self.check_rate()
        registration = await self._find(client_id)
        changed = await update_registration(
            registration, self.parse_body(), self.services.registration, now=self.now
        )
        client = changed.client
        self.log(
            "register.updated",
            client=client.client_id,
            name=client.client_name,
            method=client.token_endpoint_auth_method,
            redirect_uris=client.redirect_uris,
        )
        self.write_json(changed.build_response(self.issuer))

    async def delete(self, client_id: str) -> None:
        registration = await self._find(client_id)
        ended = await delete_registration(registration, self.services.registration, now=self.now)
        self.log("register.deleted", client=registration.client.client_id, grants=ended)
        self.set_status(204)

    async def _find(self, client_id: str) -> Registration:
        return await find_registration(
            client_id, self.authorization, self.services.registration, now=self.now
        )
