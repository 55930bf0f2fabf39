"""A token for any RequestHandler of any Tornado application (RFC 6750, RFC 9449, RFC 9728)."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from tornado.web import RequestHandler

from omnitornado.oauth.bearer import BearerError, build_challenges, check_bearer, check_scope
from omnitornado.oauth.resource import ProtectedResource
from omnitornado.store.transitions import StoreUnavailable
from omnitornado.web.base import RETRY_AFTER, UNAVAILABLE
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
                issuer = services.find_issuer(self.request) or services.identity().issuer
                try:
                    bearer = await check_bearer(
                        self.request.headers.get("Authorization"),
                        resource,
                        services.store,
                        services.people,
                        proofs=services.proofs,
                        request=services.build_proof_request(self.request, issuer),
                        now=services.clock(),
                    )
                    check_scope(bearer, scope)
                    await services.store.touch_grant(bearer.grant_id, now=services.clock())
                except BearerError as error:
                    _refuse(self, error, build_challenges(error, resource, services.proofs, issuer=issuer))
                    return
                except StoreUnavailable:
                    _refuse_for_now(self)
                    return
                self.current_user = bearer
                if bearer.dpop_nonce:
                    self.set_header("DPoP-Nonce", bearer.dpop_nonce)
                result: Any = super().prepare()
                if result is not None:
                    await result

        Guarded.__name__, Guarded.__qualname__ = handler.__name__, handler.__qualname__
        Guarded.__doc__, Guarded.__module__ = handler.__doc__, handler.__module__
        return Guarded  # type: ignore[return-value]

    return decorate


def _refuse(handler: RequestHandler, error: BearerError, challenges: str) -> None:
    if error.status == 503:
        _refuse_for_now(handler)
        return
    handler.set_status(error.status)
    handler.set_header("WWW-Authenticate", challenges)
    if error.dpop_nonce:
        handler.set_header("DPoP-Nonce", error.dpop_nonce)
    _finish(handler, {"error": error.code or "unauthorized", "error_description": error.description})


def _refuse_for_now(handler: RequestHandler) -> None:
    handler.set_status(503)
    handler.set_header("Retry-After", RETRY_AFTER)
    _finish(handler, {"error": "temporarily_unavailable", "error_description": UNAVAILABLE})


def _finish(handler: RequestHandler, body: dict[str, str]) -> None:
    handler.set_header("Content-Type", "application/json")
    handler.set_header("Cache-Control", "no-store")
    handler.finish(msgspec.json.encode(body))
