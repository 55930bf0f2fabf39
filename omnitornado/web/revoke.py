"""The revocation endpoint (RFC 7009 §2)."""

from omnitornado.oauth.revocation import revoke_token
from omnitornado.web.token import ClientAuthenticationHandler


class RevokeHandler(ClientAuthenticationHandler):
    """POST `/revoke`."""

    event = "revoke"

    async def post(self) -> None:
        done = await revoke_token(
            self.parse_form(),
            self.authorization,
            self.services.clients.asked_by(self.address),
            self.services.store,
            issuer=self.issuer,
            now=self.now,
        )
        grant = done.grant
        self.log(
            "revoke.succeeded",
            reason=done.reason,
            client=done.client_id,
            user=None if grant is None else grant.username,
            grant=None if grant is None else grant.public_id,
        )
        self.clear_header("Content-Type")
