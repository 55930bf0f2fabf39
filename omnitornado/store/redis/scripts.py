"""The scripts: each transition is one Lua file in `lua/`, run behind `prelude.lua` and what stands here.

A script is sent once and then called by its digest; a Redis that has forgotten it (a restart, SCRIPT FLUSH)
is sent it again.
"""

import functools
import hashlib
from importlib import resources

import msgspec

from omnitornado.store.eviction import LARGE
from omnitornado.store.limits import Limits
from omnitornado.store.redis.fields import KINDS, NUMBER

MARGIN = 60.0
"""Seconds that a record is kept past its end, for a process whose clock is behind."""
BARE = "-- bare"
"""What a script begins with that needs nothing of the prelude."""


class Script(msgspec.Struct, frozen=True):
    """One script, ready to be sent. `digest`: by which Redis knows it."""

    name: str
    text: str
    digest: str


def build_scripts(limits: Limits) -> dict[str, Script]:
    """Every script by its name."""
    sources = dict(_read_sources())
    prelude = _build_constants(limits) + sources.pop("prelude")
    return {
        name: _build_script(name, body if body.startswith(BARE) else prelude + body)
        for name, body in sources.items()
    }


def _build_script(name: str, text: str) -> Script:
    # Redis's own way to name a script; nothing rests on its strength.
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@functools.cache
def _read_sources() -> tuple[tuple[str, str], ...]:
    folder = resources.files("omnitornado.store.redis") / "lua"
    return tuple(
        (file.name.removesuffix(".lua"), file.read_text(encoding="utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".lua")
    )


def _build_constants(limits: Limits) -> str:
    kinds = ", ".join(f"{kind.name} = {{ {_list_fields(kind.fields)} }}" for kind in KINDS)
    caps = ", ".join(f"{name} = {value}" for name, value in msgspec.structs.asdict(limits).items())
    return (
        f"local KINDS = {{ {kinds} }}\nlocal LIMITS = {{ {caps} }}\n"
        f"local MARGIN, LARGE, NEVER = {MARGIN}, {LARGE}, math.huge\n"
    )


def _list_fields(fields: dict[str, str]) -> str:
    return ", ".join(f"'{name}', {str(holds == NUMBER).lower()}" for name, holds in fields.items())
