"""How bytes stand in the files: a header, then numbered frames, each with its checksums.

    header   magic (8 bytes), format version (u32), generation (u64), CRC32 of the three (u32)
    frame    mark (4 bytes), number (u32), length (u32), CRC32 of the payload (u32), CRC32 of the four (u32),
             payload

All numbers are big-endian. Frames count from 1. The mark starts with a byte that no UTF-8 text has, so that
no name a client chose can look like a frame.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from omnitornado.store.errors import StoreDamaged

FORMAT_VERSION = 1
JOURNAL_MAGIC = b"OMNIJRNL"
SNAPSHOT_MAGIC = b"OMNISNAP"

_HEADER = struct.Struct(">8sIQ")
_FRAME = struct.Struct(">4sIII")
_CRC = struct.Struct(">I")
_MARK = b"\xf5OTF"

HEADER_SIZE = _HEADER.size + _CRC.size
FRAME_SIZE = _FRAME.size + _CRC.size


class FrameError(Exception):
    """A frame that can't be read; `offset` is where it starts in the file."""

    def __init__(self, number: int, offset: int, reason: str) -> None:
        super().__init__(f"record {number} (at byte {offset}): {reason}")
        self.number = number
        self.offset = offset


def build_header(magic: bytes, generation: int) -> bytes:
    head = _HEADER.pack(magic, FORMAT_VERSION, generation)
    return head + _CRC.pack(zlib.crc32(head))


def parse_header(data: bytes, magic: bytes, file: Path) -> int:
    """The generation; `StoreDamaged` for anything but a header this version can read."""
    if len(data) < HEADER_SIZE:
        raise StoreDamaged(file, "record 0: the file ends before its header does")
    found, version, generation = _HEADER.unpack_from(data)
    if found != magic:
        raise StoreDamaged(file, "record 0: not a file of this kind")
    if _CRC.unpack_from(data, _HEADER.size)[0] != zlib.crc32(data[: _HEADER.size]):
        raise StoreDamaged(file, "record 0: the header's checksum does not match")
    if version > FORMAT_VERSION:
        raise StoreDamaged(
            file, f"record 0: written in format {version}, newer than the {FORMAT_VERSION} this version reads"
        )
    return int(generation)


def build_frame(number: int, payload: bytes) -> bytes:
    head = _FRAME.pack(_MARK, number, len(payload), zlib.crc32(payload))
    return b"".join((head, _CRC.pack(zlib.crc32(head)), payload))


def read_frames(file: BinaryIO, first_number: int = 1) -> Iterator[tuple[int, bytes]]:
    """Each frame's number and payload up to the end of the file; `FrameError` at the first bad one."""
    offset, number = file.tell(), first_number
    while head := file.read(FRAME_SIZE):
        length, checksum = _parse_frame_head(head, number, offset)
        payload = file.read(length)
        if len(payload) < length:
            raise FrameError(number, offset, "the file ends within it")
        if zlib.crc32(payload) != checksum:
            raise FrameError(number, offset, "its checksum does not match")
        yield number, payload
        offset += FRAME_SIZE + length
        number += 1


def _parse_frame_head(head: bytes, number: int, offset: int) -> tuple[int, int]:
    if len(head) < FRAME_SIZE:
        raise FrameError(number, offset, "the file ends within its head")
    mark, found, length, checksum = _FRAME.unpack_from(head)
    if mark != _MARK or _CRC.unpack_from(head, _FRAME.size)[0] != zlib.crc32(head[: _FRAME.size]):
        raise FrameError(number, offset, "its head is damaged")
    if found != number:
        raise FrameError(number, offset, f"number {found} stands in its place")
    return length, checksum


def has_whole_frame(data: bytes) -> bool:
    """Whether a sound frame stands anywhere in `data`."""
    at = data.find(_MARK)
    while at >= 0:
        head, start = data[at : at + FRAME_SIZE], at + FRAME_SIZE
        if len(head) == FRAME_SIZE and _CRC.unpack_from(head, _FRAME.size)[0] == zlib.crc32(
            head[: _FRAME.size]
        ):
            _, _, length, checksum = _FRAME.unpack_from(head)
            if len(data) - start >= length and zlib.crc32(data[start : start + length]) == checksum:
                return True
        at = data.find(_MARK, at + 1)
    return False
