"""Which media type a file has. Our choice, and the same on every machine: the system's own table is not
asked.

MCP extension io.modelcontextprotocol/skills (Resource Metadata): the type that is appropriate to the content.
"""

import mimetypes
from pathlib import PurePosixPath

OWN = {
    ".cjs": "text/javascript",
    ".csv": "text/csv",
    ".ini": "text/plain",
    ".j2": "text/plain",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".jsx": "text/javascript",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".otf": "font/otf",
    ".ps1": "text/plain",
    ".py": "text/x-python",
    ".rb": "text/plain",
    ".rs": "text/plain",
    ".sh": "application/x-sh",
    ".sql": "application/sql",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".ts": "text/plain",
    ".tsx": "text/plain",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
"""What skills hold most, and what the library's table has otherwise (.ts as a film) or not at all."""

_TABLE = mimetypes.MimeTypes()  # the library's built-in types alone
_PICTURES = ("image/", "audio/", "video/", "font/")


def find_media_type(name: str, *, is_text: bool) -> str:
    """The media type of a file by its name, as far as its content doesn't contradict it.

    Args:
        name: the file's name.
        is_text: whether the content can be shown as text.
    """
    suffix = PurePosixPath(name).suffix.lower()
    found = OWN.get(suffix) or _TABLE.types_map[1].get(suffix)
    if is_text:
        is_picture = found is not None and found.startswith(_PICTURES) and not found.endswith("+xml")
        return "text/plain" if found is None or is_picture else found
    return "application/octet-stream" if found is None or found.startswith("text/") else found


def is_text(content: bytes) -> bool:
    """Whether the bytes are text that every reader gets back byte for byte: UTF-8, without NUL."""
    try:
        return "\0" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False
