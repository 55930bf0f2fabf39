"""Which media type a file of a skill has."""

import pytest

from omnitornado.skills.media_types import find_media_type, is_text


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("SKILL.md", b"# Title", "text/markdown"),
        ("GUIDE.MD", b"# Title", "text/markdown"),
        ("extract.py", b"print()", "text/x-python"),
        ("run.sh", b"echo", "application/x-sh"),
        ("data.json", b"{}", "application/json"),
        ("data.yaml", b"a: 1", "application/yaml"),
        ("page.html", b"<p>", "text/html"),
        ("logo.svg", b"<svg/>", "image/svg+xml"),
        ("logo.png", b"\x89PNG\0", "image/png"),
        ("report.pdf", b"%PDF\xff", "application/pdf"),
        ("component.ts", b"let a = 1", "text/plain"),
        ("Makefile", b"all:", "text/plain"),
        (".env", b"A=1", "text/plain"),
        ("unknown.qqq", b"words", "text/plain"),
        ("unknown.qqq", b"\xff\0", "application/octet-stream"),
        ("empty", b"", "text/plain"),
    ],
)
def test_a_file_has_the_type_of_its_name(name: str, content: bytes, media_type: str) -> None:
    """Required by the skills extension (Resource Metadata): the type appropriate to the content."""
    assert find_media_type(name, is_text=is_text(content)) == media_type


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("film.mpeg", b"just words", "text/plain"),
        ("logo.png", b"just words", "text/plain"),
        ("notes.md", b"\xff\xfe", "application/octet-stream"),
        ("notes.txt", b"a\0b", "application/octet-stream"),
    ],
)
def test_a_name_that_the_content_contradicts_says_nothing(name: str, content: bytes, media_type: str) -> None:
    """Our choice: a picture that is text would not be shown, and text that is none can't be."""
    assert find_media_type(name, is_text=is_text(content)) == media_type


def test_text_is_utf_8_without_nul() -> None:
    """Required by MCP 2026-07-28 server/resources (Text Content): a client gets the same bytes back."""
    assert is_text("Grüße 🙂\r\n".encode())
    assert not is_text("Grüße".encode("latin-1"))
    assert not is_text(b"a\0b")
