"""Implements: Agent Skills (Frontmatter), MCP extension io.modelcontextprotocol/skills (Skill Format,
Resource Mapping, Limits): whether a skill may be served.

Fields that are not known pass: the format may grow, and a host gets all of them.
"""

import re
from collections.abc import Mapping
from typing import Any

from omnitornado.skills.errors import SkillError

MAIN_FILE = "SKILL.md"
MAX_NAME = 64
MAX_DESCRIPTION = 1024
MAX_COMPATIBILITY = 500
"""Characters."""
MAX_FILES = 512
MAX_BYTES = 16 * 1024 * 1024
"""Of a skill: what every host takes (Limits)."""

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def check_fields(fields: Mapping[str, Any], folder: str) -> None:
    """Hold the front matter of the skill in `folder` against the format.

    Raises:
        SkillError: the first thing that is wrong.
    """
    name = fields.get("name")
    if not isinstance(name, str) or len(name) > MAX_NAME or _NAME.fullmatch(name) is None:
        raise SkillError(f"name must be 1 to {MAX_NAME} of a-z 0-9, with single hyphens between them")
    if name != folder:
        raise SkillError(f"name is {name}, and the folder {folder}: they must be the same")
    _check_text(fields, "description", MAX_DESCRIPTION)
    if "license" in fields:
        _check_text(fields, "license", None)
    if "compatibility" in fields:
        _check_text(fields, "compatibility", MAX_COMPATIBILITY)
    if not isinstance(fields.get("metadata", {}), dict):
        raise SkillError("metadata must be a mapping")


def _check_text(fields: Mapping[str, Any], field: str, longest: int | None) -> None:
    value = fields.get(field)
    if value is None:
        raise SkillError(f"{field} is missing")
    if not isinstance(value, str):
        raise SkillError(f"{field} must be text: put it in quotes")
    if not value.strip():
        raise SkillError(f"{field} is empty")
    if longest is not None and len(value) > longest:
        raise SkillError(f"{field} has {len(value)} characters, and may have {longest}")


def check_size(count: int, size: int) -> None:
    """Hold a skill's number of files and bytes against the limits.

    Raises:
        SkillError: every host may refuse it.
    """
    if count > MAX_FILES:
        raise SkillError(f"holds {count} files, and may hold {MAX_FILES}")
    if size > MAX_BYTES:
        raise SkillError(f"holds {size} bytes, and may hold {MAX_BYTES} (16 MiB)")
