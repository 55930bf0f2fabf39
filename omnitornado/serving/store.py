"""Which engine the configuration asks for: files of this process, or a Redis that several share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from omnitornado.config import Config, build_key_error
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.limits import Limits
from omnitornado.store.reading import OnProgress
from omnitornado.store.transitions import RunningStore

SCHEMES = ("redis://", "rediss://", "unix://")


def build_store_table(store: str | Path | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """`[store]` for a path, a URL, or None for memory alone. `given`: what else was said of it."""
    if "url" in given:
        return dict(given)
    if isinstance(store, str) and store.startswith(SCHEMES):
        return {"url": store} | dict(given)
    return {"path": "" if store is None else str(store)} | dict(given)


def open_store(config: Config, clock: Callable[[], float], on_progress: OnProgress | None) -> RunningStore:
    """The store, to be started. Reads the files, where it is in files. Raises: StoreError, ConfigError."""
    settings = config.store
    caps: dict[str, Any] = {
        "max_unused_clients": config.registration.max_unused,
        "limits": Limits(
            **msgspec.structs.asdict(config.limits),
            tasks_per_person=config.tasks.kept_per_person,
            task_bytes_per_person=config.tasks.storage_per_person,
        ),
        "clock": clock,
    }
    if not settings.url:
        return EmbeddedStore.open(
            settings.path,
            durability=settings.durability,
            snapshot_interval=settings.snapshot_interval,
            max_journal=settings.max_journal,
            on_progress=on_progress,
            **caps,
        )
    try:
        from omnitornado.store.redis.store import RedisStore
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "redis":
            raise
        reason = "needs the redis package: pip install 'omnitornado[redis]'"
        raise build_key_error(config, "store", "url", reason) from None
    return RedisStore.open(
        settings.url,
        prefix=settings.prefix,
        timeout=settings.timeout,
        patience=settings.start_timeout,
        cache=settings.cache,
        **caps,
    )
