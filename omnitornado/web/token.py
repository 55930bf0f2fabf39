"""The token endpoint (RFC 6749 §3.2, RFC 9449 §5)."""

from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.token import redeem_token_request
from omnitornado.web.base import BaseHandler


class ClientAuthenticationHandler(BaseHandler):
    """An endpoint where clients authenticate: RFC 6749 §5.2 wants a challenge for a failed Authorization
    header.
    """

    is_cors_open = True

    @property
    def authorization(self) -> str | None:
        """The Authorization header; one is the most that may come (RFC 9110 §5.3)."""
        values = self.request.headers.get_list("Authorization")
        if len(values) > 1:
            raise OAuthError(
                code="invalid_request",
                description="more than one Authorization header",
                reason="client_two_methods",
            )
        return values[0] if values else None

    def write_failure(self, status: int, error: BaseException | None) -> None:
        if isinstance(error, OAuthError) and error.code == "invalid_client":
            self.set_header("WWW-Authenticate", f'Basic realm="{self.issuer}"')
        super().write_failure(status, error)


class TokenHandler(ClientAuthenticationHandler):
    """POST `/token`."""

    event = "token"

    async def post(self) -> None:
        response = await redeem_token_request(
            self.parse_form(),
            self.authorization,
            self.services.build_token_rules(self.address),
            request=self.services.build_proof_request(self.request, self.issuer),
            issuer=self.issuer,
            now=self.now,
        )
        self.log(
            "token.issued",
            reason=response.reason,
            client=response.grant.client_id,
            user=response.grant.username,
            grant=response.grant.public_id,
            token_type=response.body["token_type"],
            provider=response.grant.provider or None,
        )
        if response.dpop_nonce:
            self.set_header("DPoP-Nonce", response.dpop_nonce)
        self.finish_json(response.body)

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self._headers["Pragma"] = "no-cache"  # RFC 6749 §5.1
