"""Implements: RFC 6749 §3.3 and MCP 2026-07-28 basic/authorization (scope hierarchies): scopes asked for,
allowed and granted.

A scope may imply others. That is resolved where scopes come in (a request, what a person or a preset client
may have): what is granted names every scope that it is good for, as the person saw it, and everywhere else a
scope is a name and nothing more. A hierarchy that changes later changes no grant.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from omnitornado.oauth.errors import OAuthError, ValidatedRedirect
from omnitornado.oauth.resource import ProtectedResource

SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
"""RFC 6749 §3.3 scope-token."""

IGNORED: Final = frozenset({"openid", "profile", "email", "offline_access"})
"""Scopes that clients ask for out of habit. There is no ID token here and a refresh token needs no scope, so
they are left out of what is granted, as §3.3 permits, instead of turning the client away.
"""


class ScopePolicy(msgspec.Struct, frozen=True):
    """The scopes that exist here, with what each means in words, and those given when none is asked for,
    beside what the resources of the request need.
    """

    descriptions: Mapping[str, str]
    default: Sequence[str]
    implied: Mapping[str, Sequence[str]] = {}
    """What each scope implies, itself left out."""

    def expand(self, scope: Iterable[str]) -> tuple[str, ...]:
        """`scope` with all that it implies, however many steps away, in the order they are met."""
        found = dict.fromkeys(scope)
        waiting = list(found)
        while waiting:
            for token in self.implied.get(waiting.pop(0), ()):
                if token not in found:
                    found[token] = None
                    waiting.append(token)
        return tuple(found)

    def build_default(self, resources: Iterable[ProtectedResource]) -> tuple[str, ...]:
        """The scopes of a request that names none: the fewest that the resources can be used with."""
        needed = (token for resource in resources for token in resource.scope)
        return tuple(dict.fromkeys((*self.default, *needed)))


def parse_scope(text: str | None) -> tuple[str, ...]:
    """Scope tokens in the order given, without repeats. Raises: ValueError for a character outside §3.3."""
    if not text:
        return ()
    tokens = tuple(dict.fromkeys(text.split(" ")))
    tokens = tuple(token for token in tokens if token)
    for token in tokens:
        if not SCOPE_TOKEN.fullmatch(token):
            raise ValueError("scope has characters it can't have")
    return tokens


def check_requested_scope(
    text: str | None,
    policy: ScopePolicy,
    resources: Iterable[ProtectedResource],
    *,
    redirect: ValidatedRedirect | None,
) -> tuple[str, ...]:
    """The scopes a request stands for, with all they imply; the default for its resources when it names none
    that exists here.

    Raises: OAuthError invalid_scope for a scope that is malformed or unknown.
    """
    try:
        asked = _drop_ignored(parse_scope(text), policy.descriptions)
    except ValueError as error:
        raise OAuthError(
            code="invalid_scope", description=str(error), reason="scope_malformed", redirect=redirect
        ) from None
    unknown = [token for token in asked if token not in policy.descriptions]
    if unknown:
        raise OAuthError(
            code="invalid_scope",
            description=f"unknown scope: {unknown[0][:64]}",
            reason="scope_unknown",
            redirect=redirect,
        )
    return policy.expand(asked or policy.build_default(resources))


def check_narrowed_scope(text: str | None, granted: tuple[str, ...], policy: ScopePolicy) -> tuple[str, ...]:
    """The scopes of a token request: the grant's when left out, and never more than those (RFC 6749 §6); with
    what they imply, as far as that was granted.

    Raises: OAuthError invalid_scope.
    """
    if text is None:
        return granted
    try:
        asked = _drop_ignored(parse_scope(text), granted)
    except ValueError as error:
        raise OAuthError(code="invalid_scope", description=str(error), reason="scope_malformed") from None
    if not set(asked) <= set(granted):
        raise OAuthError(
            code="invalid_scope", description="scope exceeds what was granted", reason="scope_widened"
        )
    return restrict(policy.expand(asked), granted) if asked else granted


def _drop_ignored(tokens: tuple[str, ...], known: Collection[str]) -> list[str]:
    """The tokens without those of habit, unless a scope of that name exists here."""
    return [token for token in tokens if token in known or token not in IGNORED]


def check_client_scope(
    text: str | None,
    allowed: Collection[str] | None,
    policy: ScopePolicy,
    resources: Iterable[ProtectedResource],
    *,
    redirect: ValidatedRedirect | None,
) -> tuple[str, ...]:
    """As `check_requested_scope`, within what a preset client may ask for (None: any). Raises: OAuthError
    invalid_scope.
    """
    asked = check_requested_scope(text, policy, resources, redirect=redirect)
    scope = restrict(asked, allowed)
    if asked and not scope:
        raise OAuthError(
            code="invalid_scope",
            description="this client may not ask for any of these scopes",
            reason="scope_not_client",
            redirect=redirect,
        )
    return scope


def restrict(scope: tuple[str, ...], allowed: Collection[str] | None) -> tuple[str, ...]:
    """`scope` without what a person may not grant; None allows every scope."""
    return scope if allowed is None else tuple(token for token in scope if token in allowed)
