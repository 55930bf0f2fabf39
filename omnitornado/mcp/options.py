"""What the author may say when declaring a tool, a resource or a prompt; each decorator's keyword arguments.

Our choice.
"""

from collections.abc import Sequence
from typing import TypedDict

import msgspec

from omnitornado.mcp.content import Annotations
from omnitornado.mcp.declaration import Icon
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.resources import CacheScope
from omnitornado.mcp.task_support import TaskSupport
from omnitornado.mcp.tools import ToolAnnotations


class Options(TypedDict, total=False):
    """What all three take."""

    name: str | None
    """In place of the function's name."""
    title: str | None
    """For people."""
    description: str | None
    """In place of the docstring."""
    icons: Sequence[Icon]
    """Pictures for lists in a client."""
    scopes: Sequence[str]
    """What the person must have allowed the client beyond the endpoint's own scope."""
    timeout: float | msgspec.UnsetType | None
    """Seconds, or None for no limit; the endpoint's when left out."""
    meta: Json | None
    """`_meta` of the entry in the list."""


class ToolOptions(Options, total=False):
    """What `tool` takes."""

    annotations: ToolAnnotations | None
    """Hints about its behaviour."""
    structured: bool
    """False to return content alone, without an output schema."""
    input_schema: Json | None
    """A JSON Schema in place of the type hints; the function then takes one dictionary."""
    output_schema: Json | None
    """A JSON Schema in place of the return type."""
    task: bool | TaskSupport
    """Whether, and how, its calls run as tasks with clients that take them."""


class ResourceOptions(Options, total=False):
    """What `resource` takes."""

    mime_type: str | None
    """text/plain or application/octet-stream by what the function returns, when left out."""
    annotations: Annotations | None
    """For whom it is and how much it matters."""
    size: int | None
    """Bytes."""
    ttl: float
    """Seconds for which a client may keep what it has read; 0 when left out."""
    cache: CacheScope
    """ "public" if what is read is the same for every person; "private" when left out."""


class PromptOptions(Options, total=False):
    """What `prompt` takes."""
