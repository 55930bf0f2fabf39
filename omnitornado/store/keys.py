"""What asking for a key of the server's own changes: nothing, but for the first time."""

from omnitornado.store.memory import Changes, State
from omnitornado.store.records import Key


def find_or_create_key(state: State, name: str, fresh: bytes, now: float) -> tuple[bytes, Changes]:
    known = state.keys.get(name)
    if known is not None:
        return known.value, ()
    return fresh, (state.keys.build_put(name, Key(fresh, now)),)
