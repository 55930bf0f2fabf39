"""Records as Redis holds them: the fields that a script needs, packed in front, then the rest as MessagePack.

A number is 8 bytes, big-endian, infinite where there is none; anything else its size in 4 bytes, then the
bytes. The rest is the record as the embedded engine would encode it, with nothing in the places of those
fields.
"""

import struct
from typing import Any, Generic, TypeVar

import msgspec

from omnitornado.store import records
from omnitornado.store.records import Record

R = TypeVar("R", bound=Record)

NUMBER, TEXT, BYTES, NAMES, FLAG = "number", "text", "bytes", "names", "flag"
"""What a field holds. `NAMES`: several texts, as MessagePack, which a script can read."""
_BLANKS: dict[str, Any] = {NUMBER: 0.0, TEXT: "", BYTES: b"", NAMES: (), FLAG: False}
_number, _size = struct.Struct(">d"), struct.Struct(">I")
_names = msgspec.msgpack.Decoder(tuple[str, ...])
_encoder = msgspec.msgpack.Encoder()


class Kind(Generic[R]):
    """How records of one type are packed. `fields` names each field with what it holds; those in `optional`
    are None where they are empty. `beside` are texts that belong to no field of the record.
    """

    def __init__(
        self,
        name: str,
        record_type: type[R],
        fields: dict[str, str],
        *,
        optional: tuple[str, ...] = (),
        beside: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.fields = fields | dict.fromkeys(beside, TEXT)
        self._own = [(field, holds, field in optional) for field, holds in fields.items()]
        self._beside = beside
        self._blanks = {field: _BLANKS[holds] for field, holds in fields.items()}
        self._decoder = msgspec.msgpack.Decoder(record_type)

    def pack(self, record: R, **beside: str) -> bytes:
        """The record as Redis keeps it."""
        parts = [_pack(getattr(record, field), holds) for field, holds, _ in self._own]
        parts += [_pack(beside[field], TEXT) for field in self._beside]
        parts.append(_encoder.encode(msgspec.structs.replace(record, **self._blanks)))
        return b"".join(parts)

    def unpack(self, raw: bytes) -> R:
        """Raises: msgspec.DecodeError, struct.error; for what this program has not written."""
        at = 0
        values: dict[str, Any] = {}
        for field, holds, is_optional in self._own:
            value, at = _unpack(raw, at, holds, is_optional)
            values[field] = value
        for _ in self._beside:
            at += 4 + _size.unpack_from(raw, at)[0]
        return msgspec.structs.replace(self._decoder.decode(memoryview(raw)[at:]), **values)


def _pack(value: Any, holds: str) -> bytes:
    if holds == NUMBER:
        return _number.pack(float("inf") if value is None else value)
    if holds == TEXT:
        data = (value or "").encode()
    elif holds == BYTES:
        data = value or b""
    elif holds == FLAG:
        data = b"1" if value else b""
    else:
        data = pack_names(value)
    return _size.pack(len(data)) + data


def _unpack(raw: bytes, at: int, holds: str, is_optional: bool) -> tuple[Any, int]:
    """The value and where the next one starts."""
    if holds == NUMBER:
        number = _number.unpack_from(raw, at)[0]
        return (None if is_optional and number == float("inf") else number), at + 8
    start = at + 4
    end = start + _size.unpack_from(raw, at)[0]
    data = raw[start:end]
    if not data and is_optional:
        return None, end
    if holds == TEXT:
        return data.decode(), end
    if holds == FLAG:
        return bool(data), end
    return (_names.decode(data) if holds == NAMES else data), end


def pack_names(names: Any) -> bytes:
    return _encoder.encode(names)


CLIENT = Kind(
    "client",
    records.Client,
    {
        "expires_at": NUMBER,
        "issued_at": NUMBER,
        "used_at": NUMBER,
        "used_by": TEXT,
        "registration_hash": BYTES,
    },
    optional=("expires_at", "used_at", "registration_hash"),
)
DOCUMENT = Kind(
    "document",
    records.ClientDocument,
    {"expires_at": NUMBER, "fetched_at": NUMBER, "used_at": NUMBER},
    optional=("used_at",),
)
CODE = Kind(
    "code",
    records.AuthorizationCode,
    {"expires_at": NUMBER, "username": TEXT, "client_id": TEXT, "grant_id": BYTES},
    optional=("grant_id",),
)
PUSHED = Kind(
    "pushed",
    records.PushedRequest,
    {"expires_at": NUMBER, "pushed_at": NUMBER, "client_id": TEXT, "party": TEXT},
)
DEVICE = Kind(
    "device",
    records.DeviceCode,
    {
        "expires_at": NUMBER,
        "code_expires_at": NUMBER,
        "interval": NUMBER,
        "polled_at": NUMBER,
        "client_id": TEXT,
        "username": TEXT,
        "device_hash": BYTES,
        "scope": NAMES,
        "is_approved": FLAG,
        "grant_id": BYTES,
    },
    optional=("username", "grant_id"),
)
GRANT = Kind(
    "grant",
    records.Grant,
    {
        "expires_at": NUMBER,
        "last_used_at": NUMBER,
        "rotated_at": NUMBER,
        "username": TEXT,
        "client_id": TEXT,
        "refresh_hash": BYTES,
        "previous_hash": BYTES,
        "sealed_refresh": BYTES,
        "sealed_access": BYTES,
    },
    optional=("refresh_hash", "previous_hash"),
)
ACCESS = Kind("access", records.AccessToken, {"expires_at": NUMBER, "grant_id": BYTES})
"""In this order: `find_access.lua` reads the grant's id at its place."""
CONSENT = Kind("consent", records.Consent, {"granted_at": NUMBER, "client_id": TEXT, "scope": NAMES})
BINDING = Kind("binding", records.RedirectBinding, {"redirect_uri": TEXT})
SESSION = Kind(
    "session", records.BrowserSession, {"expires_at": NUMBER, "signed_in_at": NUMBER, "username": TEXT}
)
MCP_SESSION = Kind(
    "mcp_session",
    records.McpSession,
    {
        "expires_at": NUMBER,
        "created_at": NUMBER,
        "renewed_at": NUMBER,
        "username": TEXT,
        "log_level": TEXT,
        "subscriptions": NAMES,
    },
)
TASK = Kind(
    "task",
    records.Task,
    {
        "expires_at": NUMBER,
        "updated_at": NUMBER,
        "username": TEXT,
        "path": TEXT,
        "status": TEXT,
        "cause": TEXT,
        "sealed": BYTES,
    },
    beside=("node",),
)
ADDRESS = Kind("address", records.KnownAddress, {"expires_at": NUMBER, "username": TEXT})

KINDS: tuple[Kind[Any], ...] = (
    CLIENT,
    DOCUMENT,
    CODE,
    PUSHED,
    DEVICE,
    GRANT,
    ACCESS,
    CONSENT,
    BINDING,
    SESSION,
    MCP_SESSION,
    TASK,
    ADDRESS,
)
