"""Skills at the endpoint: listed, got, read, and told of when they change."""

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from mcp_samples import (
    ANN,
    EVERY_VERSION,
    HANDSHAKE,
    STATELESS,
    Answer,
    FakeOutbound,
    Json,
    Stream,
    Wire,
    build_headers,
    build_request,
    build_stateless,
    run,
    until,
)

from omnitornado.mcp.capabilities import build_capabilities
from omnitornado.mcp.principal import Principal
from omnitornado.mcp.server import MCPServer
from omnitornado.mcp.skills import SKILLS_EXTENSION
from omnitornado.skills.folder import SkillFolder
from omnitornado.skills.tree import FileStamp

PICTURE = b"\x89PNG\r\n\x1a\n\0\xff"
DIRECTORY = "resources/directory/read"


def write(root: Path, path: str, content: str | bytes = "text") -> Path:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def write_skill(root: Path, path: str, more: str = "") -> Path:
    name = path.rpartition("/")[2]
    return write(
        root, f"{path}/SKILL.md", f"---\nname: {name}\ndescription: Does {name}.{more}\n---\nDo it.\n"
    )


def build_folder(root: Path) -> Path:
    """Two skills, one with files of every kind."""
    write_skill(root, "pdf", "\nlicense: MIT\nmetadata:\n  version: '1'")
    write(root, "pdf/references/FORMS.md", "# Forms ü")
    write(root, "pdf/assets/logo.png", PICTURE)
    write(root, "pdf/scripts/run all.sh", "echo")
    (root / "pdf" / "empty").mkdir()
    write_skill(root, "acme/billing/refunds")
    return root


def build_server(root: Path, *, scopes: frozenset[str] = frozenset(), **options: Any) -> MCPServer:
    server = MCPServer("test", **options)
    folder = SkillFolder(root, scopes=scopes)
    folder.load()
    server.serve_skills(folder)
    return server


def find_folder(server: MCPServer) -> SkillFolder:
    assert isinstance(server.skills, SkillFolder)
    return server.skills


def describe_file(root: Path, path: str, uri: str) -> Json:
    content = (root / path).read_bytes()
    return {
        "uri": uri,
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "size": len(content),
    }


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_skills_are_announced_in_every_revision(tmp_path: Path, version: str) -> None:
    """Required by the skills extension (Capability Negotiation): with the resources that it rests on."""
    capabilities = build_capabilities(build_server(build_folder(tmp_path)), version)
    assert capabilities["extensions"] == {SKILLS_EXTENSION: {"directoryRead": True}}
    assert capabilities["resources"] == {"subscribe": True, "listChanged": True}
    assert "extensions" not in build_capabilities(MCPServer("none"), version)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_skills_are_listed_whole(tmp_path: Path, version: str) -> None:
    """Required by the skills extension (Skill Entries, Listing Skills, Integrity and Verification)."""

    async def scenario(wire: Wire) -> None:
        result = (await wire.ask("skills/list", version=version)).result
        assert result["skills"] == [
            {
                "uri": "skill://acme/billing/refunds/SKILL.md",
                "frontmatter": {"name": "refunds", "description": "Does refunds."},
                "resources": [
                    describe_file(
                        tmp_path, "acme/billing/refunds/SKILL.md", "skill://acme/billing/refunds/SKILL.md"
                    )
                ],
            },
            {
                "uri": "skill://pdf/SKILL.md",
                "frontmatter": {
                    "name": "pdf",
                    "description": "Does pdf.",
                    "license": "MIT",
                    "metadata": {"version": "1"},
                },
                "resources": [
                    describe_file(tmp_path, path, f"skill://{uri}")
                    for path, uri in (
                        ("pdf/SKILL.md", "pdf/SKILL.md"),
                        ("pdf/assets/logo.png", "pdf/assets/logo.png"),
                        ("pdf/references/FORMS.md", "pdf/references/FORMS.md"),
                        ("pdf/scripts/run all.sh", "pdf/scripts/run%20all.sh"),
                    )
                ],
            },
        ]
        if version == STATELESS:
            assert (result["resultType"], result["ttlMs"], result["cacheScope"]) == (
                "complete",
                300_000,
                "private",
            )

    run(scenario, build_server(build_folder(tmp_path)))


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_a_skill_is_got_as_the_list_has_it(tmp_path: Path, version: str) -> None:
    """Required by the skills extension (Getting a Skill)."""

    async def scenario(wire: Wire) -> None:
        listed = (await wire.ask("skills/list", version=version)).result["skills"]
        for entry in listed:
            result = (await wire.ask("skills/get", {"uri": entry["uri"]}, version=version)).result
            assert result["skill"] == entry
            assert "nextCursor" not in result
            if version == STATELESS:
                assert (result["resultType"], result["ttlMs"], result["cacheScope"]) == (
                    "complete",
                    0,
                    "private",
                )

    run(scenario, build_server(build_folder(tmp_path)))


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_every_file_that_a_skill_names_is_read_byte_for_byte(tmp_path: Path, version: str) -> None:
    """Required by the skills extension (Reading Skill Content, Integrity and Verification)."""

    async def scenario(wire: Wire) -> None:
        for entry in (await wire.ask("skills/list", version=version)).result["skills"]:
            for file in entry["resources"]:
                read = (await wire.ask("resources/read", {"uri": file["uri"]}, version=version)).result
                (content,) = read["contents"]
                assert content["uri"] == file["uri"]
                raw = content["text"].encode() if "text" in content else base64.b64decode(content["blob"])
                assert len(raw) == file["size"]
                assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == file["digest"]

    run(scenario, build_server(build_folder(tmp_path)))


@pytest.mark.parametrize(
    ("uri", "mime_type", "member"),
    [
        ("skill://pdf/SKILL.md", "text/markdown", "text"),
        ("skill://pdf/assets/logo.png", "image/png", "blob"),
        ("skill://pdf/scripts/run%20all.sh", "application/x-sh", "text"),
    ],
)
def test_a_file_has_its_media_type_and_is_text_where_it_can_be(
    tmp_path: Path, uri: str, mime_type: str, member: str
) -> None:
    """Required by the skills extension (Resource Metadata) and MCP 2026-07-28 server/resources."""

    async def scenario(wire: Wire) -> None:
        (content,) = (await wire.ask("resources/read", {"uri": uri})).result["contents"]
        assert content["mimeType"] == mime_type
        assert set(content) == {"uri", "mimeType", member}

    run(scenario, build_server(build_folder(tmp_path)))


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_the_list_of_resources_shows_each_skill_by_its_main_file(tmp_path: Path, version: str) -> None:
    """Required by the skills extension (Resource Metadata). That other files are read and not listed: our
    choice."""
    server = build_server(build_folder(tmp_path))
    server.add_resource("notes://today", lambda: "note", name="today")

    async def scenario(wire: Wire) -> None:
        listed = (await wire.ask("resources/list", version=version)).result["resources"]
        assert [one["uri"] for one in listed] == [
            "notes://today",
            "skill://acme/billing/refunds/SKILL.md",
            "skill://pdf/SKILL.md",
        ]
        assert listed[2] == {
            "uri": "skill://pdf/SKILL.md",
            "name": "pdf",
            "description": "Does pdf.",
            "mimeType": "text/markdown",
            "size": (tmp_path / "pdf" / "SKILL.md").stat().st_size,
        }

    run(scenario, server)


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_every_folder_lists_its_direct_children(tmp_path: Path, version: str) -> None:
    """Required by the skills extension (Reading Directories)."""

    async def scenario(wire: Wire) -> None:
        async def find_children(uri: str) -> dict[str, str]:
            result = (await wire.ask(DIRECTORY, {"uri": uri}, version=version)).result
            assert result.get("resultType") == ("complete" if version == STATELESS else None)
            return {one["name"]: one["mimeType"] for one in result["resources"]}

        assert await find_children("skill://pdf") == {
            "pdf": "text/markdown",
            "assets": "inode/directory",
            "empty": "inode/directory",
            "references": "inode/directory",
            "scripts": "inode/directory",
        }
        assert await find_children("skill://pdf/references") == {"FORMS.md": "text/markdown"}
        assert await find_children("skill://pdf/empty") == {}
        assert await find_children("skill://acme") == {"billing": "inode/directory"}
        assert await find_children("skill://acme/billing/refunds") == {"refunds": "text/markdown"}

    run(scenario, build_server(build_folder(tmp_path)))


NOWHERE = (
    "skill://pdf/gone.md",
    "skill://pdf/../../etc/passwd",
    "skill://pdf/../acme/billing/refunds/SKILL.md",
    "skill://pdf/%2e%2e/acme/billing/refunds/SKILL.md",
    "skill://pdf/..%2facme%2fbilling%2frefunds%2fSKILL.md",
    "skill:///etc/passwd",
    "skill:////etc/passwd",
    "skill://pdf//SKILL.md",
    "skill://pdf/./SKILL.md",
    "skill://pdf/SKILL.md/",
    "skill://pdf/SKILL.md%00",
    "skill://pdf/SKILL.md?x",
    "skill://pdf/skill.md",
    "SKILL://pdf/SKILL.md",
    "skill://pdf/.hidden",
    "skill://",
    "skill:",
    "file:///etc/passwd",
    "",
    "x" * 100_000,
)


@pytest.mark.parametrize("version", [HANDSHAKE[-1], STATELESS])
@pytest.mark.parametrize("uri", NOWHERE)
def test_what_is_not_listed_is_not_there(tmp_path: Path, uri: str, version: str) -> None:
    """Required by the skills extension (Error Handling): -32602. No URI is ever made a path."""
    root = build_folder(tmp_path / "skills")
    write(tmp_path, "etc/passwd")
    write(root, "pdf/.hidden")

    async def scenario(wire: Wire) -> None:
        for method in ("skills/get", DIRECTORY):
            answer = await wire.ask(method, {"uri": uri}, version=version)
            assert answer.code == -32602
            assert answer.body["error"]["data"]["uri"] == uri[:2048]
        unknown = await wire.ask("resources/read", {"uri": uri}, version=version)
        assert unknown.code == (-32602 if version == STATELESS else -32002)

    run(scenario, build_server(root))


def test_each_method_takes_what_is_its_own(tmp_path: Path) -> None:
    """Required by the skills extension (Getting a Skill, Directory Resources): a skill is named by its
    SKILL.md, a directory by no slash at its end."""

    async def scenario(wire: Wire) -> None:
        for uri in ("skill://pdf", "skill://pdf/references/FORMS.md", "skill://acme"):
            assert (await wire.ask("skills/get", {"uri": uri})).code == -32602
        for uri in ("skill://pdf/SKILL.md", "skill://pdf/", "skill://pdf/references/"):
            assert (await wire.ask(DIRECTORY, {"uri": uri})).code == -32602
        assert (await wire.ask("resources/read", {"uri": "skill://pdf"})).code == -32602
        for method in ("skills/get", DIRECTORY):
            for params in ({}, {"uri": 3}, {"uri": None}, {"uri": ["skill://pdf/SKILL.md"]}):
                assert (await wire.ask(method, params)).code == -32602

    run(scenario, build_server(build_folder(tmp_path)))


@pytest.mark.parametrize("version", EVERY_VERSION)
@pytest.mark.parametrize("method", ["skills/list", "skills/get", DIRECTORY])
def test_without_skills_the_methods_are_unknown(method: str, version: str) -> None:
    """Required by JSON-RPC 2.0 §5.1: a server that does not declare the extension has none of it."""

    async def scenario(wire: Wire) -> None:
        assert (await wire.ask(method, {"uri": "skill://a/SKILL.md"}, version=version)).code == -32601

    run(scenario)


# Pages


async def list_pages(wire: Wire, method: str, member: str, params: Json, version: str) -> list[list[Json]]:
    pages: list[list[Json]] = []
    cursor: Json = {}
    while True:
        result = (await wire.ask(method, {**params, **cursor}, version=version)).result
        pages.append(result[member])
        if "nextCursor" not in result:
            return pages
        cursor = {"cursor": result["nextCursor"]}


@pytest.mark.parametrize("version", [HANDSHAKE[0], STATELESS])
def test_pages_make_the_list_and_no_entry_is_split(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Required by the skills extension (Listing Skills): an entry is atomic. That a page is bounded in bytes:
    our choice."""
    for number in range(7):
        write_skill(tmp_path, f"s{number}")
    for number in range(40):
        write(tmp_path, f"s3/f{number:02}")

    async def scenario(wire: Wire) -> None:
        pages = await list_pages(wire, "skills/list", "skills", {}, version)
        assert [[one["frontmatter"]["name"] for one in page] for page in pages] == [
            ["s0", "s1", "s2"],
            ["s3"],
            ["s4", "s5", "s6"],
        ]
        assert len(pages[1][0]["resources"]) == 41
        children = await list_pages(wire, DIRECTORY, "resources", {"uri": "skill://s3"}, version)
        assert [len(page) for page in children] == [3] * 13 + [2]
        resources = await list_pages(wire, "resources/list", "resources", {}, version)
        assert [len(page) for page in resources] == [3, 3, 1]

    monkeypatch.setattr("omnitornado.mcp.skill_methods.PAGE_BYTES", 2000)
    run(scenario, build_server(tmp_path), page_size=3)


def test_a_cursor_is_of_its_own_list(tmp_path: Path) -> None:
    """Required by MCP 2026-07-28 server/utilities/pagination: an invalid cursor is -32602."""
    for number in range(4):
        write_skill(tmp_path, f"s{number}")
        write(tmp_path, f"s{number}/x")

    async def scenario(wire: Wire) -> None:
        skills = (await wire.ask("skills/list")).result["nextCursor"]
        folder = (await wire.ask(DIRECTORY, {"uri": "skill://s0"})).result["nextCursor"]
        resources = (await wire.ask("resources/list")).result["nextCursor"]
        for method, params, cursors in (
            ("skills/list", {}, (folder, resources, "x", "", 3)),
            (DIRECTORY, {"uri": "skill://s0"}, (skills, resources, "x")),
            (DIRECTORY, {"uri": "skill://s1"}, (folder,)),
            ("resources/list", {}, (skills, folder)),
        ):
            for cursor in cursors:
                assert (await wire.ask(method, {**params, "cursor": cursor})).code == -32602

    run(scenario, build_server(tmp_path), page_size=1)


# Scopes

READER = Principal("ann", "client-1", "First client", frozenset({"mcp", "skills"}))


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_files_stand_behind_scopes_and_lists_do_not(tmp_path: Path, version: str) -> None:
    """Required by MCP 2026-07-28 basic/authorization (Runtime Insufficient Scope Errors). Every caller sees
    the lists, so that the person can be asked for more: our choice."""

    async def scenario(wire: Wire) -> None:
        for method, params in (
            ("skills/list", {}),
            ("skills/get", {"uri": "skill://pdf/SKILL.md"}),
            (DIRECTORY, {"uri": "skill://pdf"}),
            ("resources/list", {}),
        ):
            assert (await wire.ask(method, params, version=version)).status == 200
        for uri in ("skill://pdf/SKILL.md", "skill://pdf/assets/logo.png"):
            refused = await wire.ask("resources/read", {"uri": uri}, version=version)
            assert refused.status == 403
            assert refused.reply.required_scopes == {"skills"}
            read = await wire.ask("resources/read", {"uri": uri}, version=version, principal=READER)
            assert read.status == 200

    server = build_server(build_folder(tmp_path), scopes=frozenset({"skills"}))
    run(scenario, server)
    assert {one.name for one in server.list_offered() if one.scopes} == {"pdf", "refunds"}


# Changes


async def open_stream(wire: Wire, session: dict[str, str]) -> Stream:
    stream = await wire.get(session)
    assert isinstance(stream, Stream)
    return stream


@pytest.mark.parametrize("version", HANDSHAKE)
def test_a_session_hears_of_changes_on_the_disk(tmp_path: Path, version: str) -> None:
    """Required by MCP 2025-11-25 server/resources (List Changed Notification, Subscriptions)."""
    root = build_folder(tmp_path)

    async def scenario(wire: Wire) -> None:
        session = await wire.open_session(version)
        stream = await open_stream(wire, session)
        uri = "skill://pdf/references/FORMS.md"
        assert (await wire.post(build_request("resources/subscribe", {"uri": uri}), session)).result == {}
        write(root, "pdf/references/FORMS.md", "other words")
        await asyncio.to_thread(find_folder(wire.server).refresh)
        first, second = await stream.receive() or {}, await stream.receive() or {}
        assert (first["method"], first["params"]["uri"]) == ("notifications/resources/updated", uri)
        assert second["method"] == "notifications/resources/list_changed"

    run(scenario, build_server(root))


def test_a_listening_client_hears_of_changes_on_the_disk(tmp_path: Path) -> None:
    """Required by MCP 2026-07-28 basic/patterns/subscriptions."""
    root = build_folder(tmp_path)

    async def scenario(wire: Wire) -> None:
        uri = "skill://pdf/SKILL.md"
        asked = {
            "notifications": {"resourcesListChanged": True, "resourceSubscriptions": [uri, "skill://x/y"]}
        }
        message = build_stateless("subscriptions/listen", asked)
        outbound = FakeOutbound()
        task = asyncio.create_task(wire.post(message, build_headers(message), outbound=outbound))
        await outbound.arrived.wait()
        assert outbound.sent[0]["params"]["notifications"] == {
            "resourcesListChanged": True,
            "resourceSubscriptions": [uri],
        }
        write_skill(root, "pdf", "\nlicense: other")
        await asyncio.to_thread(find_folder(wire.server).refresh)
        await until(lambda: len(outbound.sent) == 3)
        assert [one["method"] for one in outbound.sent[1:]] == [
            "notifications/resources/updated",
            "notifications/resources/list_changed",
        ]
        await wire.endpoint.end_streams()
        await task

    run(scenario, build_server(root))


def test_nothing_is_told_of_when_nothing_has_changed(tmp_path: Path) -> None:
    """Our choice: a look that finds the same says nothing, a new time of a file included."""
    root = build_folder(tmp_path)
    server = build_server(root)
    told: list[Any] = []
    server.watch(told.append)
    find_folder(server).refresh()
    (root / "pdf" / "SKILL.md").touch()
    find_folder(server).refresh()
    assert told == []


def test_skills_come_and_go(tmp_path: Path) -> None:
    """Our choice: no restart is needed."""
    root = build_folder(tmp_path)

    async def scenario(wire: Wire) -> None:
        async def find_names() -> list[str]:
            found = (await wire.ask("skills/list")).result["skills"]
            return [one["frontmatter"]["name"] for one in found]

        write_skill(root, "new")
        find_folder(wire.server).refresh()
        assert await find_names() == ["refunds", "new", "pdf"]
        (root / "new" / "SKILL.md").unlink()
        find_folder(wire.server).refresh()
        assert await find_names() == ["refunds", "pdf"]
        assert (await wire.ask("resources/read", {"uri": "skill://new/SKILL.md"})).code == -32602

    run(scenario, build_server(root))


def test_a_skill_that_breaks_is_served_no_more_until_it_is_mended(tmp_path: Path) -> None:
    """Our choice: the others go on, and the log says what is wrong, once."""
    root = build_folder(tmp_path)

    async def scenario(wire: Wire) -> None:
        folder = find_folder(wire.server)
        for content in ("---\nname: pdf\n---\n", "---\nname: pdf\n---\n"):
            write(root, "pdf/SKILL.md", content)
            folder.refresh()
            assert [
                one["frontmatter"]["name"] for one in (await wire.ask("skills/list")).result["skills"]
            ] == ["refunds"]
        for uri in ("skill://pdf/SKILL.md", "skill://pdf/references/FORMS.md"):
            assert (await wire.ask("resources/read", {"uri": uri})).code == -32602
        assert (await wire.ask(DIRECTORY, {"uri": "skill://pdf"})).code == -32602
        write_skill(root, "pdf")
        folder.refresh()
        assert (await wire.ask("skills/get", {"uri": "skill://pdf/SKILL.md"})).status == 200

    (line,) = run(scenario, build_server(root), logged=1)
    assert line == 'skills.broken path=pdf/SKILL.md detail="description is missing"'


def test_what_is_read_is_what_the_entry_says_even_before_the_next_look(tmp_path: Path) -> None:
    """Required by the skills extension (Integrity and Verification): content and entry agree, so that a
    client that finds another digest gets the new one by asking again."""
    root = build_folder(tmp_path)
    uri = "skill://pdf/references/FORMS.md"

    async def scenario(wire: Wire) -> None:
        told: list[Any] = []
        wire.server.watch(told.append)
        write(root, "pdf/references/FORMS.md", "NEW")
        (content,) = (await wire.ask("resources/read", {"uri": uri})).result["contents"]
        assert content["text"] == "NEW"
        skill = (await wire.ask("skills/get", {"uri": "skill://pdf/SKILL.md"})).result["skill"]
        digests = {one["uri"]: one["digest"] for one in skill["resources"]}
        assert digests[uri] == f"sha256:{hashlib.sha256(b'NEW').hexdigest()}"
        assert [change.uri for change in told] == [uri, None]

    run(scenario, build_server(root))


def test_a_change_that_no_stamp_shows_is_noticed_when_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: a file system may count time in steps that are too long, or not at all."""
    monkeypatch.setattr("omnitornado.skills.tree.build_stamp", lambda found: FileStamp(1, 1, 0, 0))
    root = build_folder(tmp_path)
    server = build_server(root)
    uri = "skill://pdf/references/FORMS.md"

    async def scenario(wire: Wire) -> None:
        async def find_digest() -> Any:
            skill = (await wire.ask("skills/get", {"uri": "skill://pdf/SKILL.md"})).result["skill"]
            return {one["uri"]: one["digest"] for one in skill["resources"]}[uri]

        before = await find_digest()
        write(root, "pdf/references/FORMS.md", "NEW")
        find_folder(server).refresh()
        assert await find_digest() == before
        (content,) = (await wire.ask("resources/read", {"uri": uri})).result["contents"]
        assert content["text"] == "NEW"
        assert await find_digest() == f"sha256:{hashlib.sha256(b'NEW').hexdigest()}"

    run(scenario, server)


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_a_file_that_is_gone_is_not_found(tmp_path: Path, gone: str) -> None:
    """Required by the skills extension (Error Handling): -32602, and no internal error."""
    root = build_folder(tmp_path / "skills")

    async def scenario(wire: Wire) -> None:
        if gone == "file":
            (root / "pdf" / "assets" / "logo.png").unlink()
        else:
            root.rename(tmp_path / "elsewhere")
        answer = await wire.ask("resources/read", {"uri": "skill://pdf/assets/logo.png"})
        assert answer.code == -32602

    run(scenario, build_server(root), logged=None)


def test_a_file_that_becomes_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    """Our choice: between two looks as well."""
    root = build_folder(tmp_path / "skills")
    secret = write(tmp_path, "secret.txt", "secret")
    place = root / "pdf" / "references" / "FORMS.md"

    async def scenario(wire: Wire) -> None:
        place.unlink()
        place.symlink_to(secret)
        answer = await wire.ask("resources/read", {"uri": "skill://pdf/references/FORMS.md"})
        assert answer.code == -32602
        assert "secret" not in str(answer.body["error"]["message"])

    (line,) = run(scenario, build_server(root), logged=1)
    assert "leads out of the folder" in line


def test_a_file_that_never_stands_still_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: no half of one content and half of another."""
    root = build_folder(tmp_path)
    contents = iter(range(1000))

    def read(root: Path, place: str, limit: int) -> tuple[bytes, None]:
        return str(next(contents)).encode(), None

    async def scenario(wire: Wire) -> None:
        monkeypatch.setattr("omnitornado.skills.folder.read_file", read)
        answer = await wire.ask("resources/read", {"uri": "skill://pdf/SKILL.md"})
        assert answer.code == -32603
        assert answer.body["error"]["message"].startswith("The file is being changed right now.")

    run(scenario, build_server(root))


def test_reads_at_once_share_one_look(tmp_path: Path) -> None:
    """Our choice: a hundred clients that find a change cost no hundred looks."""
    root = build_folder(tmp_path)

    async def scenario(wire: Wire) -> None:
        folder = find_folder(wire.server)
        write(root, "pdf/references/FORMS.md", "NEW")
        before = folder._looks
        message = build_stateless("resources/read", {"uri": "skill://pdf/references/FORMS.md"})
        answers: list[Answer] = await asyncio.gather(
            *(wire.post(message, build_headers(message), principal=ANN) for _ in range(50))
        )
        assert {answer.result["contents"][0]["text"] for answer in answers} == {"NEW"}
        assert folder._looks - before < 10

    run(scenario, build_server(root))


def test_the_loop_goes_on_while_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: no handler blocks the event loop; neither does a look."""
    root = build_folder(tmp_path)

    async def scenario(wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        entered, leave = asyncio.Event(), asyncio.Event()
        original = find_folder(wire.server)._read

        def hold(uri: str) -> Any:
            loop.call_soon_threadsafe(entered.set)
            asyncio.run_coroutine_threadsafe(leave.wait(), loop).result(5)
            return original(uri)

        monkeypatch.setattr(find_folder(wire.server), "_read", hold)
        reading = asyncio.create_task(wire.ask("resources/read", {"uri": "skill://pdf/SKILL.md"}))
        await entered.wait()
        assert (await wire.ask("skills/list")).status == 200
        leave.set()
        assert (await reading).status == 200

    run(scenario, build_server(root))


def test_a_resource_of_the_authors_own_comes_first(tmp_path: Path) -> None:
    """Our choice: a URI that the author has declared is the author's."""
    server = build_server(build_folder(tmp_path))
    server.add_resource("skill://pdf/SKILL.md", lambda: "mine", name="mine")

    async def scenario(wire: Wire) -> None:
        (content,) = (await wire.ask("resources/read", {"uri": "skill://pdf/SKILL.md"})).result["contents"]
        assert content["text"] == "mine"

    run(scenario, server)
