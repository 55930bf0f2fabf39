"""Our choice (RFC 7591 §3.2, RFC 7592 §2.3, RFC 6749 §3.1): a registration, and the page before the login."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from omnitornado.doctor.answers import Answer, describe, find_text, find_texts, parse_document, quote
from omnitornado.doctor.checks_challenge import check_time
from omnitornado.doctor.clients import Client
from omnitornado.doctor.findings import Finding, build_ok, build_problem

FORM_ACTION = re.compile(r"(?:^|[;,])\s*form-action\s+(?P<sources>[^;,]*)", re.IGNORECASE)


def check_identity(client: Client, document: dict[str, Any]) -> Iterator[Finding]:
    """Whether the client can make itself known at all."""
    takes_documents = document.get("client_id_metadata_document_supported") is True and bool(client.document)
    if not takes_documents and not find_text(document, "registration_endpoint"):
        yield build_problem(client, "no_identity", "there is no registration_endpoint, and no other way in")


def check_registration(client: Client, answer: Answer) -> Iterator[Finding]:
    """What a registration with the client's own document was answered."""
    yield from check_time(client, answer)
    if answer.status in (429, 503):
        yield build_problem(client, "registration_limited", f"registration: {describe(answer)}")
        return
    if answer.status not in (200, 201):
        said = read_error(answer)
        yield build_problem(client, "registration_refused", f"registration: {describe(answer)}{said}")
        return
    document = parse_document(answer)
    if document is None or not find_text(document, "client_id"):
        yield build_problem(client, "registration_answer", "registration: the answer has no client_id")
        return
    wrong = list(_check_registered(client, document))
    yield from wrong
    if not wrong:
        yield build_ok("registration", "registration: accepted as it was sent")


def _check_registered(client: Client, document: dict[str, Any]) -> Iterator[Finding]:
    asked = client.registration.get("token_endpoint_auth_method")
    method = document.get("token_endpoint_auth_method")
    if asked == "none" and (document.get("client_secret") or method not in (None, "none")):
        said = quote(str(method))
        yield build_problem(
            client, "secret_issued", f"registration: none was asked, issued was {said} or a secret"
        )
    if set(find_texts(document, "redirect_uris")) != set(client.registration["redirect_uris"]):
        yield build_problem(client, "redirect_changed", "registration: redirect_uris came back changed")


def check_removal(client: Client, client_id: str, answer: Answer | None) -> Iterator[Finding]:
    """Whether nothing is left behind."""
    if answer is None or not 200 <= answer.status < 300:
        said = "it names no registration_client_uri" if answer is None else describe(answer)
        reason = f"the registration {quote(client_id)} stays behind: {said}"
        yield build_problem(client, "no_deletion", reason)


def check_authorize(client: Client, answer: Answer) -> Iterator[Finding]:
    """What a browser without a session is shown when the client sends it to the authorization endpoint."""
    yield from check_time(client, answer)
    label = f"authorize with {client.redirect_uri}"
    error = find_redirected_error(answer)
    if not answer.status:
        yield build_problem(client, "authorize_gone", f"{label}: {describe(answer)}")
    elif answer.status == 401:
        yield build_problem(client, "authorize_401", f"{label}: the answer was 401")
    elif error or not (answer.status == 200 or answer.is_redirect):
        said = f", {quote(error)}" if error else read_error(answer)
        yield build_problem(client, "authorize_refused", f"{label}: {describe(answer)}{said}")
    else:
        yield build_ok("authorize", f"{label}: {answer.status}")


def check_page(client: Client, answer: Answer) -> Iterator[Finding]:
    """The page that the authorization request ends at, its redirects within the server followed."""
    if answer.status == 401:
        yield build_problem(client, "authorize_401", "the page before the login was answered with 401")
    elif answer.status >= 400:
        yield build_problem(client, "authorize_refused", f"the page before the login: {describe(answer)}")
    elif is_callback_blocked(answer, client.redirect_uri):
        said = quote(find_form_action(answer) or "")
        yield build_problem(client, "form_action", f"the page before the login: its form-action is {said}")


def check_unknown(client: Client, answer: Answer) -> Iterator[Finding]:
    """What an unknown client is answered at the authorization endpoint."""
    if answer.status == 400:
        yield build_ok("unknown_client", "authorize with an unknown client: 400")
    else:
        yield build_problem(client, "unknown_client", f"authorize with an unknown client: {describe(answer)}")


def find_redirected_error(answer: Answer) -> str:
    """The error that a redirect brings back to the client; empty where it leads on."""
    if not answer.is_redirect:
        return ""
    return parse_qs(_find_query(answer.find_header("location"))).get("error", [""])[0]


def _find_query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:
        return ""


def find_form_action(answer: Answer) -> str | None:
    """The sources that the page's forms may lead to; None where that isn't limited."""
    match = FORM_ACTION.search(answer.find_header("content-security-policy"))
    return None if match is None else match["sources"].strip()


def is_callback_blocked(answer: Answer, redirect_uri: str) -> bool:
    """Whether Chromium would stop the redirect after the form (it holds redirects to form-action too)."""
    sources = find_form_action(answer)
    if sources is None:
        return False
    parts = urlsplit(redirect_uri)
    names = {f"{parts.scheme}:", f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{parts.hostname}:*"}
    if parts.scheme in ("http", "https"):
        names.add("*")
    return not any(source == redirect_uri or source.rstrip("/") in names for source in sources.split())


def read_error(answer: Answer) -> str:
    """`error` and `error_description` of an OAuth error, for the reason's end; empty where there is none."""
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    said = [find_text(document, name) for name in ("error", "error_description")]
    return "".join(f", {quote(one)}" for one in said if one)
