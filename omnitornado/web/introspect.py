"""The introspection endpoint (RFC 7662 §2)."""

import logging

from omnitornado.oauth.introspection import introspect
from omnitornado.web.token import ClientAuthenticationHandler


class IntrospectHandler(ClientAuthenticationHandler):
    """POST `/introspect`, for the resource servers of the configuration: no web page has a secret to keep."""

    event = "introspect"
    is_cors_open = False

    async def post(self) -> None:
        answer = await introspect(
            self.parse_form(),
            self.authorization,
            self.services.build_introspection_rules(self.address),
            issuer=self.issuer,
            now=self.now,
        )
        # Debug: a resource server may ask for each of its requests.
        self.log(
            "introspect.answered",
            level=logging.DEBUG,
            server=answer.server_id,
            active=answer.grant is not None,
            client=answer.grant.client_id if answer.grant else None,
            user=answer.grant.username if answer.grant else None,
            grant=answer.grant.public_id if answer.grant else None,
        )
        self.write_json(answer.body)
