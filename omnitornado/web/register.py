"""The client registration endpoint (RFC 7591 §3)."""

import math

import msgspec

from omnitornado.oauth.client_metadata import build_registration_response, parse_registration
from omnitornado.oauth.errors import OAuthError
from omnitornado.web.base import BaseHandler


class RegisterHandler(BaseHandler):
    """POST `/register`, for anyone who can reach the server. The client is on disk before the 201."""

    event = "register"
    is_cors_open = True

    async def post(self) -> None:
        if not self.services.can_register:
            raise OAuthError(
                code="access_denied", description="registration is switched off", reason="registration_off"
            )
        self._check_rate()
        client, secret = parse_registration(
            self._parse_body(), now=self.now, token_bytes=self.services.token_bytes
        )
        dropped = await self.services.store.register_client(client)
        self.log(
            "register.succeeded",
            client=client.client_id,
            name=client.client_name,
            method=client.token_endpoint_auth_method,
            redirect_uris=client.redirect_uris,
        )
        for client_id in dropped:
            self.log("register.dropped", client=client_id, reason="unused_clients_cap")
        self.write_json(build_registration_response(client, secret), status=201)

    def _check_rate(self) -> None:
        wait = self.services.registrations.take(self.address, now=self.now)
        if wait > 0:
            raise OAuthError(
                code="temporarily_unavailable",
                description="too many registrations from this address",
                reason="registration_rate",
                status=429,
                retry_after=math.ceil(wait),
            )

    def _parse_body(self) -> object:
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise OAuthError(
                code="invalid_client_metadata", description="the body must be JSON", reason="not_json"
            ) from None
