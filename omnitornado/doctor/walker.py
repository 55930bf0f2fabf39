"""Our choice: walks what each client does before its login, over the network, and stops there."""

import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urljoin

import msgspec

from omnitornado.doctor.addresses import (
    find_origin,
    is_loopback,
    is_usable,
    list_protected_resource,
    list_server_metadata,
    list_variants,
    split,
)
from omnitornado.doctor.answers import Answer, find_text, find_texts, parse_challenge, parse_document
from omnitornado.doctor.asking import Asker, find_families, resolve
from omnitornado.doctor.checks_metadata import find_document
from omnitornado.doctor.checks_server import (
    ORIGIN,
    check_cors,
    check_families,
    check_reachable_from_cloud,
    check_streams,
    check_variants,
)
from omnitornado.doctor.clients import CLIENTS, INITIALIZE, Client, Opening
from omnitornado.doctor.examine import Report, Walk, examine
from omnitornado.doctor.findings import Finding
from omnitornado.net.public_address import is_public_address

NOBODY = "omnitornado-doctor-unknown-client"
MAX_REDIRECTS = 5
ACCEPT = "application/json, text/event-stream"


async def visit(url: str, asker: Asker, *, register: bool = True) -> tuple[Report, ...]:
    """The server's own report, then one for each known client.

    Raises: NameError_ (an OSError) for a host whose name can't be resolved; ConnectionRefusedError where
    nothing listens.
    """
    parts = split(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    addresses = [address[0] for _, address in await resolve(host, port)]
    asker.resolver.is_guarded = all(map(is_public_address, addresses)) and not is_loopback(url)
    families = await find_families(host, port)
    if not any(families.values()):
        raise ConnectionRefusedError(f"nothing answers at {host}, port {port}")
    server = await _visit_server(url, asker, families)
    reports = [Report("Server", server)]
    for client in CLIENTS:
        walk = await walk_client(client, url, asker, register=register)
        seen = msgspec.structs.replace(walk, has_ipv4=check_reachable_from_cloud(families))
        reports.append(examine(client, seen))
    return tuple(reports)


async def _visit_server(url: str, asker: Asker, families: dict[str, bool]) -> tuple[Finding, ...]:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization, content-type, mcp-protocol-version"
    preflight = await asker.ask("OPTIONS", url, asked)
    opening = Opening("POST", INITIALIZE, "2025-11-25")
    challenge = await _open(opening, "omnitornado-doctor", url, asker, {"Origin": ORIGIN})
    findings = [*check_families(families), *check_cors(preflight, challenge), *check_streams()]
    # A server elsewhere has its own places: the variants are of use where both are one.
    documents = [await asker.find(place) for place in list_protected_resource(url)]
    named = find_texts(find_document(documents), "authorization_servers")
    if not named or (is_usable(named[0]) and find_origin(named[0]) == find_origin(url)):
        findings += check_variants([await asker.find(place) for place in list_variants(url)])
    return tuple(findings)


async def walk_client(client: Client, url: str, asker: Asker, *, register: bool) -> Walk:
    """One client's requests, in its order."""
    openings = tuple([await _open(one, client.name, url, asker) for one in client.openings])
    walk = Walk(url, openings)
    if not any(answer.status for answer in openings):
        return walk
    challenge = _find_challenge(openings)
    resource = await _find_first(list_protected_resource(url, challenge.get("resource_metadata", "")), asker)
    document = find_document(resource)
    named = find_texts(document, "authorization_servers")
    issuer = named[0] if named and is_usable(named[0]) else find_origin(url)
    metadata = await _find_first(list_server_metadata(issuer), asker)
    walk = msgspec.structs.replace(walk, resource=resource, issuer=issuer, metadata=metadata)
    server = find_document(metadata)
    if server is None:
        return walk
    if register:
        walk = await _register(client, walk, server, asker)
    scope = challenge.get("scope") or " ".join(find_texts(document, "scopes_supported"))
    target = {"resource": find_text(document, "resource") or url, "scope": scope}
    walk = await _authorize(client, walk, server, target, asker)
    return await _remove(walk, server, asker)


async def _open(
    opening: Opening, name: str, url: str, asker: Asker, more: dict[str, str] | None = None
) -> Answer:
    headers = {"Accept": ACCEPT} | (more or {})
    if opening.version:
        headers["MCP-Protocol-Version"] = opening.version
    if not opening.call:
        return await asker.ask(opening.method, url, headers)
    headers |= {"Content-Type": "application/json", "Mcp-Method": opening.call}
    return await asker.ask(opening.method, url, headers, build_call(opening, name))


def build_call(opening: Opening, name: str) -> bytes:
    """The JSON-RPC request of a first POST."""
    about = {"name": name, "version": "0"}
    version = opening.version or "2025-06-18"
    params: dict[str, Any] = {"protocolVersion": version, "capabilities": {}, "clientInfo": about}
    if opening.call != INITIALIZE:
        prefix = "io.modelcontextprotocol/"
        meta = {"protocolVersion": version, "clientInfo": about, "clientCapabilities": {}}
        params = {"_meta": {prefix + key: value for key, value in meta.items()}}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 0, "method": opening.call, "params": params})


def _find_challenge(openings: Sequence[Answer]) -> dict[str, str]:
    """The first challenge that says where to go on."""
    for answer in openings:
        challenge = parse_challenge(answer) if answer.status == 401 else None
        if challenge and is_usable(challenge.get("resource_metadata", "")):
            return challenge
    return {}


async def _find_first(places: Sequence[str], asker: Asker) -> tuple[Answer, ...]:
    """Ask in turn until a document comes; a redirect of one is followed once, as most clients do."""
    answers: list[Answer] = []
    for place in places:
        answer = await asker.find(place)
        answers.append(answer)
        target = answer.find_header("location")
        if answer.is_redirect and is_usable(target):
            answers.append(await asker.find(target))
        if parse_document(answers[-1]) is not None:
            break
    return tuple(answers)


async def _register(client: Client, walk: Walk, server: dict[str, Any], asker: Asker) -> Walk:
    endpoint = find_text(server, "registration_endpoint")
    if not is_usable(endpoint):
        return walk
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    answer = await asker.ask("POST", endpoint, headers, msgspec.json.encode(client.registration))
    client_id = find_text(parse_document(answer), "client_id")
    return msgspec.structs.replace(walk, registration=answer, client_id=client_id)


async def _authorize(
    client: Client, walk: Walk, server: dict[str, Any], target: dict[str, str], asker: Asker
) -> Walk:
    endpoint = find_text(server, "authorization_endpoint")
    if not is_usable(endpoint):
        return walk
    takes_documents = server.get("client_id_metadata_document_supported") is True
    client_id = client.document if client.document and takes_documents else walk.client_id
    page = {"Accept": "text/html"}
    answer = end = None
    if client_id:
        query = build_query(client_id, client.redirect_uri, target)
        answer = await asker.ask("GET", join_query(endpoint, query), page)
        end = await _follow(answer, asker) if answer.status == 200 or answer.is_redirect else None
    query = build_query(NOBODY, client.redirect_uri, target)
    unknown = await asker.ask("GET", join_query(endpoint, query), page)
    return msgspec.structs.replace(walk, authorize=answer, page=end, unknown=unknown)


async def _follow(answer: Answer, asker: Asker) -> Answer | None:
    """The page at the end of redirects within the server, with its cookies, as a browser goes; None where
    they lead elsewhere: that is the client's address, or another's login.
    """
    cookies: dict[str, str] = {}
    for _ in range(MAX_REDIRECTS):
        if not answer.is_redirect:
            return answer
        for name, value in answer.headers:
            if name == "set-cookie":
                key, _, rest = value.partition(";")[0].partition("=")
                cookies[key.strip()] = rest.strip()
        target = urljoin(answer.url, answer.find_header("location"))
        if not is_usable(target) or find_origin(target) != find_origin(answer.url):
            return None
        carried = "; ".join(f"{key}={value}" for key, value in cookies.items())
        headers = {"Accept": "text/html"} | ({"Cookie": carried} if carried else {})
        answer = await asker.ask("GET", target, headers)
    return None


def build_query(client_id: str, redirect_uri: str, target: dict[str, str]) -> str:
    """An authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2); its verifier is nobody's."""
    fields = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": secrets.token_urlsafe(16),
        "code_challenge": secrets.token_urlsafe(32),
        "code_challenge_method": "S256",
    }
    return urlencode(fields | {key: value for key, value in target.items() if value})


def join_query(endpoint: str, query: str) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"


async def _remove(walk: Walk, server: dict[str, Any], asker: Asker) -> Walk:
    """Take the registration away again (RFC 7592 §2.3), where its answer says how."""
    document = parse_document(walk.registration)
    place, token = (
        find_text(document, "registration_client_uri"),
        find_text(document, "registration_access_token"),
    )
    if not is_usable(place) or not token or not token.isascii() or not token.isprintable():
        return walk
    if find_origin(place) != find_origin(find_text(server, "registration_endpoint")):
        return walk
    removal = await asker.ask("DELETE", place, {"Authorization": f"Bearer {token}"})
    return msgspec.structs.replace(walk, removal=removal)
