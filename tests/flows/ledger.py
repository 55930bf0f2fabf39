"""What a journey saw that must stay secret, so that the log and the disk can be searched for it after."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

SECRET_MEMBERS = frozenset(
    {
        "access_token",
        "client_secret",
        "code",
        "code_verifier",
        "device_code",
        "password",
        "refresh_token",
        "registration_access_token",
        "request_uri",
    }
)
TOKEN = re.compile(r"omt_(?:at|rt|ac|cs|dc|pr|ra)_[A-Za-z0-9_-]{8,}")
"""The shape of every secret this server makes, seen by the test or not."""


class Ledger:
    """The secrets of one test."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def note(self, *secrets: str | None) -> None:
        """Remember values; those too short to be told from ordinary words are passed over."""
        self._seen.update(secret for secret in secrets if secret is not None and len(secret) >= 8)

    def note_members(self, document: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Remember the secret members of a JSON document, a form, or a query."""
        pairs = document.items() if isinstance(document, Mapping) else document
        self.note(*(str(value) for name, value in pairs if name in SECRET_MEMBERS and value))

    def note_url(self, url: str) -> None:
        """Remember the code in a callback."""
        self.note_members(parse_qsl(urlsplit(url).query))

    def find_leaks(self, text: str) -> list[str]:
        """The secrets that stand in `text`, plain or URL-encoded, and whatever looks like one."""
        spellings = {
            form for secret in self._seen for form in (secret, quote(secret, safe=""), quote_plus(secret))
        }
        return sorted({form for form in spellings if form in text} | set(TOKEN.findall(text)))

    def __len__(self) -> int:
        return len(self._seen)
