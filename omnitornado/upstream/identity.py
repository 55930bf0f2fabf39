"""Who calls, as a server behind us is told.

Our choice; no specification says how. A child that is one person's, or one session's, finds the person in its
environment, and each request names the caller in `_meta`. What a client writes into that place is taken out,
and of the access token nothing is passed on: a server behind us never sees a credential.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from omnitornado.mcp.inbound import (
    CLIENT_CAPABILITIES_KEY,
    CLIENT_INFO_KEY,
    LOG_LEVEL_KEY,
    VERSION_KEY,
)
from omnitornado.mcp.jsonrpc import Json, RequestId
from omnitornado.mcp.principal import Principal

PREFIX = "omnitornado/"
CALLER_KEY = PREFIX + "caller"
PERSON_VARIABLE = "OMNITORNADO_USERNAME"
CLIENT_VARIABLES = ("OMNITORNADO_CLIENT_ID", "OMNITORNADO_CLIENT_NAME")

INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
"""What a child gets of the server's own environment: the rest may hold secrets."""

_HOP = frozenset({VERSION_KEY, CLIENT_INFO_KEY, CLIENT_CAPABILITIES_KEY, LOG_LEVEL_KEY, "progressToken"})
"""Members of `_meta` that are between a client and us."""


def build_environment(
    configured: Mapping[str, str],
    passed: Iterable[str],
    *,
    principal: Principal | None,
    names_client: bool = False,
    own: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """A child's environment.

    Args:
        configured: variables of the configuration.
        passed: names of our own variables that it gets.
        principal: whose child it is; None for everyone's.
        names_client: whether it is one client's alone.
        own: our environment.
    """
    environment = {name: own[name] for name in (*INHERITED, *passed) if name in own}
    environment.update(configured)
    for name in (PERSON_VARIABLE, *CLIENT_VARIABLES):
        environment.pop(name, None)
    if principal is not None:
        environment[PERSON_VARIABLE] = _clean(principal.username)
        if names_client:
            identity = (principal.client_id, principal.client_name)
            environment.update(zip(CLIENT_VARIABLES, map(_clean, identity), strict=True))
    return environment


def build_params(params: Json, principal: Principal, progress_token: RequestId | None) -> Json:
    """A request's parameters as the upstream gets them. `progress_token`: ours, in place of the client's."""
    given = params.get("_meta")
    meta: dict[str, Any] = {}
    if isinstance(given, dict):
        meta = {key: value for key, value in given.items() if key not in _HOP and not _is_ours(key)}
    meta[CALLER_KEY] = {
        "username": principal.username,
        "client_id": principal.client_id,
        "client_name": principal.client_name,
        "scopes": sorted(principal.scopes),
    }
    if progress_token is not None:
        meta["progressToken"] = progress_token
    return {**params, "_meta": meta}


def _is_ours(key: str) -> bool:
    return key.lower().startswith(PREFIX)


def _clean(value: str) -> str:
    """An environment variable holds no NUL."""
    return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
