"""What an answer holds, and for how long it is fresh."""

import pytest

from omnitornado.net.fetched import Fetched, FetchError, parse_directives

DATE = "Tue, 24 Nov 2026 12:00:00 GMT"


def build(body: bytes = b"{}", *, status: int = 200, content_type: str = "application/json") -> Fetched:
    headers = {"content-type": content_type}
    return Fetched(url="https://client.example/", status=status, headers=headers, body=body)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 300),
        ({"cache_control": "max-age=1000"}, 1000),
        ({"cache_control": "public, max-age=1000, immutable"}, 1000),
        ({"cache_control": "MAX-AGE=1000"}, 1000),
        ({"cache_control": 'max-age="1000"'}, 1000),
        ({"cache_control": "max-age=1000, max-age=2000"}, 1000),
        ({"cache_control": "max-age=1000, s-maxage=2000"}, 2000),
        ({"cache_control": "max-age=1000", "age": "400"}, 600),
        ({"cache_control": "max-age=1000", "age": "nonsense"}, 1000),
        ({"cache_control": "max-age=10"}, 300),
        ({"cache_control": "max-age=0"}, 300),
        ({"cache_control": "max-age=-5"}, 300),
        ({"cache_control": "max-age=abc"}, 300),
        ({"cache_control": "max-age=²"}, 300),
        ({"cache_control": "max-age=" + "9" * 5000}, 86400),
        ({"cache_control": "no-store, max-age=1000"}, 300),
        ({"cache_control": "no-cache, max-age=1000"}, 300),
        ({"cache_control": 'x="no-store", max-age=1000'}, 1000),
        ({"date": DATE, "expires": "Tue, 24 Nov 2026 12:30:00 GMT"}, 1800),
        ({"date": DATE, "expires": "Tue, 24 Nov 2026 11:30:00 GMT"}, 300),
        ({"date": DATE, "expires": "0"}, 300),
        ({"date": "nonsense", "expires": DATE}, 300),
        ({"date": DATE, "expires": "Tue, 24 Nov 2027 12:00:00 GMT"}, 86400),
        ({"date": DATE, "expires": DATE, "cache_control": "max-age=1000"}, 1000),
        ({"cache_control": "," * 3000 + "=" * 3000 + '"' * 3000}, 300),
    ],
)
def test_an_answer_is_fresh_as_long_as_it_says_within_bounds(headers: dict[str, str], seconds: float) -> None:
    """Required by RFC 9111 §4.2.1 and §5.2.2; the bounds are our choice, which the drafts leave open."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = Fetched(url="https://client.example/", status=200, headers=sent, body=b"{}")
    assert answer.find_freshness(shortest=300, longest=86400) == seconds


def test_directives_are_told_apart() -> None:
    """Required by RFC 9111 §5.2: a quoted value may hold a comma."""
    assert parse_directives('private="a, b", max-age=5 ,no-store') == {
        "private": "a, b",
        "max-age": "5",
        "no-store": "",
    }


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/cimd+json"],
)
def test_a_json_object_is_read(kind: str) -> None:
    """Required by RFC 8259, and by the draft on client metadata documents for the type."""
    assert build(b'{"a": 1}', content_type=kind).parse_object() == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (build(status=404), "fetch_gone"),
        (build(status=410), "fetch_gone"),
        (build(status=403), "fetch_status"),
        (build(status=500), "fetch_status"),
        (build(status=301), "fetch_status"),
        (build(status=201), "fetch_status"),
        (build(status=304), "fetch_status"),
        (build(content_type="text/html"), "fetch_not_json"),
        (build(content_type="text/plain"), "fetch_not_json"),
        (build(content_type=""), "fetch_not_json"),
        (build(content_type="application/jsonp"), "fetch_not_json"),
        (build(b""), "fetch_not_json"),
        (build(b"[]"), "fetch_not_json"),
        (build(b'"x"'), "fetch_not_json"),
        (build(b"<html>"), "fetch_not_json"),
        (build(b"\xff\xfe{}"), "fetch_not_json"),
        (build(b'{"a":' * 5000), "fetch_not_json"),
        (build(b'{"a": NaN}'), "fetch_not_json"),
    ],
)
def test_anything_else_is_refused_with_a_reason(answer: Fetched, reason: str) -> None:
    """Required by the draft on client metadata documents: 200 and JSON, nothing else."""
    with pytest.raises(FetchError) as caught:
        answer.parse_object()
    assert caught.value.reason == reason
