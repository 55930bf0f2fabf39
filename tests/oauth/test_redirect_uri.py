"""When two redirect URIs are the same, and what is appended to one."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.oauth.redirect_uri import build_redirect, is_same_redirect, parse_redirect_uri

from .world import PROPERTY

REGISTERED = "https://app.example.com/callback"
LOOPBACK = "http://127.0.0.1/callback"

TAMPERED = [
    "https://app.example.com/callback/",
    "https://app.example.com/callback/evil",
    "https://app.example.com/callbackevil",
    "https://app.example.com/callback?x=1",
    "https://app.example.com/callback?",
    "https://app.example.com/callback#",
    "https://app.example.com/callback#fragment",
    "https://app.example.com/callback;x",
    "https://app.example.com/./callback",
    "https://app.example.com/x/../callback",
    "https://app.example.com/callback/..",
    "https://app.example.com/callback/../../evil",
    "https://app.example.com//callback",
    "https://app.example.com/Callback",
    "https://app.example.com/c%61llback",
    "https://app.example.com/callback%2f..",
    "https://app.example.com/callback%00",
    "https://app.example.com/",
    "https://app.example.com",
    "https://APP.example.com/callback",
    "HTTPS://app.example.com/callback",
    "http://app.example.com/callback",
    "https://app.example.com:443/callback",
    "https://app.example.com:444/callback",
    "https://app.example.com./callback",
    "https://evil.app.example.com/callback",
    "https://app.example.com.evil.com/callback",
    "https://example.com/callback",
    "https://user@app.example.com/callback",
    "https://app.example.com@evil.com/callback",
    "https://app.example.com:x@evil.com/callback",
    "https://app.example.com\\@evil.com/callback",
    "https://evil.com\\.app.example.com/callback",
    "https://\u0430pp.example.com/callback",
    "https://app.example.com/callback ",
    "\thttps://app.example.com/callback",
    "//app.example.com/callback",
    "/callback",
    "",
    "http://127.0.0.1/callback",
]


@pytest.mark.parametrize("presented", TAMPERED)
def test_a_web_address_is_compared_byte_for_byte(presented: str) -> None:
    """Required by RFC 9700 §4.1.3 and OAuth 2.1 §2.3.1: simple string comparison."""
    assert is_same_redirect(REGISTERED, REGISTERED)
    assert not is_same_redirect(REGISTERED, presented)
    assert not is_same_redirect(presented, REGISTERED)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
@pytest.mark.parametrize("port", ["", ":1", ":80", ":33418", ":65535"])
def test_on_loopback_any_port_is_the_same(host: str, port: str) -> None:
    """Required by RFC 8252 §7.3; `localhost` is our choice (clients in the field use it)."""
    assert is_same_redirect(f"http://{host}/callback", f"http://{host}{port}/callback")
    assert is_same_redirect(f"http://{host}:6274/callback", f"http://{host}{port}/callback")


LOOPBACK_TAMPERED = [
    "http://localhost/callback",
    "http://[::1]/callback",
    "https://127.0.0.1/callback",
    "http://127.0.0.1:8080/callback/",
    "http://127.0.0.1:8080/callback/x",
    "http://127.0.0.1:8080/Callback",
    "http://127.0.0.1:8080/",
    "http://127.0.0.1:8080",
    "http://127.0.0.1:8080//callback",
    "http://127.0.0.1:8080/x/../callback",
    "http://127.0.0.1:8080/callback?x=1",
    "http://127.0.0.1:8080/callback?",
    "http://127.0.0.1:8080/callback#x",
    "http://127.0.0.1:8080/callb%61ck",
    "HTTP://127.0.0.1:8080/callback",
    "http://127.0.0.1:/callback",
    "http://127.0.0.1:0/callback",
    "http://127.0.0.1:99999/callback",
    "http://127.0.0.1:80a/callback",
    "http://127.0.0.1:8080@evil.com/callback",
    "http://user@127.0.0.1:8080/callback",
    "http://127.0.0.1.evil.com:8080/callback",
    "http://127.0.0.1%2eevil.com:8080/callback",
    "http://127.0.0.1\\.evil.com:8080/callback",
    "http://127.0.0.2:8080/callback",
    "http://127.1:8080/callback",
    "http://evil.com:127/callback",
]


@pytest.mark.parametrize("presented", LOOPBACK_TAMPERED)
def test_on_loopback_nothing_but_the_port_may_differ(presented: str) -> None:
    """Required by RFC 8252 §7.3: the port, and no more."""
    assert not is_same_redirect(LOOPBACK, presented)
    assert not is_same_redirect(presented, LOOPBACK)


def test_the_host_of_a_loopback_address_keeps_its_case() -> None:
    """Our choice: the exception is for the port, and everything else is compared byte for byte."""
    assert not is_same_redirect("http://localhost/callback", "http://LOCALHOST:8080/callback")
    assert not is_same_redirect("http://[::1].evil.com/callback", "http://[::1].evil.com:8080/callback")


@pytest.mark.parametrize(
    ("registered", "presented"),
    [
        ("https://localhost:8080/callback", "https://localhost:8081/callback"),
        ("https://app.example.com:8080/callback", "https://app.example.com:8081/callback"),
        ("com.example.app://host:1/callback", "com.example.app://host:2/callback"),
        ("com.example.app:/callback", "com.example.app:/callback2"),
        ("com.example.app:/callback", "COM.example.app:/callback"),
    ],
)
def test_elsewhere_a_port_is_as_fixed_as_the_rest(registered: str, presented: str) -> None:
    """Required by RFC 8252 §7.3: the exception is for http on loopback alone."""
    assert not is_same_redirect(registered, presented)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://a.example/cb", "https://a.example/cb?code=x"),
        ("https://a.example", "https://a.example?code=x"),
        ("https://a.example/cb?", "https://a.example/cb?code=x"),
        ("https://a.example/cb?b=%2F+c", "https://a.example/cb?b=%2F+c&code=x"),
        ("https://a.example/cb?b&", "https://a.example/cb?b&code=x"),
        ("com.example.app:callback", "com.example.app:callback?code=x"),
    ],
)
def test_the_answer_is_appended_and_nothing_else_changes(uri: str, expected: str) -> None:
    """Required by RFC 6749 §3.1.2: a query that the address has is retained."""
    assert build_redirect(uri, {"code": "x"}) == expected


URI_TEXT = st.text(alphabet="abcXYZ019-._~/?@!$&'()*+,;=%:", max_size=30)
HOSTS = st.sampled_from(
    ["127.0.0.1", "localhost", "[::1]", "app.example.com", "evil.example", "[2001:db8::1]"]
)
URIS = st.builds(
    lambda scheme, host, port, rest: f"{scheme}://{host}{port}{rest}",
    st.sampled_from(["http", "https", "cursor", "HTTP"]),
    HOSTS,
    st.sampled_from(["", ":1", ":8080", ":65535"]),
    st.sampled_from(["", "/", "/callback", "/callback?x", "?x"]) | URI_TEXT.map(lambda text: "/" + text),
)


@PROPERTY
@given(a=URIS, b=URIS)
def test_sameness_is_symmetric_and_never_crosses_hosts(a: str, b: str) -> None:
    """Required by RFC 9700 §4.1.3."""
    assert is_same_redirect(a, b) == is_same_redirect(b, a)
    if is_same_redirect(a, b):
        first, second = urlsplit(a), urlsplit(b)
        assert (first.scheme, first.hostname) == (second.scheme, second.hostname)
        assert (first.path, first.query) == (second.path, second.query)
        assert a == b or (first.scheme == "http" and first.hostname in ("127.0.0.1", "localhost", "::1"))


@PROPERTY
@given(uri=URIS, parameters=st.dictionaries(st.sampled_from(["code", "state", "iss"]), st.text(min_size=1)))
def test_the_address_and_its_query_survive(uri: str, parameters: dict[str, str]) -> None:
    """Required by RFC 6749 §3.1.2 and §4.1.2: what was there stays, what is added comes back unchanged."""
    parameters = {name: value.encode("utf-8", "replace").decode() for name, value in parameters.items()}
    built = build_redirect(uri, parameters)
    assert built.startswith(uri)
    before = parse_qsl(urlsplit(uri).query, keep_blank_values=True)
    after = parse_qsl(urlsplit(built).query, keep_blank_values=True)
    assert after[: len(before)] == before
    assert [pair for pair in after[len(before) :] if pair != ("", "")] == list(parameters.items())


@PROPERTY
@given(st.text(max_size=60) | URIS.map(lambda uri: uri + "\u00e9"))
def test_no_text_is_more_than_refused(text: str) -> None:
    """Required by RFC 6749 §10.14: input is sanitised, and nothing a client sends is an internal error."""
    try:
        assert parse_redirect_uri(text).uri == text
    except ValueError as error:
        assert str(error).startswith(("is ", "has ", "must "))  # noqa: PT017 - one of two outcomes
