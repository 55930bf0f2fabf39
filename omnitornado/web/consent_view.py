"""What the consent page says of a request."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from omnitornado.oauth.authorize import AuthorizationRequest
from omnitornado.oauth.people import Person
from omnitornado.oauth.shipped_documents import find_imitated
from omnitornado.store.records import Grant
from omnitornado.web.services import ScopeTool, Services


@dataclass(frozen=True)
class ScopeView:
    """A scope in words, with the tools that stand behind it."""

    name: str
    description: str
    tools: list[ScopeTool]
    is_new: bool = False
    """The app has access already, and not to this."""


async def build_consent_view(
    request: AuthorizationRequest,
    person: Person,
    scope: tuple[str, ...],
    services: Services,
    issuer: str,
    *,
    grants: Sequence[Grant] = (),
) -> dict[str, Any]:
    """The variables of consent.html that depend on the request. `grants`: what the person gave the client
    before, so that a step up shows what is new.
    """
    client, uri = request.client, request.redirect_uri
    named = {resource.path: resource for resource in services.resources}
    return {
        "username": person.username,
        "client_name": client.client_name,
        "client_id": client.client_id,
        "client_uri": client.client_uri if _is_https(client.client_uri) else None,
        "redirect_host": uri.shown_host,
        "redirect_uri": uri.uri,
        "binds_redirect": request.binds_redirect,
        "loopback_only": uri.is_loopback or uri.is_private_scheme,
        "self_registered": not client.is_preset,
        "publisher": None if client.origin is None else client.origin.host,
        "is_verified": client.is_verified,
        "imitated": None if client.origin is None else find_imitated(client.client_name, client.origin.host),
        "resources": [named[path].build_url(issuer) for path in request.resources if path in named],
        "scopes": [
            ScopeView(
                name,
                services.scopes.descriptions.get(name, name),
                await _find_tools(services, name),
                is_new=bool(grants) and not any(name in grant.scope for grant in grants),
            )
            for name in scope
        ],
    }


async def _find_tools(services: Services, scope: str) -> list[ScopeTool]:
    found = services.find_tools(scope)
    return list(await found if isinstance(found, Awaitable) else found)


def _is_https(url: str | None) -> bool:
    return url is not None and urlsplit(url).scheme == "https"
