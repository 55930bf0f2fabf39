"""Implements: MCP extension io.modelcontextprotocol/tasks (Task Creation, Task Polling, Task Cancellation,
Security Considerations): the tasks of one endpoint.

A task belongs to the person, the client and the endpoint that it was started with; for everybody else it is
as unknown as one that never was. Its id is 256 random bits. It is in the store before its client hears of it
and what it comes to is there until its time is up, also after a restart. The work itself lives in this
process: a task whose server ends has failed.

Who withdraws what they allowed a client ends its tasks; a grant that only runs out does not.
"""

import asyncio
import contextlib
import hashlib
import logging
import math
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import msgspec

from omnitornado.base64url import encode
from omnitornado.mcp.call import CallTimedOutError
from omnitornado.mcp.calls import ToolRunner
from omnitornado.mcp.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, Json, JsonRpcError
from omnitornado.mcp.limits import TOO_MANY, Quota, TaskLimits
from omnitornado.mcp.live_task import LiveTask, TaskEndedError, TaskView
from omnitornado.mcp.needed_scopes import ScopeError
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.task_outcome import find_end
from omnitornado.mcp.task_record import TaskStore, build_record
from omnitornado.mcp.tools import Tool
from omnitornado.store.records import Task
from omnitornado.store.transitions import StoreUnavailable

log = logging.getLogger("omnitornado.mcp")

ID_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9_-]{43}")
LOOK_INTERVAL = 10.0
"""Seconds between two looks for tasks that must end, or whose end the disk did not take."""


class Roster(Protocol):
    """Who is at work, for a server that stops and waits for them."""

    def add(self, request: object) -> None: ...

    def discard(self, request: object) -> None: ...


class Elsewhere(Protocol):
    """The other processes that serve the same endpoint (`omnitornado/mcp/neighbours`)."""

    async def find(self, task_id: str, key: bytes, record: Task) -> TaskView | None:
        """A task that has not ended, from the process that works on it."""


class Tasks:
    """Starts, finds and ends the tasks of one endpoint. Belongs to one event loop."""

    def __init__(
        self,
        store: TaskStore,
        limits: TaskLimits,
        *,
        path: str,
        clock: Callable[[], float],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        # Threads of their own, and patience: tasks may take long, and must not stand in the way of calls.
        self.runner = ToolRunner(threads=limits.threads, timeout=None, patience=None, token_bytes=token_bytes)
        self.roster: Roster | None = None
        self.elsewhere: Elsewhere | None = None
        self.on_move: Callable[[LiveTask], None] | None = None
        """Called whenever a task of this process's stands differently."""
        self._store = store
        self._limits = limits
        self._path = path
        self._clock = clock
        self._token_bytes = token_bytes
        self._live: dict[bytes, LiveTask] = {}
        self._running = Quota(limits.running_per_person, "tasks")
        self._jobs: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._unsaved: list[asyncio.Future[None]] = []
        self._is_stopping = False
        self._has_closed = False

    def __len__(self) -> int:
        return len(self._live)

    async def interrupt(self) -> None:
        """What an earlier process worked on has failed. Before anything is served."""
        count = await self._store.interrupt_tasks(path=self._path, now=self._clock())
        if count:
            log.info("%d tasks of %s were interrupted by the end of the server", count, self._path)

    async def start(
        self, tool: Tool, principal: Principal, work: Callable[[LiveTask], Awaitable[Json]]
    ) -> LiveTask:
        """Start a task; it is as durable as the store promises when this returns.

        Args:
            tool: what it calls.
            principal: for whom.
            work: gives the result.

        Raises:
            JsonRpcError: 429, the person has as many as they may.
        """
        self._running.take(principal.username)
        task: LiveTask | None = None
        try:
            task = await self._create(tool, principal)
        finally:
            if task is None:
                self._running.give_back(principal.username)
        self._live[task.key] = task
        task.on_move = self.on_move
        if self.roster is not None:
            self.roster.add(task)
        self._spawn(self._work(task, tool, work))
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look_often())
        return task

    async def find(self, task_id: object, principal: Principal) -> TaskView:
        """The task of this id, if it is this person's and client's.

        Raises:
            JsonRpcError: -32602, unknown, past its time, or another's.
            ScopeError: the tool needed scopes that this token lacks.
        """
        found = await self.search(task_id, principal)
        if found is None:
            raise JsonRpcError(code=INVALID_PARAMS, message="Invalid params: there is no such task")
        return found

    async def search(self, task_id: object, principal: Principal) -> TaskView | None:
        """As `find`, but None where there is none.

        Raises:
            ScopeError
        """
        found = await self._find(task_id)
        if found is None or (found.record.username, found.record.client_id, found.record.path) != (
            principal.username,
            principal.client_id,
            self._path,
        ):
            return None
        if not principal.scopes >= set(found.record.scopes):
            raise ScopeError(frozenset(found.record.scopes))
        return found

    def find_here(self, key: bytes) -> LiveTask | None:
        """A task that this process works on."""
        return self._live.get(key)

    async def look_up(self, task_id: str, key: bytes) -> TaskView | None:
        """A task, whoever's it is, as it stands now."""
        now = self._clock()
        live = self._live.get(key)
        if live is not None:
            return live if now < live.record.expires_at else None
        record = await self._store.find_task(key, now=now)
        if record is not None and record.status == "working" and self.elsewhere is not None:
            far = await self.elsewhere.find(task_id, key, record)
            if far is not None:
                return far
            record = await self._store.find_task(key, now=now)  # it may have ended meanwhile
        return None if record is None else TaskView(task_id, key, record)

    async def look(self) -> None:
        """End the tasks whose time is up, and those of grants that were withdrawn. Also happens by itself."""
        self._save_again()
        for task in list(self._live.values()):
            if self._clock() >= task.record.created_at + task.time_limit:
                task.stop(CallTimedOutError(task.time_limit))
            elif await self._is_revoked(task):
                task.stop(TaskEndedError("cancelled", "revoked"))

    def end_waiting(self) -> None:
        """Start none any more, and end those that wait for their client: it is not let in any more."""
        self._is_stopping = True
        for task in self._live.values():
            if task.is_waiting:
                task.stop(TaskEndedError("failed", "interrupted"))

    async def close(self) -> None:
        """End them all."""
        self._is_stopping = self._has_closed = True
        if self._looking is not None:
            self._looking.cancel()
        for task in list(self._live.values()):
            task.stop(TaskEndedError("failed", "interrupted"))
        self._save_again()
        if self._jobs:
            await asyncio.wait(self._jobs)
        self.runner.close()

    async def _create(self, tool: Tool, principal: Principal) -> LiveTask:
        self._check_open()
        task_id = encode(self._token_bytes(ID_BYTES))
        key, now = _hash(task_id), self._clock()
        record, time_limit = build_record(tool, principal, self._limits, path=self._path, now=now)
        grant_ends_at = await self._find_grant_end(principal)
        if principal.grant and grant_ends_at is None:
            grant_ends_at = math.inf  # withdrawn in this moment: the next look finds it
        try:
            has_room = await self._store.start_task(key, record, now=now)
        except asyncio.CancelledError:
            # The client has left. It never heard of the task, which may stand in the store already.
            self._spawn(self._end(key, "cancelled", "cancelled", b""))
            raise
        if not has_room:
            message = "Too many tasks are kept for you. Start more when the time of some is up."
            raise JsonRpcError(code=TOO_MANY, message=message, status=TOO_MANY)
        try:
            self._check_open()
        except JsonRpcError:
            self._spawn(self._end(key, "failed", "interrupted", b""))
            raise
        return LiveTask(
            task_id,
            key,
            record,
            principal,
            time_limit=time_limit,
            grant_ends_at=grant_ends_at,
            clock=self._clock,
            on_idle=lambda: self._running.give_back(principal.username),
        )

    def _check_open(self) -> None:
        if self._is_stopping:
            raise JsonRpcError(code=INTERNAL_ERROR, message="The server is stopping", status=503)

    async def _work(self, task: LiveTask, tool: Tool, work: Callable[[LiveTask], Awaitable[Json]]) -> None:
        try:
            status, cause, sealed = await find_end(
                task, tool, work, max_result=self._limits.max_result, token_bytes=self._token_bytes
            )
            record = await self._end(task.key, status, cause, sealed)
            # None: its time was up before.
            failed = msgspec.structs.replace(task.record, status="failed", cause="interrupted")
            task.end(record or failed)
        finally:
            self._live.pop(task.key, None)
            task.tally.end()
            if self.roster is not None:
                self.roster.discard(task)

    async def _end(self, key: bytes, status: str, cause: str, sealed: bytes) -> Task | None:
        """Keep a task's end, as soon as the store takes it. None: its time was up, or the server stops."""
        while True:
            try:
                return await self._store.end_task(
                    key, status=status, cause=cause, sealed=sealed, now=self._clock()
                )
            except StoreUnavailable as error:
                log.error("the store did not take the end of a task: %s", error)
                if self._has_closed:
                    return None  # after the restart it has failed
            again = asyncio.get_running_loop().create_future()
            self._unsaved.append(again)
            await again

    def _save_again(self) -> None:
        unsaved, self._unsaved = self._unsaved, []
        for again in unsaved:
            again.set_result(None)

    async def _find(self, task_id: object) -> TaskView | None:
        if not isinstance(task_id, str) or _ID.fullmatch(task_id) is None:
            return None
        return await self.look_up(task_id, _hash(task_id))

    async def _look_often(self) -> None:
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            with contextlib.suppress(StoreUnavailable):
                await self.look()

    async def _is_revoked(self, task: LiveTask) -> bool:
        """Whether its grant went before its time. One that runs out is no word of the person's."""
        if task.grant_ends_at is None:
            return False
        ends_at = await self._find_grant_end(task.principal)
        if ends_at is None:
            return self._clock() < task.grant_ends_at
        task.grant_ends_at = ends_at
        return False

    async def _find_grant_end(self, principal: Principal) -> float | None:
        """When the principal's grant ends; None where there is none."""
        if not principal.grant:
            return None
        grants = await self._store.find_grants(principal.username, now=self._clock())
        return next((grant.expires_at for grant in grants if grant.public_id == principal.grant), None)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        job = asyncio.get_running_loop().create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)


def _hash(task_id: str) -> bytes:
    return hashlib.sha256(task_id.encode("ascii")).digest()
