"""Implements: MCP 2026-07-28 server/resources (Resource, Resource Templates, Resource Contents, Annotations),
server/utilities/caching, and earlier revisions' shapes.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from omnitornado.mcp.content import Annotations, build_resource_contents
from omnitornado.mcp.context import Context
from omnitornado.mcp.declaration import Icon, check_meta, check_scopes, check_timeout, find_place, is_async
from omnitornado.mcp.docstring import parse_docstring
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import ArgumentError, Arguments, DeclarationError, build_arguments
from omnitornado.mcp.string_arguments import check_parameters, parse_strings
from omnitornado.mcp.uri_template import UriTemplate, check_uri, is_template, parse_template
from omnitornado.mcp.versions import ICONS_SINCE, META_SINCE, TITLES_SINCE

CacheScope = Literal["public", "private"]


class ResourceNotFoundError(Exception):
    """Raised by a resource's function: there is nothing at this URI. Returning None says the same."""


class ResourceContent(msgspec.Struct, frozen=True):
    """One content of a resource, where the function says more than text or bytes."""

    content: str | bytes
    uri: str | None = None
    """Where it differs from the one that was read: a part of it."""
    mime_type: str | None = None
    """In place of the resource's."""
    meta: Json | None = None
    """`_meta` of this content."""


class Resource(msgspec.Struct, frozen=True):
    """A function as it is offered at a URI, or at all URIs of a template."""

    uri: str
    """The URI, or the template."""
    template: UriTemplate | None
    name: str
    title: str | None
    description: str
    mime_type: str | None
    function: Callable[..., Any]
    is_async: bool
    arguments: Arguments
    icons: tuple[Icon, ...]
    annotations: Annotations | None
    size: int | None
    """Bytes."""
    scopes: frozenset[str]
    timeout: float | msgspec.UnsetType | None
    """Seconds; None for no limit; UNSET for the endpoint's."""
    ttl: float
    """Seconds for which a client may keep what it has read."""
    cache: CacheScope
    meta: Json | None

    @property
    def label(self) -> str:
        return f"resource {self.name}"

    def match(self, uri: str) -> dict[str, Any] | None:
        """The function's arguments for a URI; None where it isn't this resource's."""
        if self.template is None:
            return {} if uri == self.uri else None
        values = self.template.match(uri)
        if values is None:
            return None
        try:
            return parse_strings(self.arguments, values)
        except ArgumentError:
            return None

    def describe(self, version: str) -> Json:
        """The entry in `resources/list` or `resources/templates/list`, in the words of a revision."""
        entry: Json = {"uri" if self.template is None else "uriTemplate": self.uri, "name": self.name}
        if self.title is not None and version >= TITLES_SINCE:
            entry["title"] = self.title
        if self.description:
            entry["description"] = self.description
        if self.mime_type is not None:
            entry["mimeType"] = self.mime_type
        if self.annotations is not None:
            entry["annotations"] = self.annotations.build(version)
        if self.size is not None:
            entry["size"] = self.size
        if self.icons and version >= ICONS_SINCE:
            entry["icons"] = msgspec.to_builtins(self.icons)
        if self.meta is not None and version >= META_SINCE:
            entry["_meta"] = self.meta
        return entry

    def build_contents(self, value: Any, uri: str) -> list[Json]:
        """What a return value becomes: text, bytes, ready contents, a list of these; else its JSON.

        Raises:
            ResourceNotFoundError: the value is None.
            TypeError: it has no JSON form.
        """
        if value is None:
            raise ResourceNotFoundError
        if isinstance(value, list | tuple) and any(isinstance(item, ResourceContent) for item in value):
            return [self._build_content(item, uri) for item in value]
        return [self._build_content(value, uri)]

    def _build_content(self, value: Any, uri: str) -> Json:
        if isinstance(value, ResourceContent):
            mime_type = value.mime_type or self._find_mime_type(value.content)
            content = build_resource_contents(value.uri or uri, value.content, mime_type)
            return content if value.meta is None else {**content, "_meta": value.meta}
        if isinstance(value, bytearray | memoryview):
            value = bytes(value)
        if isinstance(value, str | bytes):
            return build_resource_contents(uri, value, self._find_mime_type(value))
        text = msgspec.json.encode(value).decode("utf-8")
        return build_resource_contents(uri, text, self.mime_type or "application/json")

    def _find_mime_type(self, content: str | bytes) -> str:
        kind = "text/plain" if isinstance(content, str) else "application/octet-stream"
        return self.mime_type or kind


def adapt_contents(contents: list[Json], version: str) -> list[Json]:
    """Contents in the words of a revision."""
    if version >= META_SINCE:
        return contents
    return [{key: value for key, value in content.items() if key != "_meta"} for content in contents]


def build_resource(
    uri: str,
    function: Callable[..., Any],
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    mime_type: str | None = None,
    icons: Sequence[Icon] = (),
    annotations: Annotations | None = None,
    size: int | None = None,
    scopes: Sequence[str] = (),
    timeout: float | msgspec.UnsetType | None = msgspec.UNSET,
    ttl: float = 0.0,
    cache: CacheScope = "private",
    meta: Json | None = None,
) -> Resource:
    """Make a resource of a function; what is not given comes from its name, type hints and docstring.

    Raises:
        DeclarationError: with the function's name, its place and what to change.
    """
    try:
        text, parameters = parse_docstring(inspect.getdoc(function) or "")
        template = parse_template(uri) if is_template(uri) else None
        if template is None:
            check_uri(uri)
        arguments = build_arguments(function, parameters, Context)
        _check_variables(template, arguments)
        return Resource(
            uri=uri,
            template=template,
            name=name or str(getattr(function, "__name__", "")) or uri,
            title=title,
            description=text if description is None else description,
            mime_type=mime_type,
            function=function,
            is_async=is_async(function),
            arguments=arguments,
            icons=tuple(icons),
            annotations=annotations,
            size=_check_size(size, template),
            scopes=check_scopes(scopes),
            timeout=check_timeout(timeout),
            ttl=_check_ttl(ttl),
            cache=_check_cache(cache),
            meta=check_meta(meta),
        )
    except (DeclarationError, ValueError) as error:
        raise DeclarationError(f"resource {find_place(function)}: {error}") from None


def _check_variables(template: UriTemplate | None, arguments: Arguments) -> None:
    names = () if template is None else template.names
    parameters = [parameter.name for parameter in arguments.parameters]
    for name in names:
        if name not in parameters:
            raise DeclarationError(f"the template's {{{name}}} is no parameter of the function")
    for parameter in arguments.parameters:
        if parameter.required and parameter.name not in names:
            raise DeclarationError(f"'{parameter.name}' stands nowhere in the URI template")
    check_parameters(arguments)


def _check_size(size: int | None, template: UriTemplate | None) -> int | None:
    if size is not None and (size < 0 or template is not None):
        raise DeclarationError("size is a number of bytes, and of a single resource, not of a template")
    return size


def _check_ttl(ttl: float) -> float:
    if not 0 <= ttl < 1e9:
        raise DeclarationError("ttl is a number of seconds from 0 on")
    return ttl


def _check_cache(cache: CacheScope) -> CacheScope:
    if cache not in ("public", "private"):
        raise DeclarationError('cache is "public" or "private"')
    return cache
