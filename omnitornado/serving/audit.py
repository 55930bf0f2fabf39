"""Opening the audit log that the configuration names."""

from collections.abc import Callable

from omnitornado.audit import AuditLog
from omnitornado.config import Config, build_key_error


def open_audit(config: Config, clock: Callable[[], float]) -> AuditLog | None:
    """None where none is asked for. Raises: ConfigError for a file that can't be written."""
    audit = config.audit
    if audit.path is None:
        return None
    try:
        log = AuditLog(
            audit.path, max_size=audit.max_size, keep=audit.keep, tool_calls=audit.tool_calls, clock=clock
        )
    except OSError as error:
        raise build_key_error(
            config, "audit", "path", f"{audit.path} can't be written: {error.strerror}"
        ) from None
    log.record("server.started", issuer=config.server.public_url or None)
    return log
