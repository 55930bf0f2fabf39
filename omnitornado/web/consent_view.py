"""What the consent page says of a request."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from omnitornado.oauth.authorize import AuthorizationRequest
from omnitornado.oauth.client import OAuthClient
from omnitornado.oauth.people import Person
from omnitornado.oauth.redirect_uri import RedirectUri
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
    did_not_arrive: bool = False,
) -> dict[str, Any]:
    """The variables of consent.html that depend on the request. `grants`: what the person gave the client
    before, so that a step up shows what is new. `did_not_arrive`: this browser was sent to the app with an
    answer to this very request, and is here again.
    """
    client, uri = request.client, request.redirect_uri
    return {
        **build_client_view(client, uri),
        "person": person.shown_name,
        "client_id": client.client_id,
        "client_uri": client.client_uri if _is_https(client.client_uri) else None,
        "redirect_host": uri.shown_host,
        "redirect_uri": uri.uri,
        "binds_redirect": request.binds_redirect,
        "did_not_arrive": did_not_arrive,
        "loopback_only": uri.is_on_device,
        "resources": list_resources(request.resources, services, issuer),
        "scopes": await build_scope_views(scope, services, grants),
    }


def build_client_view(client: OAuthClient, uri: RedirectUri | None = None) -> dict[str, Any]:
    """Who a client says it is, and who stands for that. `uri`: where it is answered, if anywhere."""
    return {
        "client_name": client.client_name,
        "self_registered": not client.is_preset,
        "publisher": None if client.origin is None else client.origin.host,
        "is_verified": client.is_verified,
        "imitated": _find_imitated(client, uri),
    }


def _find_imitated(client: OAuthClient, uri: RedirectUri | None) -> str | None:
    """Whose app a name looks like that comes from elsewhere: by the host of its document, or for one that
    registered itself by the host that it is answered at. What is answered on the person's own computer may be
    the real one; the page warns of those anyway.
    """
    if client.origin is not None:
        return find_imitated(client.client_name, client.origin.host)
    if client.is_preset or uri is None or uri.is_on_device:
        return None
    return find_imitated(client.client_name, uri.host)


def list_resources(paths: Sequence[str], services: Services, issuer: str) -> list[str]:
    """The addresses of what access is asked for."""
    named = {resource.path: resource for resource in services.resources}
    return [named[path].build_url(issuer) for path in paths if path in named]


async def build_scope_views(
    scope: Sequence[str], services: Services, grants: Sequence[Grant] = ()
) -> list[ScopeView]:
    """`grants`: what the person gave the client before."""
    return [
        ScopeView(
            name,
            services.scopes.descriptions.get(name, name),
            await _find_tools(services, name),
            is_new=bool(grants) and not any(name in grant.scope for grant in grants),
        )
        for name in scope
    ]


async def _find_tools(services: Services, scope: str) -> list[ScopeTool]:
    found = services.find_tools(scope)
    return list(await found if isinstance(found, Awaitable) else found)


def _is_https(url: str | None) -> bool:
    return url is not None and urlsplit(url).scheme == "https"
