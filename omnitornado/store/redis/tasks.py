"""Tasks (SEP-2663), keys of the server's own, and values that are good once."""

import msgspec

from omnitornado.store.records import Key, Task
from omnitornado.store.redis.fields import TASK
from omnitornado.store.redis.part import Part
from omnitornado.store.single_use import build_party, build_use_key
from omnitornado.store.transitions import UseOutcome

AT_ONCE = 200
"""Tasks that one script interrupts, at most: Redis serves nobody else meanwhile."""
SILENCE = 15.0
"""Seconds without a word from a process, by Redis's clock, after which nobody works on its tasks."""


class TasksPart(Part):
    """As `Store` says of each. A task's work lives in the process that started it, which says every few
    seconds that it is there (`nodes.py`).
    """

    async def start_task(self, task_hash: bytes, task: Task, *, now: float) -> bool:
        return bool(await self._run("start_task", now, task_hash, TASK.pack(task, node=self._node)))

    async def find_task(self, task_hash: bytes, *, now: float) -> Task | None:
        return await self._find(TASK, task_hash, now)

    async def end_task(
        self, task_hash: bytes, *, status: str, cause: str, sealed: bytes, now: float
    ) -> Task | None:
        raw = await self._run("end_task", now, task_hash, status, cause, sealed)
        return None if raw is None else TASK.unpack(raw)

    async def interrupt_tasks(self, *, path: str, now: float) -> int:
        return await self._interrupt(path, now)

    async def _interrupt(self, path: str, now: float) -> int:
        """Fail the tasks of this process, and of those that are silent. `path` "": of those alone, all."""
        total = 0
        while True:
            count: int = await self._run("interrupt_tasks", now, path, self._node, SILENCE, AT_ONCE)
            total += count
            if count < AT_ONCE:
                return total

    async def find_or_create_key(self, name: str, fresh: bytes, *, now: float) -> bytes:
        offered = msgspec.msgpack.encode(Key(fresh, now))
        kept = await self._run("find_or_create_key", now, name, offered)
        return msgspec.msgpack.decode(kept, type=Key).value

    async def use_once(
        self, purpose: str, party: str, value: str, *, expires_at: float, now: float, wait: bool = True
    ) -> UseOutcome:
        key = build_use_key(purpose, party, value)
        answer = await self._run("use_once", now, key, build_party(purpose, party), expires_at, purpose)
        return UseOutcome(answer.decode())
