"""What comes unasked, what is lost on the way, and who it belongs to, with every official client."""

import pytest

from ..refused import RefusedError
from .conftest import Stage
from .connection import ELICIT, UPDATED, Connection, list_all, read

WATCHED = "test://watched-resource"
CHANGED = "notifications/tools/list_changed"


def list_names(client: Connection, kind: str) -> list[str]:
    return [one["name"] for one in list_all(client, kind)]


@pytest.mark.parametrize(
    ("kind", "trigger"),
    [("tools", "test_trigger_tool_change"), ("prompts", "test_trigger_prompt_change")],
)
def test_a_list_that_changes_is_told(client: Connection, kind: str, trigger: str) -> None:
    """Required by MCP 2025-11-25 server/tools and server/prompts (List Changed Notification), on the GET
    stream, and MCP 2026-07-28 basic/patterns/subscriptions, on the stream of `subscriptions/listen`.
    """
    before = list_names(client, kind)
    client.listen(lists=[kind])
    for count in (1, 2):
        client.call(trigger)
        client.wait_for(f"notifications/{kind}/list_changed", count)
        after = list_names(client, kind)
        assert sorted(set(before) ^ set(after)) == ([f"dynamic_{kind[:-1]}"] if count == 1 else [])
    client.stop_listening()


def test_a_resource_that_changes_is_told_while_it_is_subscribed_to(client: Connection) -> None:
    """Required by MCP 2025-11-25 server/resources (Subscriptions) and MCP 2026-07-28
    basic/patterns/subscriptions.
    """
    client.listen(uris=[WATCHED])
    client.call("write_watched_resource", text="first")
    assert [one["uri"] for one in client.wait_for(UPDATED)] == [WATCHED]
    (content,) = client.request("resources/read", uri=WATCHED)["contents"]
    assert content["text"] == "first"
    client.stop_listening()
    client.call("write_watched_resource", text="second")
    client.listen(uris=[WATCHED])
    client.call("write_watched_resource", text="third")
    client.wait_for(UPDATED, 2)
    client.stop_listening()
    assert client.count(UPDATED) == 2


def test_a_server_that_ends_a_calls_connection_is_come_back_to(client: Connection) -> None:
    """Required by MCP 2025-11-25 basic/transports (Resumability; SEP-1699): the client comes back with
    `Last-Event-ID`. 2026-07-28 has no such thing: the call just goes on.
    """
    assert read(client.call("test_reconnection")) == "Reconnection test completed successfully."
    resumed = [one for one in client.exchanges if "last-event-id" in one["headers"]]
    assert len(resumed) == (0 if client.is_stateless else 1)
    assert all((one["verb"], one["status"]) == ("GET", 200) for one in resumed)


def test_a_lost_connection_ends_a_call_or_is_come_back_to(client: Connection, other: Connection) -> None:
    """Required by MCP 2025-11-25 basic/transports (Resumability and Redelivery) and MCP 2026-07-28
    basic/patterns/cancellation.
    """
    if client.is_stateless:
        check_that_the_call_has_ended(client, other)
    else:
        check_that_the_call_goes_on(client)


def check_that_the_call_goes_on(client: Connection) -> None:
    """A session: the question is answered after the connection was lost, and the result comes on the stream
    that the client comes back to; the session's own stream tells of changes again as well.
    """
    handle = client.start("test_elicitation", message="Who are you?")
    client.wait_for_questions(1)
    client.cut()
    client.prepare(ELICIT, {"action": "decline"})
    assert read(client.finish(handle)) == "User response: action=decline, content={}"
    client.wait_for_streams(2)
    resumed = [one for one in client.exchanges if one["verb"] == "GET"]
    assert all("last-event-id" in one["headers"] and one["status"] == 200 for one in resumed)
    client.call("test_trigger_tool_change")
    client.wait_for(CHANGED)
    client.call("test_trigger_tool_change")


def check_that_the_call_has_ended(client: Connection, other: Connection) -> None:
    """2026-07-28: a stream that closes has cancelled its request.

    The TypeScript SDK leaves its caller waiting until the request's time is up (core-internal, protocol.ts: a
    request does not hear of its stream's end); an application that gives up sooner does what this one does.
    """
    other.listen(uris=[WATCHED])
    handle = client.start("run_until_stopped")
    client.wait_for_progress(handle, 1)
    client.cut()
    other.wait_for(UPDATED)
    (content,) = other.request("resources/read", uri=WATCHED)["contents"]
    assert content["text"] == "A call was stopped."
    other.stop_listening()
    client.cancel(handle)
    with pytest.raises(RefusedError):
        client.finish(handle)


def test_connections_stand_apart(client: Connection, other: Connection) -> None:
    """Required by MCP 2025-11-25 basic/transports (Session Management, Multiple Connections): each of an
    application's sessions is asked and told for itself, and ends for itself; in 2026-07-28 there is none to
    tell apart.
    """
    assert client.is_stateless or client.about["session"] != other.about["session"]
    other.prepare(ELICIT, {"action": "decline"})
    other.call("test_elicitation", message="Who are you?")
    assert (client.asked, len(other.asked)) == ([], 1)
    for connection in (client, other):
        connection.listen(lists=["tools"])
    client.call("test_trigger_tool_change")
    other.call("test_trigger_tool_change")
    for connection in (client, other):
        connection.wait_for(CHANGED, 1)
        connection.stop_listening()
    other.terminate()
    ended = [one["status"] for one in other.exchanges if one["verb"] == "DELETE"]
    assert ended == ([] if client.is_stateless else [204])
    assert read(client.call("test_simple_text")).startswith("This is")


def test_a_restart_of_the_server_goes_unnoticed(stage: Stage, client: Connection) -> None:
    """Our choice: sessions are kept on disk. A session's stream is come back to, and tells that every list
    may have changed; the stream of a `subscriptions/listen` is ended well, for the client to ask again.
    """
    client.listen(lists=["tools"], uris=[WATCHED])
    client.call("test_trigger_tool_change")
    client.wait_for(CHANGED)
    client.forget()
    session = client.about["session"]
    stage.server.restart()
    if client.is_stateless:
        assert client.wait_for_end() == "graceful"
        client.stop_listening()
        client.listen(lists=["tools"], uris=[WATCHED])
    else:
        client.wait_for_streams(1)
        client.wait_for(UPDATED)
        for kind in ("tools", "prompts", "resources"):
            client.wait_for(f"notifications/{kind}/list_changed")
    client.forget()
    client.prepare(ELICIT, {"action": "decline"})
    assert read(client.call("test_elicitation", message="Who are you?")).endswith("content={}")
    client.call("test_trigger_tool_change")
    client.wait_for(CHANGED)
    client.call("test_trigger_tool_change")
    client.call("write_watched_resource", text="after the restart")
    client.wait_for(UPDATED)
    client.stop_listening()
    assert client.about["session"] == session
    assert stage.person.sign_ins == 1
