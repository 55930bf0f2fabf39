"""Our choice (Fetch §3.2 (CORS), RFC 8414 §3.1): what concerns the server as a whole, whoever asks."""

from collections.abc import Iterator, Mapping, Sequence

from omnitornado.doctor.answers import Answer, describe, parse_document, quote
from omnitornado.doctor.findings import Finding, build_ok, build_problem

EXPOSED = ("www-authenticate", "mcp-session-id", "mcp-protocol-version")
ORIGIN = "http://localhost:6274"
"""Where the MCP Inspector's page comes from."""


def check_variants(answers: Sequence[Answer]) -> Iterator[Finding]:
    """The places where some client or other asks for the authorization server's metadata."""
    silent = [answer for answer in answers if parse_document(answer) is None]
    for answer in silent:
        code = "metadata_redirect" if answer.is_redirect else "metadata_place"
        yield build_problem(None, code, f"{quote(answer.url)}: {describe(answer)}")
    if answers and not silent:
        yield build_ok("metadata_place", f"the metadata stands at all {len(answers)} places that clients ask")


def check_cors(preflight: Answer, challenge: Answer) -> Iterator[Finding]:
    """What a page in a browser, of another origin, can do and see."""
    good = 200 <= preflight.status < 300
    if not good:
        yield build_problem(None, "preflight", f"OPTIONS of the MCP address: {describe(preflight)}")
    allowed = challenge.find_header("access-control-allow-origin")
    if allowed not in ("*", ORIGIN):
        yield build_problem(None, "cors", f"a page at {ORIGIN} may not read the answers")
        return
    named = preflight.find_header("access-control-allow-headers").lower()
    if good and "authorization" not in named:
        yield build_problem(None, "cors", "Access-Control-Allow-Headers doesn't name Authorization")
    exposed = {
        one.strip().lower() for one in challenge.find_header("access-control-expose-headers").split(",")
    }
    missing = [name for name in EXPOSED if name not in exposed]
    if missing:
        yield build_problem(None, "cors_exposed", f"a page in a browser can't read {', '.join(missing)}")
    elif good:
        yield build_ok("cors", "a page in a browser may ask, and read the challenge")


def check_families(found: Mapping[str, bool]) -> Iterator[Finding]:
    """Which of IPv4 and IPv6 the name has (`IPv4`, `IPv6`), and whether a connection came about there."""
    for family, connects in found.items():
        if connects:
            yield build_ok("family", f"it answers over {family}")
        else:
            yield build_problem(
                None, "family", f"its name has an {family} address, but nothing answers there"
            )


def check_reachable_from_cloud(found: Mapping[str, bool]) -> bool:
    """Whether those who ask over IPv4 alone get through."""
    return bool(found.get("IPv4"))


def check_streams() -> Iterator[Finding]:
    """Streams need a token: what a proxy does to them can't be seen before the login."""
    reason = "buffering and time limits of a proxy for streams can't be seen from outside without a login"
    finding = build_problem(None, "streams_unseen", reason)
    yield build_ok(finding.code, f"{reason}. {finding.fix}")
