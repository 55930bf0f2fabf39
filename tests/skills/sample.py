"""Skills on the disk, as tests want them."""

from pathlib import Path

FRONT_MATTER = "name: {name}\ndescription: Does {name}."


def write(root: Path, path: str, content: str | bytes = "text") -> Path:
    """A file, with the folders that lead to it."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def write_skill(root: Path, path: str, front_matter: str | None = None, *, body: str = "Do it.\n") -> Path:
    """A SKILL.md in the folder `path`."""
    head = FRONT_MATTER.format(name=path.rpartition("/")[2]) if front_matter is None else front_matter
    return write(root, f"{path}/SKILL.md", f"---\n{head}\n---\n{body}")
