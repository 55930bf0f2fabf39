"""The example application."""

import pytest
from mcp_samples import EVERY_VERSION, STATELESS, Wire, run

from examples.tools import mcp


@pytest.mark.parametrize("version", EVERY_VERSION)
def test_the_example_tools_work_in_every_revision(version: str) -> None:
    """Our choice: what a new user tries first."""

    async def scenario(wire: Wire) -> None:
        assert (await wire.call("add", {"a": 2, "b": 3}, version=version)).text == "5"
        counted = await wire.call("word_statistics", {"text": "a rose is a rose", "top": 1}, version=version)
        assert counted.text == '{"words":5,"distinct":3,"longest":"rose","most_common":{"a":2}}'
        nothing = await wire.call("word_statistics", {"text": "!"}, version=version)
        assert nothing.text == "There are no words in this text."
        down = await wire.call("countdown", {"seconds": 2, "interval": 0}, version=version, token=0)
        assert down.text == "Lift-off!"
        assert [message["params"]["progress"] for message in down.sent] == [0, 1, 2]
        me = await wire.call("whoami", version=version)
        assert me.text == '{"username":"ann","client":"First client","scopes":["mcp"]}'

    run(scenario, mcp)


def test_the_example_tools_describe_themselves() -> None:
    """Our choice."""
    for tool in mcp.tools.list_all():
        described = tool.describe(STATELESS)
        assert described["title"]
        assert described["description"]
        assert described["annotations"]["readOnlyHint"] is True
        if tool.name in ("word_statistics", "countdown"):
            assert all("description" in one for one in described["inputSchema"]["properties"].values())
