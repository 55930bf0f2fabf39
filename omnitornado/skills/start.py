"""The skills that a configuration asks for."""

import asyncio

from omnitornado.config import Config, build_key_error
from omnitornado.mcp.server import MCPServer
from omnitornado.skills.errors import SkillError
from omnitornado.skills.folder import SkillFolder


class SkillWatch:
    """A folder of skills, looked at for changes while the server runs; or none."""

    def __init__(self, folder: SkillFolder | None, interval: float) -> None:
        """`interval`: seconds between two looks."""
        self._folder = folder
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        if self._folder is not None:
            self._folder.log_start()
            self._task = asyncio.create_task(self._folder.watch(self._interval))

    def stop(self) -> None:
        """End. A look that is under way goes on to its end, on its thread."""
        if self._task is not None:
            self._task.cancel()
            self._task = None


def open_skills(config: Config, mcp: object) -> SkillWatch:
    """Load the folder `[mcp] skills`, if there is one, and have the server serve it. Blocks.

    Args:
        config: the configuration.
        mcp: what stands behind `[mcp] app`: an `MCPServer`, where there are skills.

    Raises:
        ConfigError: a skill is broken, with its file and what is wrong with it; or `mcp` is of another kind,
            which answers every request by itself.
    """
    path = config.mcp.skills
    if path is None:
        return SkillWatch(None, config.mcp.skills_interval)
    if not isinstance(mcp, MCPServer):
        reason = (
            f"needs an app that is an omnitornado.MCPServer, or none: {config.mcp.app} is of another kind"
        )
        raise build_key_error(config, "mcp", "skills", reason)
    scopes = frozenset(config.mcp.skills_scopes) or mcp.find_reading_scopes()
    folder = SkillFolder(path, scopes=scopes)
    try:
        folder.load()
    except ImportError:
        reason = "needs PyYAML: install omnitornado[skills]"
        raise build_key_error(config, "mcp", "skills", reason) from None
    except SkillError as error:
        raise build_key_error(config, "mcp", "skills", f"{path}: {error}") from None
    mcp.serve_skills(folder)
    return SkillWatch(folder, config.mcp.skills_interval)
