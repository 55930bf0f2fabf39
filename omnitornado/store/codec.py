"""Records and changes as MessagePack, and back.

A journal frame holds a list of transitions, each a list of changes `[table, key, record or nil]`. A snapshot
frame holds `[table, {key: record, …}]`, the last one `["end", number of records]`.
"""

import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from omnitornado.store.memory import Change, Changes, State, Table
from omnitornado.store.records import Record

END = "end"

_encoder = msgspec.msgpack.Encoder()
_transitions = msgspec.msgpack.Decoder(list[list[tuple[str, Any, msgspec.Raw]]])
_piece = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])
_NIL = b"\xc0"
_ARRAY32 = struct.Struct(">BI")


def build_entry(changes: Changes) -> bytes:
    """One transition."""
    return _encoder.encode(changes)


def build_batch(entries: Sequence[bytes]) -> bytes:
    """A frame's payload: the transitions that one fsync makes durable together."""
    return _ARRAY32.pack(0xDD, len(entries)) + b"".join(entries)


def build_piece(table: str, records: dict[Any, Any]) -> bytes:
    return _encoder.encode((table, records))


def build_end(count: int) -> bytes:
    return _encoder.encode((END, count))


class StateDecoder:
    """Decodes what the files hold for the tables of one state. Raises `msgspec.DecodeError` (which its
    `ValidationError` is) for anything else."""

    def __init__(self, state: State) -> None:
        self._tables = state.tables
        self._records: dict[str, msgspec.msgpack.Decoder[Record]] = {}
        self._pieces: dict[str, msgspec.msgpack.Decoder[dict[Any, Any]]] = {}
        self._count = msgspec.msgpack.Decoder(int)
        for name, table in state.tables.items():
            record_type: Any = table.record_type
            self._records[name] = msgspec.msgpack.Decoder(record_type)
            self._pieces[name] = msgspec.msgpack.Decoder(dict[table.key_type, record_type])  # type: ignore[name-defined]

    def parse_batch(self, payload: bytes) -> list[Change]:
        return [
            self._parse_change(name, key, raw)
            for changes in _transitions.decode(payload)
            for name, key, raw in changes
        ]

    def _parse_change(self, name: str, key: Any, raw: msgspec.Raw) -> Change:
        if not isinstance(key, self._find_table(name).key_type):
            raise msgspec.ValidationError(f"a key of table {name!r} has the wrong type")
        return (name, key, None if bytes(raw) == _NIL else self._records[name].decode(raw))

    def parse_piece(self, payload: bytes) -> tuple[Table[Any, Any], dict[Any, Any]] | int:
        """A table and its records; or, from the last piece, how many records the snapshot has."""
        name, raw = _piece.decode(payload)
        if name == END:
            return self._count.decode(raw)
        return self._find_table(name), self._pieces[name].decode(raw)

    def _find_table(self, name: str) -> Table[Any, Any]:
        table = self._tables.get(name)
        if table is None:
            raise msgspec.ValidationError(f"no table is called {name!r}")
        return table
