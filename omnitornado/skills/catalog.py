"""Implements: MCP extension io.modelcontextprotocol/skills (Resource Metadata, Directory Resources): from
what was found on the disk to what is served.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import msgspec

from omnitornado.mcp.resources import Resource, ResourceContent
from omnitornado.mcp.schema import Arguments
from omnitornado.mcp.skills import Catalog, Child, Folder, Skill, SkillFile, build_skill, build_skill_uri
from omnitornado.mcp.streams import Change
from omnitornado.skills.contents import KnownFile
from omnitornado.skills.rules import MAIN_FILE
from omnitornado.skills.survey import ROOT, FoundSkill, Survey

Read = Callable[[str], Awaitable[ResourceContent | None]]
Places = dict[str, tuple[PurePosixPath, KnownFile]]

NO_ARGUMENTS = Arguments({"type": "object", "properties": {}}, msgspec.Struct, ())


def build_catalog(survey: Survey, *, read: Read, scopes: frozenset[str]) -> tuple[Catalog, Places]:
    """What is served, and which file stands behind each URI.

    Args:
        survey: what was found.
        read: gives the content at a URI.
        scopes: what reading needs.
    """
    uris = {path: build_skill_uri(path.parts) for path in survey.files}
    described = {skill.path / MAIN_FILE: skill.front_matter.fields for skill in survey.skills}
    resources = {
        path: _build_resource(uris[path], known, described.get(path), path.name, read, scopes)
        for path, known in sorted(survey.files.items())
    }
    skills = (_build_skill(skill, survey, uris) for skill in survey.skills)
    catalog = Catalog(
        skills={skill.uri: skill for skill in skills},
        files={uris[path]: resource for path, resource in resources.items()},
        folders=_build_folders(survey, resources),
    )
    return catalog, {uris[path]: (path, known) for path, known in survey.files.items()}


def _build_skill(skill: FoundSkill, survey: Survey, uris: dict[PurePosixPath, str]) -> Skill:
    files = [
        SkillFile(uris[path], survey.files[path].digest, survey.files[path].size) for path in skill.files
    ]
    return build_skill(uris[skill.path / MAIN_FILE], skill.front_matter.fields, files)


def _build_resource(
    uri: str,
    known: KnownFile,
    described: dict[str, Any] | None,
    name: str,
    read: Read,
    scopes: frozenset[str],
) -> Resource:
    return Resource(
        uri=uri,
        template=None,
        name=name if described is None else described["name"],
        title=None,
        description="" if described is None else described["description"],
        mime_type=known.media_type,
        function=partial(read, uri),
        is_async=True,
        arguments=NO_ARGUMENTS,
        icons=(),
        annotations=None,
        size=known.size,
        scopes=scopes,
        timeout=msgspec.UNSET,
        # A client that finds the content to be another than the entry says must get the new one at once.
        ttl=0.0,
        cache="private",
        meta=None,
    )


def _build_folders(survey: Survey, resources: dict[PurePosixPath, Resource]) -> dict[str, dict[str, Child]]:
    """Every folder of a skill, and those that lead to one, each with its direct children."""
    homes = {skill.path for skill in survey.skills}
    leading = {folder for home in homes for folder in home.parents} - {ROOT}
    inner = {path for path in survey.folders if any(one in homes for one in (path, *path.parents))}
    folders: dict[PurePosixPath, dict[str, Child]] = {path: {} for path in sorted(leading | inner)}
    links = {path: Folder(build_skill_uri(path.parts), path.name) for path in folders}
    children: dict[PurePosixPath, Child] = {**links, **resources}
    for path, child in sorted(children.items()):
        if path.parent in folders:
            folders[path.parent][child.uri] = child
    return {links[path].uri: found for path, found in folders.items()}


def list_changes(before: Catalog, after: Catalog) -> list[Change]:
    """What a client may want to hear of: files that read differently or are gone, then the list."""
    known, found = _list_digests(before), _list_digests(after)
    changes = [Change("resources", uri) for uri, digest in known.items() if found.get(uri) != digest]
    if known != found or _list_entries(before) != _list_entries(after):
        changes.append(Change("resources"))
    return changes


def _list_digests(catalog: Catalog) -> dict[str, str]:
    return {
        one["uri"]: one["digest"] for skill in catalog.skills.values() for one in skill.entry["resources"]
    }


def _list_entries(catalog: Catalog) -> dict[str, Any]:
    return {uri: skill.entry for uri, skill in catalog.skills.items()}
