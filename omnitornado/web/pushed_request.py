"""The endpoint for pushed authorization requests (RFC 9126 §2)."""

import math

from tornado.web import HTTPError

from omnitornado.oauth.client import OAuthClient
from omnitornado.oauth.errors import OAuthError, concerning
from omnitornado.oauth.pushed_request import check_push, is_operators, keep_push
from omnitornado.web.token import ClientAuthenticationHandler


class PushedRequestHandler(ClientAuthenticationHandler):
    """POST `/par`. Every error is JSON, also those that the authorization endpoint sends to the client."""

    event = "par"

    def check_request(self) -> None:
        super().check_request()
        if not self.services.can_push:
            raise HTTPError(404)

    async def post(self) -> None:
        rules = self.services.build_authorization_rules(self.issuer, self.address)
        checked = await check_push(
            self.parse_form(),
            self.authorization,
            rules,
            proofs=self.services.proofs,
            request=self.services.build_proof_request(self.request, self.issuer),
            now=self.now,
        )
        request, query = checked.request, checked.query
        with concerning(client=request.client.client_id):
            self._check_rate(request.client)
        push = await keep_push(request, query, self.services.store, self.services.pushes, now=self.now)
        self.log(
            "par.pushed",
            client=request.client.client_id,
            scope=request.scope,
            redirect=request.redirect_uri.shown_host,
        )
        if checked.dpop_nonce:
            self.set_header("DPoP-Nonce", checked.dpop_nonce)
        self.write_json(push.build_response(), status=201)

    def _check_rate(self, client: OAuthClient) -> None:
        """RFC 9126 §2.3. The operator's own client that has proven itself may push for all of its people."""
        if is_operators(client):
            return
        wait = self.services.push_rate.take(self.address, now=self.now)
        if wait > 0:
            raise OAuthError(
                code="temporarily_unavailable",
                description="too many pushed requests for this address",
                reason="push_rate",
                status=429,
                retry_after=math.ceil(wait),
            )
