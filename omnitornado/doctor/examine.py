"""Our choice: every check of one client, over what the walk brought. Pure."""

from typing import Any

import msgspec

from omnitornado.doctor.addresses import is_loopback
from omnitornado.doctor.answers import Answer
from omnitornado.doctor.checks_challenge import check_address, check_opening
from omnitornado.doctor.checks_login import (
    check_authorize,
    check_identity,
    check_page,
    check_registration,
    check_removal,
    check_unknown,
)
from omnitornado.doctor.checks_metadata import check_resource, check_server, find_document
from omnitornado.doctor.clients import Client
from omnitornado.doctor.findings import FAILS, Finding, build_problem


class Walk(msgspec.Struct, frozen=True):
    """What one client would have seen, in its order."""

    url: str
    openings: tuple[Answer, ...] = ()
    resource: tuple[Answer, ...] = ()
    issuer: str = ""
    metadata: tuple[Answer, ...] = ()
    registration: Answer | None = None
    client_id: str = ""
    removal: Answer | None = None
    authorize: Answer | None = None
    page: Answer | None = None
    """Where the authorization request ends, within the server; None where it was refused already."""
    unknown: Answer | None = None
    has_ipv4: bool = True


class Report(msgspec.Struct, frozen=True):
    """One client's findings, or the server's own."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def fails(self) -> bool:
        return any(finding.level == FAILS for finding in self.findings)


def examine(client: Client, walk: Walk) -> Report:
    """Everything that this client passes and trips over."""
    findings = list(check_address(client, walk.url))
    if client.is_cloud and not walk.has_ipv4 and not is_loopback(walk.url):
        findings.append(build_problem(client, "no_ipv4", "nothing answers over IPv4"))
    for answer in walk.openings:
        findings += check_opening(client, answer)
    if any(answer.status for answer in walk.openings):
        findings += check_resource(client, walk.url, walk.resource)
        findings += check_server(client, walk.issuer, walk.metadata)
        document = find_document(walk.metadata)
        findings += _examine_login(client, walk, document) if document is not None else []
    return Report(client.name, tuple(dict.fromkeys(findings)))


def _examine_login(client: Client, walk: Walk, document: dict[str, Any]) -> list[Finding]:
    findings = list(check_identity(client, document))
    if walk.registration is not None:
        findings += check_registration(client, walk.registration)
        if walk.client_id:
            findings += check_removal(client, walk.client_id, walk.removal)
    if walk.authorize is not None:
        findings += check_authorize(client, walk.authorize)
        findings += check_page(client, walk.page) if walk.page is not None else []
    elif not walk.client_id:
        reason = "the page before the login wasn't asked for: the client has no client_id"
        findings.append(build_problem(client, "authorize_unseen", reason))
    if walk.unknown is not None:
        findings += check_unknown(client, walk.unknown)
    return findings
