"""Scopes asked for, allowed and granted."""

import pytest

from omnitornado.oauth.resource import ProtectedResource
from omnitornado.oauth.scope import (
    ScopePolicy,
    check_narrowed_scope,
    check_requested_scope,
    parse_scope,
    restrict,
)

from .world import FILES, MCP, REDIRECT, SCOPES, refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ()),
        ("", ()),
        ("   ", ()),
        ("mcp", ("mcp",)),
        ("b a b", ("b", "a")),
        ("  a   b ", ("a", "b")),
        ("tools:read https://a.example/x!", ("tools:read", "https://a.example/x!")),
    ],
)
def test_scope_is_a_list_of_tokens(text: str | None, expected: tuple[str, ...]) -> None:
    """Required by RFC 6749 §3.3: space-delimited, order without meaning."""
    assert parse_scope(text) == expected


MALFORMED = ['a"b', "a\\b", "a\tb", "a\nb", "é", "a\x7f", "a\x00", "a\u00a0b"]


@pytest.mark.parametrize("text", MALFORMED)
def test_other_characters_are_refused(text: str) -> None:
    """Required by RFC 6749 §3.3 scope-token."""
    with pytest.raises(ValueError, match="characters"):
        parse_scope(text)
    with refused("invalid_scope", "scope_malformed", to_client=True):
        check_requested_scope(text, SCOPES, [MCP], redirect=REDIRECT)
    with refused("invalid_scope", "scope_malformed"):
        check_narrowed_scope(text, ("mcp",), SCOPES)


@pytest.mark.parametrize("text", [None, "", " ", "openid", "openid email profile", "offline_access"])
def test_no_scope_of_ours_means_the_default(text: str | None) -> None:
    """Required by RFC 6749 §3.3; clients send `scope=` and ask for OpenID Connect's scopes out of habit."""
    assert check_requested_scope(text, SCOPES, [MCP], redirect=REDIRECT) == ("mcp",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mcp", ("mcp",)),
        ("files mcp", ("files", "mcp")),
        ("mcp offline_access", ("mcp",)),
        ("openid files email", ("files",)),
    ],
)
def test_what_exists_is_granted_and_habits_are_left_out(text: str, expected: tuple[str, ...]) -> None:
    """Required by RFC 6749 §3.3: the server may leave scopes out, and then says so in the response."""
    assert check_requested_scope(text, SCOPES, [MCP], redirect=REDIRECT) == expected


@pytest.mark.parametrize("text", ["admin", "mcp admin", "MCP", "mcp,files", "x" * 2000])
def test_an_unknown_scope_is_refused_and_the_client_told(text: str) -> None:
    """Required by RFC 6749 §4.1.2.1: invalid_scope."""
    with refused("invalid_scope", "scope_unknown", to_client=True):
        check_requested_scope(text, SCOPES, [MCP], redirect=REDIRECT)


def test_a_scope_that_exists_here_is_never_left_out() -> None:
    """Our choice: an application may call a scope `email`, and then it is one like any other."""
    policy = ScopePolicy(descriptions={"mcp": "", "email": ""}, default=["mcp"])
    assert check_requested_scope("email openid", policy, [MCP], redirect=REDIRECT) == ("email",)
    assert check_narrowed_scope("email openid", ("mcp", "email"), SCOPES) == ("email",)


def test_a_server_without_scopes_grants_none() -> None:
    """Our choice: a library's user may protect a path without naming a scope."""
    policy = ScopePolicy(descriptions={}, default=[])
    bare = ProtectedResource(path="/api", name="api", scope=())
    assert check_requested_scope(None, policy, [bare], redirect=REDIRECT) == ()
    assert check_requested_scope("offline_access", policy, [bare], redirect=REDIRECT) == ()


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([MCP], ("mcp",)),
        ([FILES], ("files",)),
        ([FILES, MCP], ("files", "mcp")),
        ([], ()),
    ],
)
def test_the_default_is_the_fewest_scopes_the_resources_need(
    resources: list[ProtectedResource], expected: tuple[str, ...]
) -> None:
    """Required by RFC 6749 §3.3 (a default) and RFC 9700 §2.3 (no more than is needed)."""
    assert check_requested_scope(None, SCOPES, resources, redirect=REDIRECT) == expected
    policy = ScopePolicy(descriptions=SCOPES.descriptions, default=("base", "mcp"))
    found = check_requested_scope(None, policy, resources, redirect=REDIRECT)
    assert found == ("base", "mcp", *(token for token in expected if token != "mcp"))


@pytest.mark.parametrize("text", [None, "", "openid offline_access"])
def test_a_scope_left_out_later_keeps_what_was_granted(text: str | None) -> None:
    """Required by RFC 6749 §6."""
    assert check_narrowed_scope(text, ("mcp", "files"), SCOPES) == ("mcp", "files")


def test_a_scope_may_be_narrowed_and_never_widened() -> None:
    """Required by RFC 6749 §6."""
    assert check_narrowed_scope("files", ("mcp", "files"), SCOPES) == ("files",)
    for text in ("files", "mcp files", "admin"):
        with refused("invalid_scope", "scope_widened"):
            check_narrowed_scope(text, ("mcp",), SCOPES)


def test_a_person_restricts_what_they_may_not_grant() -> None:
    """Our choice ([[users]] scopes): the order of what was asked for stays."""
    assert restrict(("files", "mcp"), None) == ("files", "mcp")
    assert restrict(("files", "mcp"), ["mcp", "admin"]) == ("mcp",)
    assert restrict(("files",), ["mcp"]) == ()
    assert restrict(("files",), []) == ()


TREE = ScopePolicy(
    descriptions=dict.fromkeys(("all", "write", "read", "list", "other"), ""),
    default=(),
    implied={"all": ["write", "other"], "write": ["read"], "read": ["list"], "list": ["read"]},
)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ((), ()),
        (("other",), ("other",)),
        (("read",), ("read", "list")),
        (("write",), ("write", "read", "list")),
        (("list", "write"), ("list", "write", "read")),
        (("all",), ("all", "write", "other", "read", "list")),
        (("unknown", "read"), ("unknown", "read", "list")),
    ],
)
def test_a_scope_brings_what_it_implies(scope: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Required by MCP 2026-07-28 (scope hierarchies): however many steps away, and in a circle too."""
    assert TREE.expand(scope) == expected
    if scope and "unknown" not in scope:
        found = check_requested_scope(" ".join(scope), TREE, [], redirect=REDIRECT)
        assert found == expected


def test_the_default_brings_what_it_implies() -> None:
    """Required by MCP 2026-07-28 (scope hierarchies)."""
    resource = ProtectedResource(path="/x", name="x", scope=("write",))
    assert check_requested_scope(None, TREE, [resource], redirect=REDIRECT) == ("write", "read", "list")


def test_a_narrowed_scope_keeps_what_it_implies_and_never_gains_by_it() -> None:
    """Required by RFC 6749 §6: a hierarchy that grew since the grant widens nothing."""
    granted = ("write", "read", "list")
    assert check_narrowed_scope("write", granted, TREE) == ("write", "read", "list")
    assert check_narrowed_scope("read", granted, TREE) == ("read", "list")
    assert check_narrowed_scope("write", ("write", "read"), TREE) == ("write", "read")
    for text in ("all", "other", "write other"):
        with refused("invalid_scope", "scope_widened"):
            check_narrowed_scope(text, granted, TREE)
    with refused("invalid_scope", "scope_widened"):
        check_narrowed_scope("list", ("write",), TREE)
