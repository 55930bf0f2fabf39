"""Skills (SEP-2640), with every official client."""

import pytest

from .conftest import CLIENTS, Stage
from .connection import Connection, list_all
from .typescript import TypeScriptConnection

EXTENSION = "io.modelcontextprotocol/skills"
KNOWING = ["typescript2-handshake", "typescript2-stateless"]
SKILLS = ["release-notes", "support/refund-requests"]


def test_every_client_finds_the_skills_among_the_resources(client: Connection) -> None:
    """Required by MCP extension SEP-2640: the extension is announced, and each SKILL.md is a resource.

    The Python SDK and the TypeScript SDK 1.x have nothing more for it.
    """
    assert EXTENSION in client.about["capabilities"]["extensions"]
    listed = {one["uri"] for one in list_all(client, "resources")}
    assert {f"skill://{name}/SKILL.md" for name in SKILLS} <= listed
    (content,) = client.request("resources/read", uri=f"skill://{SKILLS[0]}/SKILL.md")["contents"]
    assert content["text"].startswith("---\nname: release-notes\n")


@pytest.mark.parametrize("stage", [CLIENTS[name] for name in KNOWING], ids=KNOWING, indirect=True)
def test_a_client_that_knows_skills_verifies_each_file(stage: Stage) -> None:
    """Required by MCP extension SEP-2640: the TypeScript SDK 2.x lists and gets each skill, and holds its
    files against the size, the digest and the front matter that the server told.
    """
    assert isinstance(stage.connection, TypeScriptConnection)
    told = stage.connection.read_skills()
    assert told["supported"] is True
    found = {skill["uri"]: [file["uri"] for file in skill["files"]] for skill in told["skills"]}
    assert sorted(found) == [f"skill://{name}/SKILL.md" for name in SKILLS]
    assert "skill://release-notes/assets/banner.png" in found["skill://release-notes/SKILL.md"]
    assert all(file["verified"] for skill in told["skills"] for file in skill["files"])
