"""A store as lines of JSON, for a person to look through or a program to count: nothing in it opens a door.

Whatever stands in the files as bytes (digests of secrets, sealed tokens, keys, the ids of grants) is replaced
by a fingerprint: a keyed hash whose key is made up for this one export and thrown away. Two equal
fingerprints of an export stand for the same value, so that an access token's line still names its grant's;
outside of the export they can't be compared with anything, not even with a token that somebody holds. Who is
who, which addresses they came from and what they allowed stands there plainly.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import msgspec

from omnitornado.base64url import encode
from omnitornado.store.memory import State
from omnitornado.store.records import Record

SECRET_TEXTS = frozenset({"code_challenge", "query"})
"""Fields that are text and have in them what was made from a secret."""
FINGERPRINT_BYTES = 12


def export_lines(state: State, key: bytes) -> Iterator[bytes]:
    """A line each, without its end: `{"kind": …, "key": …, "record": {…}}`. `key`: random bytes, for
    this once.
    """
    fingerprints = _Fingerprints(key)
    for name, table in state.tables.items():
        for records in table.iterate_slices(256):
            for record_key, record in records.items():
                shown = {
                    "kind": name,
                    "key": fingerprints.hide(record_key),
                    "record": fingerprints.show(record),
                }
                yield msgspec.json.encode(shown)


class _Fingerprints:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def show(self, record: Record) -> dict[str, Any]:
        return {
            name: self._make(value.encode()) if name in SECRET_TEXTS else self.hide(value)
            for name, value in msgspec.structs.asdict(record).items()
        }

    def hide(self, value: Any) -> Any:
        """The value, with a fingerprint in place of any bytes in it."""
        if isinstance(value, bytes):
            return self._make(value) if value else ""
        if isinstance(value, tuple | list):
            return [self.hide(item) for item in value]
        if isinstance(value, dict):
            return {name: self.hide(item) for name, item in value.items()}
        return value

    def _make(self, value: bytes) -> str:
        digest = hmac.digest(self._key, value, hashlib.sha256)
        return "#" + encode(digest[:FINGERPRINT_BYTES])
