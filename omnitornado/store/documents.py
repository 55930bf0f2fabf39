"""Our choice, after the draft on client metadata documents: what keeping a client's own document changes."""

import msgspec

from omnitornado.store.eviction import find_excess
from omnitornado.store.limits import Limits
from omnitornado.store.memory import UNUSED, Changes, State
from omnitornado.store.plain import build_plain
from omnitornado.store.records import ClientDocument


def keep_document(state: State, limits: Limits, url: str, kept: ClientDocument, now: float) -> Changes:
    """The changes: whether its client has been used is known of an earlier copy alone."""
    known = state.documents.find_living(url, now)
    kept = msgspec.structs.replace(
        kept, document=build_plain(kept.document), used_at=None if known is None else known.used_at
    )
    gone = (
        find_excess(
            state.documents,
            state.documents.find_members(UNUSED),
            limits.unused_documents,
            adding=url,
            age=lambda record: record.fetched_at,
            now=now,
        )
        if kept.used_at is None
        else []
    )
    return [*(state.documents.build_delete(old) for old in gone), state.documents.build_put(url, kept)]


def forget_document(state: State, url: str) -> Changes:
    """The changes: none where nothing is kept."""
    return () if state.documents.get(url) is None else (state.documents.build_delete(url),)


def use_document(state: State, client_id: str, now: float) -> Changes:
    """Mark a document as one whose client has got a grant: it no longer falls to the cap."""
    kept = state.documents.find_living(client_id, now)
    if kept is None or kept.used_at is not None:
        return ()
    return (state.documents.build_put(client_id, msgspec.structs.replace(kept, used_at=now)),)
