"""Which engine keeps the state, and that the other one costs nothing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from omnitornado.config import ConfigError, build_config
from omnitornado.serving.store import build_store_table, open_store
from omnitornado.store.embedded import EmbeddedStore
from omnitornado.store.redis.store import RedisStore

URL = "redis://ada:hunter2@127.0.0.1:6379/0"


def test_a_path_a_url_or_neither_says_where_the_state_is() -> None:
    """Our choice: `Server(store=…)` takes what `[store]` takes."""
    assert build_store_table("x.state", {}) == {"path": "x.state"}
    assert build_store_table(None, {"durability": "interval"}) == {"path": "", "durability": "interval"}
    assert build_store_table(URL, {"cache": 0}) == {"url": URL, "cache": 0}
    assert build_store_table("omnitornado.state", {"url": URL}) == {"url": URL}


def test_the_configuration_chooses_the_engine(tmp_path: Path) -> None:
    """Our choice: nothing is asked of a Redis before the start."""
    shared = build_config({"store": {"url": URL}}, folder=tmp_path)
    assert isinstance(open_store(shared, time.time, None), RedisStore)
    memory = build_config({"store": {"path": ""}}, folder=tmp_path)
    assert isinstance(open_store(memory, time.time, None), EmbeddedStore)


def test_without_the_package_the_reason_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: it is an extra."""
    for name in [name for name in sys.modules if name.startswith(("redis", "omnitornado.store.redis"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    config = build_config({"store": {"url": URL}}, folder=tmp_path)
    with pytest.raises(ConfigError, match=r"\[store\] url: .*pip install 'omnitornado\[redis\]'") as refused:
        open_store(config, time.time, None)
    assert "hunter2" not in str(refused.value)


def test_the_client_is_loaded_only_where_it_is_asked_for() -> None:
    """Our choice: it takes a tenth of a second, and is not installed by default."""
    program = "import sys, omnitornado.server; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
