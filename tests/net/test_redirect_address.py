"""Which addresses an answer may be sent to at all."""

import pytest

from omnitornado.net.redirect_address import parse_redirect_uri

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


@pytest.mark.parametrize("uri", ["https://a.example/#", "https://a.example/#é x", "app:/x#y"])
def test_a_developer_reads_that_it_was_the_fragment(uri: str) -> None:
    """Required by RFC 6749 §3.1.2; a reason that can be acted on is our choice."""
    with pytest.raises(ValueError, match="fragment"):
        parse_redirect_uri(uri)


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
