"""The revocation endpoint (RFC 7009 §2)."""

from omnitornado.oauth.revocation import revoke_token
from omnitornado.web.token import ClientAuthenticationHandler


class RevokeHandler(ClientAuthenticationHandler):
    """POST `/revoke`."""

    event = "revoke"

    async def post(self) -> None:
        reason = await revoke_token(
            self.parse_form(),
            self.authorization,
            self.services.clients,
            self.services.store,
            issuer=self.issuer,
            now=self.now,
        )
        self.log("revoke.succeeded", reason=reason)
        self.clear_header("Content-Type")
