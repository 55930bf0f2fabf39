"""A fetch that goes nowhere: what it would have found is in a dictionary."""

from collections.abc import Mapping

import msgspec

from omnitornado.net.fetched import Fetched, FetchError


class FakeFetch:
    """`documents` by address: a JSON value, or the error that comes instead."""

    def __init__(self) -> None:
        self.documents: dict[str, object] = {}
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.askers: list[str] = []
        self.limits: set[int] = set()

    async def __call__(
        self,
        url: str,
        *,
        max_bytes: int,
        timeout: float = 5.0,  # noqa: ASYNC109 - the protocol's
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        asker: str = "",
    ) -> Fetched:
        self.askers.append(asker)
        self.asked.append(url)
        self.limits.add(max_bytes)
        found = self.documents.get(url, FetchError("it can't be reached", reason="fetch_failed"))
        if isinstance(found, FetchError):
            raise FetchError(str(found), reason=found.reason, is_own=found.is_own)
        content = found if isinstance(found, bytes) else msgspec.json.encode(found)
        return Fetched(
            url=url, status=200, headers={"content-type": "application/json"} | self.headers, body=content
        )
