"""How bytes stand in the files: a header (`header.py`), then numbered frames, each with its checksums.

    frame    mark (4 bytes), number (u32), length (u32), CRC32 of the payload (u32), CRC32 of the four (u32),
             payload

All numbers are big-endian. Frames count from 1. The mark starts with a byte that no UTF-8 text has, so that
no name a client chose can look like a frame.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_FRAME = struct.Struct(">4sIII")
_CRC = struct.Struct(">I")
_MARK = b"\xf5OTF"

FRAME_SIZE = _FRAME.size + _CRC.size


class Frame(NamedTuple):
    """A sound frame. `offset` is where it starts in the file."""

    number: int
    offset: int
    payload: bytes

    @property
    def end(self) -> int:
        return self.offset + FRAME_SIZE + len(self.payload)


class FrameError(Exception):
    """A frame that can't be read; `offset` is where it starts in the file."""

    def __init__(self, number: int, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number
        self.offset = offset


def build_frame(number: int, payload: bytes) -> bytes:
    head = _FRAME.pack(_MARK, number, len(payload), zlib.crc32(payload))
    return b"".join((head, _CRC.pack(zlib.crc32(head)), payload))


def read_frames(file: BinaryIO, first_number: int = 1) -> Iterator[Frame]:
    """Each frame up to the end of the file; `FrameError` at the first bad one."""
    offset, number = file.tell(), first_number
    while head := file.read(FRAME_SIZE):
        length, checksum = _parse_frame_head(head, number, offset)
        payload = file.read(length)
        if len(payload) < length:
            raise FrameError(number, offset, "the file ends within it")
        if zlib.crc32(payload) != checksum:
            raise FrameError(number, offset, "its checksum does not match")
        frame = Frame(number, offset, payload)
        yield frame
        offset = frame.end
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


def find_frame(data: bytes, start: int = 0) -> Frame | None:
    """The first sound frame in `data` from `start` on, whatever its number."""
    at = data.find(_MARK, start)
    while at >= 0:
        head, body = data[at : at + FRAME_SIZE], at + FRAME_SIZE
        if len(head) == FRAME_SIZE and _CRC.unpack_from(head, _FRAME.size)[0] == zlib.crc32(
            head[: _FRAME.size]
        ):
            _, number, length, checksum = _FRAME.unpack_from(head)
            payload = data[body : body + length]
            if len(payload) == length and zlib.crc32(payload) == checksum:
                return Frame(number, at, payload)
        at = data.find(_MARK, at + 1)
    return None
