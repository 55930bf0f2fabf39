"""URI templates, read backwards."""

import time

import pytest

from omnitornado.mcp.uri_template import MAX_URI_LENGTH, parse_template

MATCHES: list[tuple[str, str, dict[str, str] | None]] = [
    ("a://x/{id}", "a://x/1", {"id": "1"}),
    ("a://x/{id}", "a://x/", None),
    ("a://x/{id}", "a://x/1/2", None),
    ("a://x/{id}", "a://x/1?q", None),
    ("a://x/{id}", "a://x/1#f", None),
    ("a://x/{id}", "b://x/1", None),
    ("a://x/{id}/data", "a://x/1/data", {"id": "1"}),
    ("a://x/{id}/data", "a://x/1/datax", None),
    ("a://x/{id}/data", "a://x/data", None),
    ("a://{a}/{b}", "a://1/2", {"a": "1", "b": "2"}),
    ("a://{a}-{b}", "a://1-2-3", {"a": "1", "b": "2-3"}),
    ("a://{a}/{+b}", "a://1/2/3", {"a": "1", "b": "2/3"}),
    ("a://{+a}/{b}", "a://1/2/3", {"a": "1/2", "b": "3"}),
    ("a://{+a}/x/{+b}", "a://1/x/2/x/3", {"a": "1", "b": "2/x/3"}),
    ("a://x/{+path}", "a://x/a?b=c", {"path": "a?b=c"}),
    ("a://x{#part}", "a://x#one/two", {"part": "one/two"}),
    ("a://x{#part}", "a://x", None),
    ("a://x/{id}{#part}", "a://x/1#2", {"id": "1", "part": "2"}),
    ("file://{+path}", "file:///etc/hosts", {"path": "/etc/hosts"}),
    ("urn:x:{id}", "urn:x:1:2", {"id": "1:2"}),
    # RFC 6570 §3.2.1: what is not unreserved was percent-encoded, and comes back decoded.
    ("a://x/{id}", "a://x/a%20b%2Fc", {"id": "a b/c"}),
    ("a://x/{id}", "a://x/%C3%A9", {"id": "é"}),
    ("a://x/{id}", "a://x/é", {"id": "é"}),
    ("a://x/{id}", "a://x/100%", {"id": "100%"}),
    ("a://x/{id}", "a://x/%FF", None),
]


@pytest.mark.parametrize(("template", "uri", "values"), MATCHES)
def test_a_uri_gives_the_values_of_a_template(template: str, uri: str, values: dict[str, str] | None) -> None:
    """Required by RFC 6570 §1.2 (levels 1 and 2); which reading of an ambiguous URI wins is our choice."""
    assert parse_template(template).match(uri) == values


@pytest.mark.parametrize(
    "uri",
    [
        "a://x/../y",
        "a://x/a/..",
        "a://x/..",
        "a://x/%2e%2e/y",
        "a://x/a%2F..%2Fb",
        "a://x/..%5Cy",
        "a://x//etc/passwd",
        "a://x/%2Fetc%2Fpasswd",
        "a://x/%5Cserver",
        "a://x/a%00b",
    ],
)
@pytest.mark.parametrize("template", ["a://x/{+path}", "a://x/{path}"])
def test_a_value_that_would_leave_its_folder_names_nothing(template: str, uri: str) -> None:
    """Required by MCP 2026-07-28 server/resources (Security Considerations 5)."""
    assert parse_template(template).match(uri) is None


@pytest.mark.parametrize("name", ["a..b", "..a", "...", ".hidden"])
def test_dots_that_are_part_of_a_name_are_let_through(name: str) -> None:
    """Our choice."""
    assert parse_template("a://x/{+path}").match(f"a://x/{name}") == {"path": name}


@pytest.mark.parametrize(
    "template",
    [
        "a://x/{",
        "a://x/}",
        "a://x/{}",
        "a://x/{a,b}",
        "a://x/{?a}",
        "a://x/{a*}",
        "a://x/{a:3}",
        "a://x/{/a}",
        "a://x/{a b}",
        "a://{a}{b}",
        "a://{a}/{a}",
        "{scheme}://x",
        "{+uri}",
        "x/{a}",
        "a://x y/{a}",
    ],
)
def test_a_template_beyond_level_2_or_ambiguous_is_refused(template: str) -> None:
    """Our choice: an author learns of it before a client does."""
    with pytest.raises(ValueError, match=r"."):
        parse_template(template)


def test_matching_takes_time_in_proportion_to_the_uri() -> None:
    """Our choice: a client picks the URI, and must not pick how long the event loop is busy."""
    template = parse_template("a://{+a}-{+b}-{+c}-{+d}-{+e}-!")
    began = time.process_time()
    assert template.match("a://" + "-" * (MAX_URI_LENGTH - 10)) is None
    assert template.match("a://" + "-" * MAX_URI_LENGTH * 100) is None
    assert time.process_time() - began < 0.5
