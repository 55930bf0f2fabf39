"""Implements: MCP extension io.modelcontextprotocol/tasks (Capability Negotiation, Supported Methods): what a
tool's author says about tasks, and what a client does.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from omnitornado.mcp.client_capabilities import ClientCapabilityError
from omnitornado.mcp.jsonrpc import Json
from omnitornado.mcp.schema import DeclarationError

EXTENSION = "io.modelcontextprotocol/tasks"
TASKS: Json = {"extensions": {EXTENSION: {}}}
"""ClientCapabilities of a client that takes tasks."""


class TaskSupport(msgspec.Struct, frozen=True, kw_only=True):
    """How a tool's calls run as tasks, with clients that take them."""

    required: bool = False
    """Whether other clients are refused; they get a plain call otherwise."""
    starts_at_once: bool = True
    """False: the call begins as a plain one, and becomes a task where it calls `Context.start_task`."""
    time_limit: float | None = None
    """Seconds it may run, questions included; the server's when left out. The tool's own `timeout` counts
    beside it."""
    result_lifetime: float | None = None
    """Seconds for which the result is kept at least; the server's when left out."""
    poll_interval: float | None = None
    """Seconds between two looks that clients are told; the server's when left out."""


def find_task_support(task: bool | TaskSupport) -> TaskSupport | None:
    """What `task=` of a declaration means.

    Raises:
        DeclarationError: a time that is not above 0.
    """
    if not isinstance(task, TaskSupport):
        return TaskSupport() if task else None
    for name in ("time_limit", "result_lifetime", "poll_interval"):
        seconds = getattr(task, name)
        if seconds is not None and not 0 < seconds < float("inf"):
            raise DeclarationError(f"{name} of its tasks is a number of seconds above 0")
    return task


def takes_tasks(capabilities: Mapping[str, Any]) -> bool:
    """Whether a client that declares these capabilities takes tasks."""
    extensions = capabilities.get("extensions")
    return isinstance(extensions, dict) and isinstance(extensions.get(EXTENSION), dict)


def build_task_refusal(label: str) -> ClientCapabilityError:
    """For a client that takes no tasks and needs to."""
    return ClientCapabilityError(TASKS, f"The {label} needs a client that supports tasks ({EXTENSION}).")
