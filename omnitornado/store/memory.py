"""The state in memory: one table a kind of record, each cut into 256 small dictionaries, with its indexes.

A transition decides on this state and gives back its `Changes`; `State.apply` makes them. Replaying the
journal applies the same changes: each says what a key holds from now on, never how it got there, so that
applying one twice, or over a state that already has later ones, ends the same once all of them are in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from omnitornado.store.expiry import ExpiryBuckets
from omnitornado.store.groups import Counts, Groups, SmallGroups
from omnitornado.store.records import (
    AccessToken,
    AuthorizationCode,
    BrowserSession,
    Client,
    ClientDocument,
    Consent,
    DeviceCode,
    Grant,
    Key,
    KnownAddress,
    McpSession,
    PushedRequest,
    Record,
    RedirectBinding,
    Task,
    UsedValue,
)

K = TypeVar("K", str, bytes)
V = TypeVar("V", bound=Record)

Change = tuple[str, str | bytes, Record | None]
"""Table name, key, and the record the key holds from now on; None deletes it."""
Changes = Sequence[Change]

SHARDS = 256
SLICE = 256
"""Records that a snapshot takes at once, unless they are large: a tenth of a millisecond's work."""
UNUSED = "unused"
"""The group of registered clients, and of clients' documents, that never got a grant."""


class Table(Generic[K, V]):
    """Records of one kind by key.

    `ends` gives a record's end in seconds since the epoch (None: never); `group` the name its key is indexed
    under, for instance the person's; `client` the client's id, where records are looked for by that as well;
    `owner` the id of the grant, where each has a few that all end; `counted` the name under which a record is
    counted and no more. `slice_size` is how many a snapshot takes at once.
    """

    def __init__(
        self,
        name: str,
        key_type: type[K],
        record_type: type[V],
        *,
        ends: Callable[[V], float | None] | None = None,
        group: Callable[[V], str | None] | None = None,
        client: Callable[[V], str] | None = None,
        owner: Callable[[V], bytes] | None = None,
        counted: Callable[[V], str] | None = None,
        slice_size: int = SLICE,
    ) -> None:
        self.name = name
        self.slice_size = slice_size
        self.key_type: type[K] = key_type
        self.record_type = record_type
        self._ends = ends
        self._groups: Groups[K, V] | None = None if group is None else Groups(group)
        self._clients: Groups[K, V] | None = None if client is None else Groups(client)
        self._owners: SmallGroups[K, V] | None = (
            None if owner is None or ends is None else SmallGroups(owner, ends, self.get)
        )
        self._counts: Counts[V] | None = None if counted is None else Counts(counted)
        self._indexes: list[Groups[K, V] | SmallGroups[K, V] | Counts[V]] = [
            index for index in (self._groups, self._clients, self._owners, self._counts) if index is not None
        ]
        self._expiry: ExpiryBuckets[K] = ExpiryBuckets()
        self._shards: list[dict[K, V]] = [{} for _ in range(SHARDS)]

    def _find_shard(self, key: K) -> dict[K, V]:
        # The middle bits: a dictionary places its entries by the low ones, which must differ within a shard.
        return self._shards[hash(key) >> 20 & 255]

    def get(self, key: K) -> V | None:
        return self._shards[hash(key) >> 20 & 255].get(key)

    def find_living(self, key: K, now: float) -> V | None:
        """The record, unless its time is up at `now`."""
        record = self._shards[hash(key) >> 20 & 255].get(key)
        return None if record is None or self.is_past(record, now) else record

    def is_past(self, record: V, now: float) -> bool:
        ends_at = None if self._ends is None else self._ends(record)
        return ends_at is not None and now >= ends_at

    def find_members(self, group: str) -> Mapping[K, None]:
        """Keys of the records in a group."""
        return {} if self._groups is None else self._groups.find_members(group)

    def find_client_members(self, client_id: str) -> Mapping[K, None]:
        """Keys of the records of a client."""
        return {} if self._clients is None else self._clients.find_members(client_id)

    def find_owned(self, owner: bytes) -> Sequence[K]:
        """Keys of the records of a grant, those that end first before the others."""
        return () if self._owners is None else self._owners.find_members(owner)

    def count(self, name: str) -> int:
        """How many records are counted under a name, the past ones that were not swept yet among them."""
        return 0 if self._counts is None else self._counts.count(name)

    def build_put(self, key: K, record: V) -> Change:
        return (self.name, key, record)

    def build_delete(self, key: K) -> Change:
        return (self.name, key, None)

    def put(self, key: K, record: V) -> None:
        shard = self._find_shard(key)
        old = shard.get(key)
        shard[key] = record
        for index in self._indexes:
            index.regroup(key, old, record)
        if self._ends is not None and (ends_at := self._ends(record)) is not None:
            self._expiry.note(key, None if old is None else self._ends(old), ends_at)

    def delete(self, key: K) -> None:
        old = self._find_shard(key).pop(key, None)
        if old is not None:
            for index in self._indexes:
                index.regroup(key, old, None)

    def sweep(self, now: float) -> int:
        """Forget what has expired, in one bounded slice; gives how many keys it looked at, 0 when done."""
        keys = self._expiry.take_due(now)
        for key in keys:
            record = self.get(key)
            if record is None or self._ends is None:
                continue
            ends_at = self._ends(record)
            if ends_at is not None and now < ends_at:
                self._expiry.note(key, None, ends_at)
            elif ends_at is not None:
                self.delete(key)
        return len(keys)

    def iterate_slices(self, size: int) -> Iterator[dict[K, V]]:
        """All records, some `size` at a time, each slice as it stands when it is asked for.

        Other turns of the event loop may change the table between two slices: a key that is there all along
        comes exactly once. At no point is more than one shard's list of keys copied.
        """
        keys: list[K] = []
        for shard in self._shards:
            keys.extend(shard)
            for start in range(0, len(keys) - size + 1, size):
                yield self._pick(keys[start : start + size])
            keys = keys[len(keys) // size * size :]
        if keys:
            yield self._pick(keys)

    def _pick(self, keys: list[K]) -> dict[K, V]:
        return {key: record for key in keys if (record := self.get(key)) is not None}

    def __len__(self) -> int:
        return sum(map(len, self._shards))


def _find_client_group(client: Client) -> str | None:
    return UNUSED if client.used_at is None else find_user_group(client.used_by)


def find_user_group(username: str) -> str:
    """The group of registered clients that a person was the first to allow in."""
    return f"used by {username}"


def _find_use_group(record: ClientDocument) -> str | None:
    return UNUSED if record.used_at is None else None


class State:
    """Every table, and nothing else: what there is to lose."""

    def __init__(self) -> None:
        ends, person, client = attrgetter("expires_at"), attrgetter("username"), attrgetter("client_id")
        self.clients = Table("client", str, Client, ends=ends, group=_find_client_group)
        self.codes = Table("code", bytes, AuthorizationCode, ends=ends, group=person, client=client)
        self.grants = Table("grant", bytes, Grant, ends=ends, group=person, client=client)
        self.access = Table("access", bytes, AccessToken, ends=ends, owner=attrgetter("grant_id"))
        self.sessions = Table("session", bytes, BrowserSession, ends=ends, group=person)
        self.consents = Table("consent", bytes, Consent, group=person)
        self.bindings = Table("binding", str, RedirectBinding)
        self.mcp_sessions = Table("mcp_session", bytes, McpSession, ends=ends, group=person)
        self.addresses = Table("address", bytes, KnownAddress, ends=ends, group=person)
        self.keys = Table("key", str, Key)
        self.tasks = Table("task", bytes, Task, ends=ends, group=person, slice_size=4)
        self.documents = Table("document", str, ClientDocument, ends=ends, group=_find_use_group)
        self.used = Table(
            "used", bytes, UsedValue, ends=ends, group=attrgetter("party"), counted=attrgetter("purpose")
        )
        self.devices = Table("device", bytes, DeviceCode, ends=ends, client=client)
        self.pushed = Table(
            "pushed", bytes, PushedRequest, ends=ends, group=attrgetter("party"), slice_size=SLICE // 8
        )
        self.tables: dict[str, Table[Any, Any]] = {
            table.name: table for table in vars(self).values() if isinstance(table, Table)
        }

    def apply(self, changes: Changes) -> None:
        """Make the changes of one transition, in their order."""
        for name, key, record in changes:
            if record is None:
                self.tables[name].delete(key)
            else:
                self.tables[name].put(key, record)

    def build_undo(self, changes: Changes) -> Changes:
        """What takes these changes back, as long as they have not been made; in the order to apply it."""
        return [(name, key, self.tables[name].get(key)) for name, key, _ in reversed(changes)]

    def sweep(self, now: float) -> int:
        """One bounded slice of sweeping; gives how many keys it looked at, 0 when nothing is due."""
        for table in self.tables.values():
            if looked_at := table.sweep(now):
                return looked_at
        return 0
