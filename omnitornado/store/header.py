"""What stands at the head of a file: what it is, in which format, and which kinds of records it may hold.

    magic (8 bytes), format version (u32), generation (u64), CRC32 of the three (u32)
    length of the kinds (u32), the kinds, CRC32 of both (u32)                           since format 2

The first line is the same in every format, so that an older program can say that a file is newer. The kinds
are a MessagePack map: each table that this program keeps, with the number of fields of its records. Whoever
adds one needs to do nothing here: an older program sees by the kinds that it would lose something, and
refuses; a newer one reads what is there and fills in the defaults. A change that can't be told that way
raises `FORMAT_VERSION`, and `recovery.py` and `codec.py` then read both.

Formats: 1 had no kinds. 2 has them.
"""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import msgspec

from omnitornado.store.errors import StoreDamaged, StoreNewer
from omnitornado.store.memory import State

FORMAT_VERSION = 2
JOURNAL_MAGIC = b"OMNIJRNL"
SNAPSHOT_MAGIC = b"OMNISNAP"
KINDS = {name: len(msgspec.structs.fields(table.record_type)) for name, table in State().tables.items()}
"""By table: how many fields its records have."""

_BASE = struct.Struct(">8sIQ")
_NUMBER = struct.Struct(">I")
_MAX_KINDS = 64 * 1024
_parse_kinds = msgspec.msgpack.Decoder(dict[str, int]).decode


class Header(msgspec.Struct, frozen=True):
    """`size`: in bytes; the first frame starts there."""

    generation: int
    size: int
    is_old: bool
    """Whether this program would write another one."""


def build_header(magic: bytes, generation: int) -> bytes:
    kinds = msgspec.msgpack.encode(KINDS)
    return _seal(_BASE.pack(magic, FORMAT_VERSION, generation)) + _seal(_NUMBER.pack(len(kinds)) + kinds)


def _seal(data: bytes) -> bytes:
    return data + _NUMBER.pack(zlib.crc32(data))


HEADER_SIZE = len(build_header(JOURNAL_MAGIC, 1))
"""Of the headers that this program writes."""


def read_header(file: BinaryIO, magic: bytes, path: Path) -> Header:
    """The header; the file stands at the first frame then. Raises: StoreDamaged; StoreNewer for a file that a
    newer version of this program has written.
    """
    base = _read_sealed(file, path, _BASE.size)
    found, version, generation = _BASE.unpack(base)
    if found != magic:
        raise StoreDamaged(path, "not a file of this kind", record=0, offset=0)
    if version > FORMAT_VERSION:
        reason = f"written in format {version}, newer than the {FORMAT_VERSION} this version reads"
        raise StoreNewer(path, reason, record=0, offset=0)
    kinds = _read_kinds(file, path) if version >= 2 else {}
    _check_kinds(kinds, path)
    return Header(int(generation), file.tell(), is_old=version < FORMAT_VERSION or kinds != KINDS)


def _read_sealed(file: BinaryIO, path: Path, length: int, before: bytes = b"") -> bytes:
    data = file.read(length + _NUMBER.size)
    if len(data) < length + _NUMBER.size:
        raise StoreDamaged(path, "the file ends before its header does", record=0, offset=0)
    if not before and data[:8] not in (JOURNAL_MAGIC, SNAPSHOT_MAGIC):
        raise StoreDamaged(path, "not a file of this kind", record=0, offset=0)
    if _NUMBER.unpack_from(data, length)[0] != zlib.crc32(before + data[:length]):
        raise StoreDamaged(path, "the header's checksum does not match", record=0, offset=0)
    return data[:length]


def _read_kinds(file: BinaryIO, path: Path) -> dict[str, int]:
    head = file.read(_NUMBER.size)
    length = _NUMBER.unpack(head)[0] if len(head) == _NUMBER.size else _MAX_KINDS + 1
    if length > _MAX_KINDS:
        raise StoreDamaged(path, "the header's checksum does not match", record=0, offset=0)
    try:
        return _parse_kinds(_read_sealed(file, path, length, head))
    except msgspec.DecodeError as error:
        raise StoreDamaged(path, f"the header: {error}", record=0, offset=0) from error


def _check_kinds(kinds: dict[str, int], path: Path) -> None:
    for name, fields in kinds.items():
        if fields > KINDS.get(name, 0):
            reason = f"written by a newer version, which keeps more in records of kind {name!r}"
            raise StoreNewer(path, reason, record=0, offset=0)
