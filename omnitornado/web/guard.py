"""A bearer token for any RequestHandler of any Tornado application (RFC 6750, RFC 9728)."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from tornado.web import RequestHandler

from omnitornado.oauth.bearer import BearerError, build_challenge, check_bearer, check_scope
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.web.services import Services

H = TypeVar("H", bound=type[RequestHandler])


def guard_handler(
    services: Services, resource: ProtectedResource, scope: tuple[str, ...]
) -> Callable[[H], H]:
    """A class decorator: every request needs a token for `resource` with `scope`; `current_user` is then its
    `Bearer`, with `username`, `client_id` and `scope`.
    """

    def decorate(handler: H) -> H:
        class Guarded(handler):  # type: ignore[valid-type,misc]
            async def prepare(self) -> None:
                issuer = services.identity().find_issuer(self.request.headers.get("Host"))
                try:
                    bearer = await check_bearer(
                        self.request.headers.get("Authorization"),
                        resource,
                        services.store,
                        services.people,
                        now=services.clock(),
                    )
                    check_scope(bearer, scope)
                except BearerError as error:
                    _refuse(self, error, resource, issuer or services.identity().issuer)
                    return
                self.current_user = bearer
                result: Any = super().prepare()
                if result is not None:
                    await result

        Guarded.__name__, Guarded.__qualname__ = handler.__name__, handler.__qualname__
        Guarded.__doc__, Guarded.__module__ = handler.__doc__, handler.__module__
        return Guarded  # type: ignore[return-value]

    return decorate


def _refuse(handler: RequestHandler, error: BearerError, resource: ProtectedResource, issuer: str) -> None:
    handler.set_status(error.status)
    handler.set_header("WWW-Authenticate", build_challenge(error, resource, issuer=issuer))
    handler.set_header("Content-Type", "application/json")
    body = {"error": error.code or "unauthorized", "error_description": error.description}
    handler.finish(msgspec.json.encode(body))
