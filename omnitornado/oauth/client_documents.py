"""Implements: OAuth Client ID Metadata Document §4, §4.3, §4.4, §6.5, §6.6 and §6.8 (discovery, errors,
caching, limits, trust): from a client's id, which is an address, to the client.

In this order: what is kept and fresh; what is fetched now; the last good copy, which outlives a restart; the
copy that came with this server. Only what was good is kept. An address that failed is left alone for a
moment, and how much is fetched for one asker, and from one host, is bounded; where that, and not the address,
is why nothing was fetched, the last good copy serves only briefly.
"""

from collections.abc import Collection
from typing import Any, Final, Literal

import msgspec

from omnitornado.log import log_event
from omnitornado.net.fetched import Fetch, Fetched, FetchError
from omnitornado.net.kept import Kept, KeptAnswers
from omnitornado.oauth import jose
from omnitornado.oauth.client import DocumentSource, OAuthClient, UnusableClientError
from omnitornado.oauth.client_document import check_document_url, parse_document
from omnitornado.oauth.fetch_limits import BUSY_LIFETIME, FetchLimits
from omnitornado.oauth.shipped_documents import find_shipped
from omnitornado.store.records import ClientDocument
from omnitornado.store.transitions import Store

MAX_BYTES: Final = 5 * 1024
"""§6.6."""
SHORTEST: Final = 300.0
"""Seconds a document is kept at least, and where its headers don't say."""
COPY_LIFETIME: Final = 30 * 86_400.0
"""Seconds that the last good copy serves, while its address fails."""
PERMANENT: Final = frozenset({"fetch_url", "fetch_address", "fetch_not_json", "client_document_invalid"})
"""Failures that will not pass by themselves."""

Mode = Literal["fetch", "known", "off"]


class DocumentRules(msgspec.Struct, frozen=True):
    """Which documents are taken. `mode`: "known" asks nobody, and knows the shipped ones alone. Hosts: exact,
    or `*.example.com` for every host under it; none allowed means any. `longest`: seconds one is kept at
    most.
    """

    mode: Mode = "fetch"
    allowed_hosts: Collection[str] = ()
    denied_hosts: Collection[str] = ()
    longest: float = 86_400.0

    def takes(self, host: str) -> bool:
        if any(_is_among(host, pattern) for pattern in self.denied_hosts):
            return False
        return not self.allowed_hosts or any(_is_among(host, pattern) for pattern in self.allowed_hosts)


def _is_among(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


class ClientDocuments:
    """The clients that are known by their own documents."""

    def __init__(self, store: Store, fetch: Fetch, rules: DocumentRules) -> None:
        self._store = store
        self._fetch = fetch
        self._rules = rules
        self._kept: KeptAnswers[OAuthClient] = KeptAnswers(self._load)
        self._limits = FetchLimits(reason="client_document_rate")

    async def find(self, url: str, *, asker: str, now: float) -> OAuthClient:
        """Raises: UnusableClientError."""
        try:
            host = check_document_url(url).host
        except ValueError as error:
            raise UnusableClientError(str(error), reason="client_document_url") from None
        if not self._rules.takes(host):
            raise UnusableClientError(f"apps of {host} are not let in here", reason="client_document_host")
        if self._rules.mode == "known":
            return _find_shipped(url) or _refuse_unknown(host)
        last = await self._recall(url, now=now)
        if last is not None and now < last.fresh_until:
            return last.value
        try:
            return (await self._kept.fetch(url, asker=asker, now=now)).value
        except FetchError as error:
            return self._fall_back(url, host, last, error, now=now)

    async def _recall(self, url: str, *, now: float) -> Kept[OAuthClient] | None:
        """The last good copy, of this process or of an earlier one."""
        last = self._kept.find_last(url)
        if last is None:
            # First, so that nothing is waited for between reading a copy and keeping it: it may be withdrawn.
            await jose.load()
            record = await self._store.find_document(url, now=now)
            if record is None:
                return None
            try:
                client = parse_document(url, record.document, DocumentSource.FETCHED)
            except ValueError:
                return None  # by the rules of an earlier version it was good
            last = Kept(client, record.fetched_at, record.fresh_until)
            self._kept.keep(url, last)
        return last if now < last.fetched_at + COPY_LIFETIME else None

    async def _fetch_document(self, url: str, now: float, asker: str) -> tuple[Fetched, dict[str, Any]]:
        """The answer, and the document in it; what has been withdrawn is forgotten. Raises: FetchError."""
        is_renewal = self._kept.find_last(url) is not None
        self._limits.check(url, asker, is_renewal=is_renewal, now=now)
        try:
            fetched = await self._fetch(url, max_bytes=MAX_BYTES, asker=asker)
            return fetched, fetched.parse_object()
        except FetchError as error:
            if error.reason == "fetch_gone":
                self._kept.forget(url)
                await self._store.forget_document(url)
            raise

    async def _load(self, url: str, now: float, asker: str) -> tuple[OAuthClient, float]:
        """Fetch, check, and keep what is good."""
        fetched, document = await self._fetch_document(url, now, asker)
        await jose.load()
        try:
            client = parse_document(url, document, DocumentSource.FETCHED)
        except ValueError as error:
            raise FetchError(str(error), reason="client_document_invalid") from None
        lifetime = fetched.find_freshness(shortest=SHORTEST, longest=self._rules.longest)
        await self._store.keep_document(
            url,
            ClientDocument(
                document=document,
                fetched_at=now,
                fresh_until=now + lifetime,
                expires_at=now + COPY_LIFETIME,
            ),
        )
        log_event("client_document.fetched", client=url, name=client.client_name, seconds=int(lifetime))
        _compare_with_shipped(client)
        return client, lifetime

    def _fall_back(
        self, url: str, host: str, last: Kept[OAuthClient] | None, error: FetchError, *, now: float
    ) -> OAuthClient:
        """What there is in place of what could not be fetched. Raises: UnusableClientError."""
        if error.reason == "fetch_gone":
            # What its own domain says is gone has been withdrawn; otherwise the domain has said nothing new.
            self._kept.forget(url)
            last = None
        client = _find_shipped(url) if last is None else last.value
        if error.is_own and last is not None and now >= last.fresh_until + BUSY_LIFETIME:
            client = None  # nor the shipped one: what is older still must not come back
        log_event(
            "client_document.failed",
            client=url,
            reason=error.reason,
            detail=error,
            instead=None if client is None else "shipped" if last is None else "last_good",
        )
        if client is None:
            raise UnusableClientError(
                f"{host}: {error}", reason=error.reason, is_passing=error.reason not in PERMANENT
            ) from None
        return client


def build_documents(store: Store, fetch: Fetch, rules: DocumentRules) -> ClientDocuments | None:
    """None where no client is known by its document."""
    return None if rules.mode == "off" else ClientDocuments(store, fetch, rules)


def _find_shipped(url: str) -> OAuthClient | None:
    document = find_shipped(url)
    return None if document is None else parse_document(url, document, DocumentSource.SHIPPED)


def _refuse_unknown(host: str) -> OAuthClient:
    raise UnusableClientError(
        f"this server asks {host} nothing, and knows no such app", reason="client_document_unknown"
    )


def _compare_with_shipped(client: OAuthClient) -> None:
    """A vendor may have changed its redirects; or its host gives what it should not."""
    shipped = _find_shipped(client.client_id)
    if shipped is None or set(shipped.redirect_uris) == set(client.redirect_uris):
        return
    log_event(
        "client_document.differs",
        client=client.client_id,
        added=sorted(set(client.redirect_uris) - set(shipped.redirect_uris)) or None,
        missing=sorted(set(shipped.redirect_uris) - set(client.redirect_uris)) or None,
    )
