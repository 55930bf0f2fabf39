"""Our choice (RFC 9728 §3.3, RFC 8414 §3.3): what the two documents say, and whether a client can go on."""

from collections.abc import Iterator, Sequence
from typing import Any

from omnitornado.doctor.addresses import find_origin, is_loopback, is_usable, split
from omnitornado.doctor.answers import Answer, describe, find_text, find_texts, parse_document, quote
from omnitornado.doctor.checks_challenge import check_time
from omnitornado.doctor.clients import Client
from omnitornado.doctor.findings import Finding, build_ok, build_problem

ENDPOINTS = ("authorization_endpoint", "token_endpoint")


def find_document(answers: Sequence[Answer]) -> dict[str, Any] | None:
    """The first good document of those that were asked for in turn."""
    return next((found for found in map(parse_document, answers) if found is not None), None)


def check_resource(client: Client, url: str, answers: Sequence[Answer]) -> Iterator[Finding]:
    """The protected-resource document, as found in the client's order."""
    yield from _check_places(client, answers)
    document = find_document(answers)
    if document is None:
        said = describe(answers[0]) if answers else "nothing was asked"
        yield build_problem(client, "no_resource_document", f"no protected-resource document: {said}")
        return
    resource = find_text(document, "resource")
    if resource == url:
        yield build_ok("resource", "resource is the pasted address, letter by letter")
    elif normalize(resource) == normalize(url):
        yield build_problem(
            client, "resource_spelling", f"resource is {quote(resource)}, pasted was {quote(url)}"
        )
    elif is_usable(resource) and normalize(resource) == normalize(find_origin(url)):
        yield build_problem(client, "resource_spelling", f"resource is the origin alone, {quote(resource)}")
    else:
        said = quote(resource) or "missing"
        yield build_problem(client, "resource_differs", f"resource is {said}, pasted was {quote(url)}")
    if document.get("dpop_bound_access_tokens_required") is True:
        yield build_problem(client, "dpop_required", "every token has to be bound to a key (DPoP)")
    servers = find_texts(document, "authorization_servers")
    if not servers or not is_usable(servers[0]):
        yield build_problem(client, "no_authorization_server", "authorization_servers names no usable issuer")


def check_server(client: Client, issuer: str, answers: Sequence[Answer]) -> Iterator[Finding]:
    """The authorization server's document, as found in the client's order."""
    yield from _check_places(client, answers)
    document = find_document(answers)
    if document is None:
        said = describe(answers[0]) if answers else "nothing was asked"
        yield build_problem(client, "metadata_missing", f"no authorization server metadata: {said}")
        return
    said = find_text(document, "issuer")
    if said == issuer:
        yield build_ok("issuer", f"issuer is {quote(issuer)}")
    else:
        yield build_problem(
            client, "issuer_differs", f"issuer is {quote(said)}, announced was {quote(issuer)}"
        )
    yield from _check_endpoints(client, issuer, document)
    yield from _check_abilities(client, document)


def _check_places(client: Client, answers: Sequence[Answer]) -> Iterator[Finding]:
    for answer in answers:
        yield from check_time(client, answer)
        if answer.is_redirect:
            yield build_problem(client, "metadata_redirect", f"{quote(answer.url)}: {describe(answer)}")
    if find_document(answers[:1]) is None and find_document(answers) is not None:
        yield build_problem(
            client, "metadata_place", f"{quote(answers[0].url)}: {describe(answers[0])}, no document"
        )


def _check_endpoints(client: Client, issuer: str, document: dict[str, Any]) -> Iterator[Finding]:
    for name in ENDPOINTS:
        endpoint = find_text(document, name)
        if not is_usable(endpoint):
            yield build_problem(client, "no_endpoint", f"{name} is missing or no address")
        elif split(endpoint).scheme != "https" and not is_loopback(endpoint):
            yield build_problem(client, "plain_endpoint", f"{name} is http: {quote(endpoint)}")
    wanted = f"{find_origin(issuer)}/authorize"
    if client.name == "Claude" and find_text(document, "authorization_endpoint") != wanted:
        yield build_problem(client, "endpoints_elsewhere", f"authorization_endpoint is not {quote(wanted)}")


def _check_abilities(client: Client, document: dict[str, Any]) -> Iterator[Finding]:
    if "S256" in find_texts(document, "code_challenge_methods_supported"):
        yield build_ok("s256", "S256 is offered")
    else:
        yield build_problem(client, "no_s256", "code_challenge_methods_supported has no S256")
    grants = find_texts(document, "grant_types_supported")
    if "code" not in find_texts(document, "response_types_supported") or (
        grants and "authorization_code" not in grants
    ):
        yield build_problem(client, "no_code", "the authorization code flow is not offered")
    if "none" not in find_texts(document, "token_endpoint_auth_methods_supported"):
        yield build_problem(client, "no_none", "token_endpoint_auth_methods_supported has no none")
    if document.get("require_pushed_authorization_requests") is True:
        yield build_problem(client, "push_required", "only pushed authorization requests are taken")
    if document.get("authorization_response_iss_parameter_supported") is not True:
        yield build_problem(client, "no_iss", "iss in responses is not promised")
    if client.document and document.get("client_id_metadata_document_supported") is not True:
        yield build_problem(client, "no_documents", "client ID metadata documents are not supported")


def normalize(url: str) -> str:
    """Scheme and host in lower case, no final slash; what can't be read stays as it is."""
    try:
        parts = split(url)
    except ValueError:
        return url
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl().rstrip("/")
