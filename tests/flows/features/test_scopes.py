"""A tool that needs more than the client may do: the person is asked, and the call goes through."""

import pytest

from ..refused import RefusedError
from .conftest import Stage
from .connection import Connection, read


def test_a_client_that_may_not_call_a_tool_asks_the_person_for_more(stage: Stage, client: Connection) -> None:
    """Required by MCP 2025-11-25 and 2026-07-28 basic/authorization (Scope Challenge Handling, Step-Up
    Authorization).

    The TypeScript SDK 1.x can't: it answers the challenge with its refresh token, which brings no more
    scopes, and gives up (client/auth.js, authInternal: the refresh comes before the redirect, and knows no
    scope). Its application has to send the person there itself.
    """
    before = stage.person.approvals
    if stage.package == "sdk":
        with pytest.raises(RefusedError, match="403 after trying upscoping"):
            client.call("read_diary")
        client.authorize("mcp diary")
    assert read(client.call("read_diary")) == "Dear diary, ada was here."
    assert stage.person.approvals == before + 1
    challenged = [one["status"] for one in client.exchanges if one["method"] == "tools/call"]
    assert 403 in challenged
    client.forget()
    assert read(client.call("read_diary")) == "Dear diary, ada was here."
    assert [one["status"] for one in client.exchanges if one["method"] == "tools/call"] == [200]
