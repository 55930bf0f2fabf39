"""Why Redis did not take a request, as one of a few words."""

UNREACHABLE, TIMED_OUT, LOADING, BUSY = "unreachable", "timed_out", "loading", "busy"
READ_ONLY = "read_only"
AWAY = frozenset({UNREACHABLE, TIMED_OUT, LOADING, BUSY})
"""Nothing is answered at all: a request that comes meanwhile need not wait to find out."""

_BY_TYPE = {
    "AuthenticationError": "login_refused",
    "AuthenticationWrongNumberOfArgsError": "login_refused",
    "NoPermissionError": "forbidden",
    "BusyLoadingError": LOADING,
    "ReadOnlyError": READ_ONLY,
    "MovedError": "cluster",
    "MasterDownError": READ_ONLY,
    "ClusterDownError": "cluster",
    "OutOfMemoryError": "memory_full",
    "TimeoutError": TIMED_OUT,
    "MaxConnectionsError": "too_many_connections",
    "ConnectionError": UNREACHABLE,
}
_BY_CODE = {
    "NOAUTH": "login_refused",
    "WRONGPASS": "login_refused",
    "NOPERM": "forbidden",
    "LOADING": LOADING,
    "READONLY": READ_ONLY,
    "OOM": "memory_full",
    "MISCONF": "disk_error",
    "NOREPLICAS": "too_few_replicas",
    "MASTERDOWN": READ_ONLY,
    "BUSY": BUSY,
    "CLUSTERDOWN": "cluster",
    "MOVED": "cluster",
    "CROSSSLOT": "cluster",
}
REASONS = frozenset({*_BY_TYPE.values(), *_BY_CODE.values(), "engine_error"})


def find_reason(error: BaseException) -> str:
    """The word for what the client raised."""
    text = str(error)
    for code, reason in _BY_CODE.items():
        if text.startswith((code + " ", f"-{code} ")) or f" {code} " in text:
            return reason
    for kind in type(error).__mro__:
        if kind.__name__ in _BY_TYPE:
            return _BY_TYPE[kind.__name__]
    return UNREACHABLE if isinstance(error, OSError) else "engine_error"
