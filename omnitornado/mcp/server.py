"""The author's object: a server with a name and what it offers.

Implements: MCP 2026-07-28 schema.ts (Implementation), and earlier shapes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal, TypeVar, Unpack, overload

import msgspec

from omnitornado.mcp.completion import Completer, Target, build_completer
from omnitornado.mcp.declaration import Icon, find_place
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.options import PromptOptions, ResourceOptions, ToolOptions
from omnitornado.mcp.prompts import Prompt, build_prompt
from omnitornado.mcp.registry import Registry
from omnitornado.mcp.resources import Resource, build_resource
from omnitornado.mcp.schema import DeclarationError
from omnitornado.mcp.scope_by_annotation import ScopeByAnnotation
from omnitornado.mcp.skills import SkillSource
from omnitornado.mcp.streams import Change
from omnitornado.mcp.task_support import EXTENSION
from omnitornado.mcp.tools import Tool, build_tool
from omnitornado.mcp.uri_template import is_template
from omnitornado.mcp.versions import ICONS_SINCE, TITLES_SINCE

F = TypeVar("F", bound=Callable[..., Any])


class MCPServer:
    """Holds tools, resources, prompts and completions; an endpoint serves it and hears of each change."""

    def __init__(
        self,
        name: str,
        *,
        title: str | None = None,
        description: str | None = None,
        version: str | None = None,
        instructions: str | None = None,
        icons: Sequence[Icon] = (),
        website_url: str | None = None,
        scope_by_annotation: Mapping[str, str] | None = None,
        announce: Collection[Literal["tools", "resources", "prompts"]] = (),
    ) -> None:
        """
        Args:
            name: the server's name for programs.
            title: its name for people.
            description: for people: what it does, in a sentence.
            version: your own version of it.
            instructions: for the model: what the server is good for and how to use it.
            icons: pictures for lists in a client.
            website_url: where people read about it.
            scope_by_annotation: scopes for whatever names none itself: "read" for tools that are read-only,
                resources and prompts, "write" for all other tools, and "destructive" beside it for those of
                them that don't say `destructive_hint=False`.
            announce: lists that are empty at first and fill at run time: clients ask for a list that is
                announced when they connect, and for no other.
        """
        if not name:
            raise ValueError("a server needs a name")
        self.name = name
        self.title = title
        self.description = description
        self.version = version or "0"
        self.instructions = instructions
        self.icons = tuple(icons)
        self.website_url = website_url
        self.tools: Registry[Tool] = Registry("tools")
        self.resources: Registry[Resource] = Registry("resources", attrgetter("uri"))
        self.resource_templates: Registry[Resource] = Registry("resources", attrgetter("uri"))
        self.prompts: Registry[Prompt] = Registry("prompts")
        self.completions: Registry[Completer] = Registry("completions")
        self.extensions: dict[str, Json] = {}
        """Settings of the extensions it serves, by their names (basic/versioning, Extension Negotiation)."""
        self.skills: SkillSource | None = None
        self.has_scoped_resources = False
        self._scope_by_annotation = ScopeByAnnotation(scope_by_annotation or {})
        self._watchers: list[Callable[[Change], None]] = []
        for registry in (self.tools, self.resources, self.resource_templates, self.prompts):
            registry.watch(self._note_change)
            registry.was_used = registry.kind in announce

    # Tools

    @overload
    def tool(self, function: F, /) -> F: ...

    @overload
    def tool(self, function: None = None, /, **options: Unpack[ToolOptions]) -> Callable[[F], F]: ...

    def tool(self, function: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
        """Offer a function as a tool: `@mcp.tool()`. The function itself stays as it is.

        Raises:
            DeclarationError: the function can't be a tool as it is; the message names it and what to change.
        """
        return _decorate(function, lambda decorated: self.add_tool(decorated, **options))

    def add_tool(self, function: Callable[..., Any], **options: Unpack[ToolOptions]) -> Tool:
        """Offer a function as a tool, at any time; clients that listen are told. Options as for `tool`.

        Raises:
            DeclarationError: the function can't be a tool, or its name is taken.
        """
        if "scopes" not in options:
            options["scopes"] = self._scope_by_annotation.find_for_tool(options.get("annotations"))
        tool = build_tool(function, **options)
        if tool.task is not None:
            self.extensions.setdefault(EXTENSION, {})
        return _add(self.tools, tool, function)

    def remove_tool(self, name: str) -> bool:
        """Stop offering a tool; clients that listen are told. False when it was unknown."""
        return self.tools.remove(name)

    # Resources

    def resource(self, uri: str, /, **options: Unpack[ResourceOptions]) -> Callable[[F], F]:
        """Offer what a function returns as a resource: `@mcp.resource("notes://today")`.

        With a template, `@mcp.resource("notes://{day}")`, the variables are the function's parameters.

        Raises:
            DeclarationError: the function can't be one as it is; the message names it and what to change.
        """
        return _build_decorator(lambda decorated: self.add_resource(uri, decorated, **options))

    def add_resource(
        self, uri: str, function: Callable[..., Any], **options: Unpack[ResourceOptions]
    ) -> Resource:
        """Offer a resource or a template, at any time; clients that listen are told.

        Raises:
            DeclarationError: the function can't be one, or the URI is taken.
        """
        if "scopes" not in options:
            options["scopes"] = self._scope_by_annotation.find_for_reading()
        resource = build_resource(uri, function, **options)
        registry = self.resources if resource.template is None else self.resource_templates
        _add(registry, resource, function)
        self.has_scoped_resources = self.has_scoped_resources or bool(resource.scopes)
        return resource

    def remove_resource(self, uri: str) -> bool:
        """Stop offering a resource or a template; clients that listen are told. False when it was unknown."""
        return (self.resource_templates if is_template(uri) else self.resources).remove(uri)

    def find_resource(self, uri: str) -> tuple[Resource, dict[str, Any]] | None:
        """What serves a URI, and its function's arguments: a resource, else the first template that fits."""
        resource = self.resources.find(uri)
        if resource is None and self.skills is not None:
            resource = self.skills.catalog.files.get(uri)
        if resource is not None:
            return resource, {}
        for template in self.resource_templates.list_all():
            values = template.match(uri)
            if values is not None:
                return template, values
        return None

    def list_resources(self) -> Mapping[str, Resource]:
        """What `resources/list` shows, by URI: every resource, and of each skill its SKILL.md."""
        if self.skills is None:
            return self.resources.items
        return {**self.resources.items, **self.skills.catalog.list_main_files()}

    def notify_resource_updated(self, uri: str) -> None:
        """Tell clients that have subscribed to this URI that it reads differently now. From any thread."""
        self._tell(Change("resources", uri))

    # Prompts

    @overload
    def prompt(self, function: F, /) -> F: ...

    @overload
    def prompt(self, function: None = None, /, **options: Unpack[PromptOptions]) -> Callable[[F], F]: ...

    def prompt(self, function: Callable[..., Any] | None = None, /, **options: Unpack[PromptOptions]) -> Any:
        """Offer what a function returns as a prompt: `@mcp.prompt()`; its parameters are the arguments.

        Raises:
            DeclarationError: the function can't be one as it is; the message names it and what to change.
        """
        return _decorate(function, lambda decorated: self.add_prompt(decorated, **options))

    def add_prompt(self, function: Callable[..., Any], **options: Unpack[PromptOptions]) -> Prompt:
        """Offer a prompt, at any time; clients that listen are told. Options as for `prompt`.

        Raises:
            DeclarationError: the function can't be one, or its name is taken.
        """
        if "scopes" not in options:
            options["scopes"] = self._scope_by_annotation.find_for_reading()
        prompt = build_prompt(function, **options)
        return _add(self.prompts, prompt, function)

    def remove_prompt(self, name: str) -> bool:
        """Stop offering a prompt; clients that listen are told. False when it was unknown."""
        return self.prompts.remove(name)

    # Completions

    def completion(
        self,
        target: Target,
        name: str,
        argument: str,
        /,
        *,
        timeout: float | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> Callable[[F], F]:
        """Suggest values for an argument: `@mcp.completion("ref/prompt", "review", "language")`.

        The function takes `value`, what was typed so far, and where it likes `arguments`, those that are
        settled, and a Context. It returns strings, the best first, or a `Completion`. Arguments whose type
        lists what they may be (Literal, Enum) need none.

        Args:
            target: "ref/prompt", or "ref/resource" for a template.
            name: the prompt's name, or the template as it was declared.
            argument: the argument, or the template's variable.
            timeout: seconds, or None for no limit; the endpoint's when left out.

        Raises:
            DeclarationError: there is no such argument, or it has a completion already.
        """

        def offer(function: F) -> F:
            completer = build_completer(function, target, name, argument, timeout=timeout)
            is_prompt = target == "ref/prompt"
            described = self.prompts.find(name) if is_prompt else self.resource_templates.find(name)
            if described is None or argument not in described.arguments.schema["properties"]:
                reason = f"{target} {name!r} has no argument {argument!r}; declare it before its completion"
                raise DeclarationError(f"completion {find_place(function)}: {reason}")
            _add(self.completions, completer, function)
            return function

        return offer

    # Skills

    def serve_skills(self, skills: SkillSource) -> None:
        """Serve skills as well, in place of those served before; clients that listen hear of their changes.

        A URI of a resource of the author's own is the author's.
        """
        self.skills = skills
        self.has_scoped_resources = True
        skills.tell_changes(self._tell)

    def find_reading_scopes(self) -> frozenset[str]:
        """What reading needs where nothing else is said."""
        return frozenset(self._scope_by_annotation.find_for_reading())

    # What the endpoint asks

    def list_offered(self) -> list[Tool | Resource | Prompt]:
        """Everything that may stand behind a scope: tools, then resources, templates and prompts."""
        return [
            *self.tools.list_all(),
            *self.list_resources().values(),
            *self.resource_templates.list_all(),
            *self.prompts.list_all(),
        ]

    def watch(self, watcher: Callable[[Change], None]) -> None:
        """Call `watcher` after each change, in the thread that made it."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[Change], None]) -> None:
        """Stop that."""
        self._watchers.remove(watcher)

    def _note_change(self, kind: str) -> None:
        self._tell(Change(kind))

    def _tell(self, change: Change) -> None:
        for watcher in list(self._watchers):
            watcher(change)

    def describe(self, version: str) -> Json:
        """`Implementation`, in the words of a revision."""
        described: Json = {"name": self.name, "version": self.version}
        if self.title is not None and version >= TITLES_SINCE:
            described["title"] = self.title
        if version >= ICONS_SINCE:
            if self.description is not None:
                described["description"] = self.description
            if self.icons:
                described["icons"] = msgspec.to_builtins(self.icons)
            if self.website_url is not None:
                described["websiteUrl"] = self.website_url
        return described


T = TypeVar("T")


def _decorate(function: F | None, offer: Callable[[F], Any]) -> Any:
    """`@mcp.tool` and `@mcp.tool(…)` alike."""
    decorator = _build_decorator(offer)
    return decorator if function is None else decorator(function)


def _build_decorator(offer: Callable[[F], Any]) -> Callable[[F], F]:
    def decorate(decorated: F) -> F:
        offer(decorated)
        return decorated

    return decorate


def _add(registry: Registry[T], item: T, function: Callable[..., Any]) -> T:
    try:
        registry.add(item)
    except ValueError as error:
        raise DeclarationError(f"{type(item).__name__.lower()} {find_place(function)}: {error}") from None
    return item
