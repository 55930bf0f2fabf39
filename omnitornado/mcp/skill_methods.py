"""Implements: MCP extension io.modelcontextprotocol/skills (Listing Skills, Getting a Skill, Reading
Directories, Error Handling): `skills/list`, `skills/get`, `resources/directory/read`, for both eras.
"""

from omnitornado.mcp.exchange import Exchange, Services
from omnitornado.mcp.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND, Json, JsonRpcError
from omnitornado.mcp.registry import find_page
from omnitornado.mcp.resource_methods import MAX_ECHO
from omnitornado.mcp.skills import Catalog

PAGE_BYTES = 1 << 20
"""A page of skills is about as long at most: an entry alone may name 512 files."""


def _find_catalog(services: Services, exchange: Exchange) -> Catalog:
    """The skills that are served.

    Raises:
        JsonRpcError: -32601, the server has none, and says so in its capabilities.
    """
    source = services.server.skills
    if source is None:
        raise JsonRpcError(code=METHOD_NOT_FOUND, message=f"Method not found: {exchange.request.method}")
    return source.catalog


async def list_skills(services: Services, exchange: Exchange) -> Json:
    """A page of skills. Every caller sees all of them, as with tools."""
    catalog = _find_catalog(services, exchange)
    page, cursor = find_page(
        catalog.skills,
        "skills",
        exchange.params,
        services.page_size,
        weigh=lambda skill: skill.weight,
        most=PAGE_BYTES,
    )
    return _build_page("skills", [skill.entry for skill in page], cursor)


async def get_skill(services: Services, exchange: Exchange) -> Json:
    """One skill, by the URI of its SKILL.md.

    Raises:
        JsonRpcError: -32602, none is served there.
    """
    catalog, uri = _find_catalog(services, exchange), exchange.get_string("uri")
    skill = catalog.skills.get(uri)
    if skill is None:
        raise _build_unknown("No skill is served at this URI", uri)
    return {"skill": skill.entry}


async def read_directory(services: Services, exchange: Exchange) -> Json:
    """A page of a folder's direct children.

    Raises:
        JsonRpcError: -32602, there is no folder.
    """
    catalog, uri = _find_catalog(services, exchange), exchange.get_string("uri")
    children = catalog.folders.get(uri)
    if children is None:
        is_file = uri in catalog.files
        raise _build_unknown("This is a file, no directory" if is_file else "Directory not found", uri)
    page, cursor = find_page(children, "folder", exchange.params, services.page_size)
    return _build_page("resources", [child.describe(exchange.version) for child in page], cursor)


def _build_page(member: str, items: list[Json], cursor: str | None) -> Json:
    result: Json = {member: items}
    if cursor is not None:
        result["nextCursor"] = cursor
    return result


def _build_unknown(message: str, uri: str) -> JsonRpcError:
    return JsonRpcError(code=INVALID_PARAMS, message=message, data={"uri": uri[:MAX_ECHO]})
