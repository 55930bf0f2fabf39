"""Which redirect URIs are fit, when two are the same, and what is appended to one."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.oauth.redirect_uri import build_redirect, is_same_redirect, parse_redirect_uri

from .world import PROPERTY

REGISTERED = "https://app.example.com/callback"
LOOPBACK = "http://127.0.0.1/callback"

FIT = [
    "https://claude.ai/api/mcp/auth_callback",
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://vscode.dev/redirect",
    "http://127.0.0.1/",
    "http://127.0.0.1:33418/",
    "http://127.0.0.1",
    "http://localhost:6274/oauth/callback",
    "http://[::1]:8080/callback",
    "http://localhost/callback?keep=this",
    "https://app.example.com",
    "https://app.example.com:8443/a/b;c=d?e=f&g=%20",
    "https://xn--exmple-cua.com/callback",
    "https://[2001:db8::1]/callback",
    "https://192.0.2.1/callback",
    "https://under_score.example.com/callback",
    "https://app.example.com./callback",
    "HTTPS://APP.example.com/callback",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "com.example.app:/oauth2redirect",
    "com.example.app:callback",
    "https://app.example.com/@user",
]


@pytest.mark.parametrize("uri", FIT)
def test_a_fit_address_is_taken(uri: str) -> None:
    """Required by RFC 8252 §7 and our choice: https, http on loopback, and an application's own scheme. The
    addresses of the clients in the field are among them.
    """
    assert parse_redirect_uri(uri).uri == uri


UNFIT = [
    ("", "empty"),
    ("/callback", "relative"),
    ("//app.example.com/callback", "relative to a scheme"),
    ("app.example.com/callback", "no scheme"),
    ("localhost:8080/callback", "a host taken for a scheme"),
    ("127.0.0.1:8080/callback", "no scheme"),
    ("https:/callback", "no authority"),
    ("https:app.example.com/callback", "no authority"),
    ("https:///callback", "no host"),
    ("https://:443/callback", "no host"),
    ("https://?x", "no host"),
    ("http://app.example.com/callback", "http elsewhere"),
    ("http://192.168.0.1/callback", "http elsewhere"),
    ("http://127.0.0.2/callback", "another loopback address than RFC 8252's"),
    ("http://127.1/callback", "a short form"),
    ("http://2130706433/callback", "a number"),
    ("http://0x7f000001/callback", "a number"),
    ("http://0/callback", "a number"),
    ("http://0.0.0.0/callback", "any address"),
    ("http://[::]/callback", "any address"),
    ("http://[0:0:0:0:0:0:0:1]/callback", "another spelling"),
    ("http://[::ffff:127.0.0.1]/callback", "another spelling"),
    ("http://[::1%25lo]/callback", "a zone"),
    ("http://[::1].example.com/callback", "a host behind an address"),
    ("http://evil.example[::1]/callback", "a host before an address"),
    ("http://[::1]x:80/callback", "a host behind an address"),
    ("http://::1/callback", "no brackets"),
    ("http://[::1/callback", "half a bracket"),
    ("http://localhost./callback", "another name"),
    ("http://localhost.evil.com/callback", "another host"),
    ("http://127.0.0.1.evil.com/callback", "another host"),
    ("http://evil-localhost/callback", "another host"),
    ("http://localhost@evil.com/callback", "a user"),
    ("http://127.0.0.1:80@evil.com/callback", "a user and a password"),
    ("http://evil.com@127.0.0.1/callback", "a user"),
    ("https://user:pass@app.example.com/callback", "a user"),
    ("https://@app.example.com/callback", "an empty user"),
    ("cursor://user@host/callback", "a user"),
    ("https://app.example.com/callback#", "an empty fragment"),
    ("https://app.example.com/callback#fragment", "a fragment"),
    ("com.example.app:/callback#fragment", "a fragment"),
    ("https://app.example.com\\@evil.com/", "a backslash"),
    ("https:\\\\app.example.com/callback", "a backslash"),
    ("https://app.example.com/call back", "a space"),
    (" https://app.example.com/callback", "a space"),
    ("https://app.example.com/callback\n", "a line break"),
    ("https://app.example.com/call\tback", "a tab"),
    ("java\nscript:alert(1)", "a line break"),
    ("https://app.example.com/callback\x00", "a NUL"),
    ("https://app.example.com/<script>", "an angle bracket"),
    ('https://app.example.com/"', "a quote"),
    ("https://ex\u00e4mple.com/callback", "an IDN that is not in its ASCII form"),
    ("https://app.example.com/\u202ecallback", "a bidi control"),
    ("https://app\uff0eexample.com/callback", "a full-width dot"),
    ("https://app.example.com%2fevil.com/", "a percent-encoded host"),
    ("https://app%2eexample.com/", "a percent-encoded host"),
    ("https://app..example.com/", "an empty label"),
    ("https://app.example.com:/callback", "an empty port"),
    ("https://app.example.com:0/callback", "port 0"),
    ("https://app.example.com:65536/callback", "a port too high"),
    ("https://app.example.com:80:80/callback", "two ports"),
    ("https://app.example.com:+80/callback", "a signed port"),
    ("https://[2001:db8::g]/callback", "not an address"),
    ("https://[1:2:3]/callback", "not an address"),
    ("https://*.example.com/callback", "a wildcard"),
    ("javascript:alert(1)", "a scheme that runs"),
    ("JavaScript:alert(1)", "a scheme that runs"),
    ("javascript://app.example.com/%0aalert(1)", "a scheme that runs"),
    ("data:text/html,x", "a scheme that shows"),
    ("vbscript:x", "a scheme that runs"),
    ("blob:https://app.example.com/x", "a scheme that shows"),
    ("file:///etc/passwd", "the disk"),
    ("about:blank", "the browser's own"),
    ("view-source:https://app.example.com/", "the browser's own"),
    ("chrome://settings", "the browser's own"),
    ("intent://x/y", "any Android application"),
    ("ms-msdt:/id", "the system's own"),
    ("ws://127.0.0.1/callback", "no navigation"),
    ("ftp://127.0.0.1/callback", "no application"),
    ("mailto:a@example.com", "no application"),
    ("urn:ietf:wg:oauth:2.0:oob", "no application"),
    ("c:/callback", "a drive"),
    ("1app:/callback", "not a scheme"),
    ("https://app.example.com/" + "a" * 2048, "too long"),
]


@pytest.mark.parametrize(("uri", "what"), UNFIT)
def test_an_unfit_address_is_refused_with_a_reason(uri: str, what: str) -> None:
    """Required by RFC 6749 §3.1.2, RFC 8252 §8.4 and RFC 9700 §4.1; our choice of schemes."""
    with pytest.raises(ValueError, match=r"^(is|has|must) ") as caught:
        parse_redirect_uri(uri)
    assert not uri or uri not in str(caught.value), what


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


@pytest.mark.parametrize("uri", ["https://a.example/#", "https://a.example/#é x", "app:/x#y"])
def test_a_developer_reads_that_it_was_the_fragment(uri: str) -> None:
    """Required by RFC 6749 §3.1.2; a reason that can be acted on is our choice."""
    with pytest.raises(ValueError, match="fragment"):
        parse_redirect_uri(uri)


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
    ("uri", "shown"),
    [
        ("http://127.0.0.1:8080/callback", "this computer (127.0.0.1)"),
        ("http://[::1]/callback", "this computer (::1)"),
        ("cursor://anysphere.cursor-mcp/callback", "an app on this computer (cursor:)"),
        ("https://App.Example.com:8443/callback", "app.example.com:8443"),
        ("https://xn--pple-43d.com/callback", "xn--pple-43d.com"),
    ],
)
def test_a_person_reads_where_the_answer_goes(uri: str, shown: str) -> None:
    """Required by RFC 8252 §8.6 in spirit: a look-alike name stays in its ASCII form."""
    assert parse_redirect_uri(uri).shown_host == shown


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
