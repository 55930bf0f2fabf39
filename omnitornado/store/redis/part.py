"""What the parts of the store stand on: the link, the scripts and the clock."""

from collections.abc import Callable
from typing import Any, TypeVar

from omnitornado.store.records import Record
from omnitornado.store.redis.cache import AccessCache
from omnitornado.store.redis.fields import Kind
from omnitornado.store.redis.link import Link
from omnitornado.store.redis.scripts import Script

R = TypeVar("R", bound=Record)


class Part:
    """The base of each part; `RedisStore` is all of them."""

    def __init__(
        self,
        link: Link,
        scripts: dict[str, Script],
        cache: AccessCache,
        clock: Callable[[], float],
        node: str,
    ) -> None:
        self._link = link
        self._scripts = scripts
        self._cache = cache
        self._clock = clock
        self._node = node

    async def _run(self, script: str, now: float, *args: Any) -> Any:
        """One transition. Raises: StoreUnavailable."""
        return await self._link.run(self._scripts[script], now, *args)

    def _build_key(self, kind: str, key: str | bytes) -> bytes:
        name = key.encode() if isinstance(key, str) else key
        return f"{self._link.target.prefix}{kind}:".encode() + name

    async def _find(self, kind: Kind[R], key: str | bytes, now: float) -> R | None:
        """The record, unless its time is up at `now`."""
        raw = await self._link.call("GET", self._build_key(kind.name, key))
        return None if raw is None else find_living(kind.unpack(raw), now)

    async def _forget(self, kind: Kind[R], key: str | bytes, now: float) -> bool:
        """Whether there was a living one; it is gone now."""
        return bool(await self._run("forget", now, kind.name, key))


def find_living(record: R, now: float) -> R | None:
    ends_at: float | None = getattr(record, "expires_at", None)
    return None if ends_at is not None and now >= ends_at else record
