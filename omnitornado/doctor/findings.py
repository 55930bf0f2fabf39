"""Our choice: what was found, in words, and what to do about it."""

from typing import Final

import msgspec

from omnitornado.doctor.clients import Client

OK: Final = "ok"
WARNING: Final = "warning"
FAILS: Final = "fails"


class Finding(msgspec.Struct, frozen=True):
    """One line of the report."""

    level: str
    """`ok`, `warning` or `fails`."""
    code: str
    """What was looked at, or what is wrong: a name for programs."""
    reason: str
    fix: str = ""


def build_ok(code: str, reason: str) -> Finding:
    return Finding(OK, code, reason)


def build_problem(client: Client | None, code: str, reason: str) -> Finding:
    """A thing that is wrong: it stops the clients that need it otherwise, and is a warning for the others."""
    level = FAILS if client is not None and code in client.needs else WARNING
    return Finding(level, code, reason, FIXES[code])


FIXES: Final = {
    "unreachable": "Start the server, open the port to the outside, and check the name and the proxy "
    "before it.",
    "certificate": "Serve the whole certificate chain of an authority that everybody trusts, for this "
    "very name.",
    "plain_http": "Put TLS before the server and use the https address; http is for this machine alone.",
    "local_address": "Give the server a public https address (public_url) before it is connected to from "
    "there.",
    "mcp_redirect": "Paste the address that it leads to, and let the server answer there itself: a "
    "redirect turns a "
    "POST into a GET and loses the token.",
    "metadata_redirect": "Answer with the document itself: not every client follows a redirect.",
    "not_401": "Answer a request without a token with 401, whatever its method and its body, before "
    "anything else.",
    "no_challenge": "Send WWW-Authenticate: Bearer with resource_metadata with the 401, and let no proxy "
    "drop it.",
    "no_resource_metadata": "Add resource_metadata with the protected-resource document's address to the "
    "challenge.",
    "no_scope": "Name the fewest scopes that are of use in the challenge; some clients ask for all there "
    "are.",
    "no_resource_document": "Serve the protected-resource document (RFC 9728), with the path and at the "
    "root.",
    "resource_differs": "Set resource to the very address that people paste; behind a proxy, set public_url.",
    "resource_spelling": "Spell resource exactly as people paste it, with or without the final slash.",
    "dpop_required": "Take bearer tokens too (dpop_bound_access_tokens_required, RFC 9449): known MCP "
    "clients prove no key.",
    "no_authorization_server": "Name the issuer in authorization_servers; most clients take the first.",
    "metadata_missing": "Serve the authorization server's metadata (RFC 8414) under /.well-known/.",
    "metadata_place": "Serve it at every variant: clients give up at different ones.",
    "issuer_differs": "Make issuer equal, letter by letter, to what authorization_servers says; set "
    "public_url.",
    "no_s256": "Support PKCE with S256 and say so in code_challenge_methods_supported.",
    "no_code": "Support the response type code and the authorization_code grant, and say so.",
    "no_none": "Offer none in token_endpoint_auth_methods_supported: these clients keep no secret.",
    "push_required": "Take plain authorization requests too (require_pushed_authorization_requests, RFC "
    "9126): MCP clients push none.",
    "no_endpoint": "Name authorization_endpoint and token_endpoint in the metadata.",
    "plain_endpoint": "Give endpoints https addresses: behind a proxy, set public_url.",
    "endpoints_elsewhere": "Let the endpoints be /authorize, /token and /register: some versions ask there.",
    "no_iss": "Send iss with each response and say so in authorization_response_iss_parameter_supported.",
    "no_documents": "Support client ID metadata documents and say so; until then each connection "
    "registers anew.",
    "no_identity": "Turn registration on, or support client ID metadata documents; else each client has "
    "to be given "
    "a client id by hand.",
    "no_deletion": "Remove the registration by hand, or support RFC 7592.",
    "registration_limited": "Try again later, or raise the limit for registrations.",
    "registration_refused": "Accept this registration; what isn't known in it is to be ignored, not refused.",
    "registration_answer": "Answer 201 with JSON that has a client_id.",
    "secret_issued": "Honour the method none and issue no secret: the client won't send it.",
    "redirect_changed": "Register the redirect addresses as they were sent.",
    "authorize_401": "Show the sign-in page with 200 or a redirect: a 401 ends the login.",
    "authorize_refused": "Accept this request; loopback addresses with any port, and apps' own schemes.",
    "authorize_gone": "Make the authorization endpoint reachable.",
    "authorize_unseen": "Nothing to be done: run it without --no-register to see.",
    "unknown_client": "Answer 400 and a page for an unknown client, with no redirect, so that it "
    "registers again.",
    "form_action": "Leave form-action out of the pages' Content-Security-Policy, or name this client's "
    "address in it.",
    "slow": "Make it answer faster: people wait through a handful of these before they see a login.",
    "slow_limit": "Make it answer within the client's time limit.",
    "preflight": "Answer OPTIONS with 2xx without a token.",
    "cors": "Allow the origin with CORS, in the server (allowed_origins) or the proxy.",
    "cors_exposed": "Expose WWW-Authenticate, Mcp-Session-Id and MCP-Protocol-Version "
    "(Access-Control-Expose-Headers).",
    "no_ipv4": "Give the name an IPv4 address (an A record): vendors' machines ask over IPv4.",
    "family": "Take the address away from the name, or make the server reachable there.",
    "streams_unseen": "Behind a proxy, turn its buffering off for this path (nginx: proxy_buffering off) "
    "and its "
    "read timeout up to minutes.",
}
"""What to do, by code. Every problem has its line."""
