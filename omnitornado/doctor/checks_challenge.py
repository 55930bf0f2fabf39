"""Our choice (RFC 9728 §5.1, RFC 6750 §3): what a first request without a token is answered."""

from collections.abc import Iterator

from omnitornado.doctor.addresses import is_loopback, split
from omnitornado.doctor.answers import Answer, describe, parse_challenge, quote
from omnitornado.doctor.clients import Client
from omnitornado.doctor.findings import Finding, build_ok, build_problem

SLOW = 3.0
"""Seconds for one answer, from where a person begins to wonder."""


def check_address(client: Client, url: str) -> Iterator[Finding]:
    """Whether this client can ask the address at all."""
    if is_loopback(url):
        if client.is_cloud:
            yield build_problem(
                client, "local_address", "it asks from its vendor's machines, not from this one"
            )
    elif split(url).scheme != "https":
        yield build_problem(client, "plain_http", "the address is http, and not on this machine")


def check_opening(client: Client, answer: Answer) -> Iterator[Finding]:
    """One of the client's first requests, without a token."""
    label = f"{answer.method} without a token"
    if not answer.status:
        code = "certificate" if answer.trouble in ("certificate", "tls") else "unreachable"
        code = "slow_limit" if answer.trouble == "timeout" else code
        yield build_problem(client, code, f"{label}: {describe(answer)}")
        return
    yield from check_time(client, answer)
    if answer.is_redirect:
        yield build_problem(client, "mcp_redirect", f"{label}: {describe(answer)}")
    elif answer.status != 401:
        yield build_problem(client, "not_401", f"{label}: {describe(answer)}, not 401")
    else:
        yield from _check_challenge(client, answer, label)


def _check_challenge(client: Client, answer: Answer, label: str) -> Iterator[Finding]:
    challenge = parse_challenge(answer)
    if challenge is None:
        yield build_problem(
            client, "no_challenge", f"{label}: 401, but no Bearer challenge in WWW-Authenticate"
        )
        return
    if not challenge.get("resource_metadata"):
        yield build_problem(
            client, "no_resource_metadata", f"{label}: the challenge has no resource_metadata"
        )
        return
    if not challenge.get("scope"):
        yield build_problem(client, "no_scope", f"{label}: the challenge names no scope")
    yield build_ok("challenge", f"{label}: 401, documents at {quote(challenge['resource_metadata'])}")


def check_time(client: Client | None, answer: Answer) -> Iterator[Finding]:
    """Whether an answer came before the client's limit, and before a person's patience ends."""
    if client is not None and answer.seconds > client.time_limit:
        said = f"{answer.method} took {answer.seconds:.1f} s; it gives up after {client.time_limit:.0f} s"
        yield build_problem(client, "slow_limit", said)
    elif answer.seconds > SLOW:
        yield build_problem(None, "slow", f"{answer.method} {quote(answer.url)} took {answer.seconds:.1f} s")
