"""Our choice: what came back for a request, and how it is read. Nothing here asks the network."""

import re
from typing import Any, Final

import msgspec

MAX_BODY: Final = 256 * 1024
"""Bytes read of an answer: a metadata document has a few kilobytes."""
MAX_TEXT: Final = 200
"""Characters of a server's text that are shown."""

PARAMETER: Final = re.compile(
    r'(?P<name>[A-Za-z0-9_-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))'
)
BEARER: Final = re.compile(r"(?:^|,)\s*bearer(?:\s|$)", re.IGNORECASE)


class Answer(msgspec.Struct, frozen=True):
    """An answer, or the trouble instead of one."""

    method: str
    url: str
    status: int = 0
    """0 where none came."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case."""
    body: bytes = b""
    trouble: str = ""
    """`timeout`, `certificate`, `tls`, `name`, `refused`, `guarded`, `oversized` or `other`; empty: none."""
    seconds: float = 0.0
    """Until the head of the answer."""

    def find_header(self, name: str) -> str:
        """Every value of a header, in one; empty where there is none. `name` is in lower case."""
        return ", ".join(value for key, value in self.headers if key == name)

    @property
    def is_redirect(self) -> bool:
        return self.status in (301, 302, 303, 307, 308)

    @property
    def content_type(self) -> str:
        return self.find_header("content-type").partition(";")[0].strip().lower()


def parse_document(answer: Answer | None) -> dict[str, Any] | None:
    """The JSON object of a good answer (any 2xx); None where it is anything else."""
    if answer is None or not 200 <= answer.status < 300:
        return None
    try:
        document = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def find_text(document: dict[str, Any] | None, name: str) -> str:
    """A member that should be text; empty where it is not."""
    value = (document or {}).get(name)
    return value if isinstance(value, str) else ""


def find_texts(document: dict[str, Any] | None, name: str) -> tuple[str, ...]:
    """A member that should be a list of texts; empty where it is not."""
    value = (document or {}).get(name)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def parse_challenge(answer: Answer) -> dict[str, str] | None:
    """The parameters of the Bearer challenge (RFC 6750 §3); None where there is none."""
    value = answer.find_header("www-authenticate")
    start = BEARER.search(value)
    if start is None:
        return None
    found: dict[str, str] = {}
    for match in PARAMETER.finditer(value, start.end()):
        text = match["plain"] if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"])
        found.setdefault(match["name"].lower(), text)
    return found


def quote(text: str) -> str:
    """A server's text as one that a terminal can be given: nothing but printable characters, and cut."""
    cut = text[:MAX_TEXT] + ("…" if len(text) > MAX_TEXT else "")
    return "".join(one if one.isprintable() else "\ufffd" for one in cut)


def describe(answer: Answer) -> str:
    """What came, in a few words."""
    if answer.trouble and not answer.status:
        return TROUBLES.get(answer.trouble, "no answer came")
    if answer.is_redirect:
        target = quote(answer.find_header("location")) or "nowhere"
        return f"the answer was {answer.status}, a redirect to {target}"
    return f"the answer was {answer.status}"


TROUBLES: Final = {
    "timeout": "no answer came in time",
    "certificate": "its certificate is not one that a client trusts",
    "tls": "the TLS connection failed",
    "name": "its name can't be resolved",
    "refused": "the connection was refused",
    "guarded": "it leads from a public server to a private address, which was not asked",
    "oversized": "the answer is larger than any client reads",
}
