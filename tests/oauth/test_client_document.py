"""What a client's own document may say, and what is made of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.oauth.client import ClientKeys, ClientOrigin, DocumentSource, OAuthClient
from omnitornado.oauth.client_document import check_document_url, parse_document

from .keys import make_key, publish
from .world import PROPERTY

URL = "https://app.example/oauth/client.json"
JWKS_URI = "https://app.example/jwks.json"


def parse(url: str = URL, **changed: Any) -> OAuthClient:
    """A document with nothing wrong unless `changed` brings it in; None leaves a member out."""
    members: dict[str, Any] = {
        "client_id": url,
        "client_name": "An app",
        "redirect_uris": ["https://app.example/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    document = {name: value for name, value in (members | changed).items() if value is not None}
    return parse_document(url, document, DocumentSource.FETCHED)


def test_a_document_describes_its_client() -> None:
    """Required by OAuth Client ID Metadata Document §4.1, with the members of RFC 7591 §2."""
    client = parse(client_uri="https://app.example/about", logo_uri="https://x", made_up=[1])
    assert client == OAuthClient(
        client_id=URL,
        client_name="An app",
        redirect_uris=("https://app.example/callback",),
        auth_methods=("none",),
        grant_types=("authorization_code", "refresh_token"),
        client_uri="https://app.example/about",
        origin=ClientOrigin(host="app.example", source=DocumentSource.FETCHED),
    )
    assert client.is_verified
    assert not client.is_preset
    assert not client.is_confidential


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://app.example/a",
        "https://app.example:8443/client.json",
        "https://app.example/client.json?v=1",
        "https://xn--bcher-kva.example/client",
        "https://app.example/a/..b/.c",
    ],
)
def test_an_address_of_a_document_is_taken(url: str) -> None:
    """Required by OAuth Client ID Metadata Document §3: a path; a port and a query are not forbidden."""
    assert check_document_url(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example",
        "https://app.example/",
        "https://app.example/?x",
        "https://app.example/./client.json",
        "https://app.example/../client.json",
        "https://app.example/a/..",
        "https://app.example/a/%2e%2E/client.json",
        "https://app.example/a/.%2e",
        "https://app.example/client.json#",
        "https://app.example/client.json#fragment",
        "https://user@app.example/client.json",
        "https://user:password@app.example/client.json",
        "http://app.example/client.json",
        "https://127.0.0.1/client.json",
        "https://2130706433/client.json",
        "https://[::1]/client.json",
        "https://app.example/" + "a" * 1024,
        "https://",
        "https:///client.json",
    ],
)
def test_any_other_address_is_not_a_clients(url: str) -> None:
    """Required by OAuth Client ID Metadata Document §3."""
    with pytest.raises(ValueError, match="address"):
        check_document_url(url)
    with pytest.raises(ValueError, match="address"):
        parse(url)


@pytest.mark.parametrize(
    "claimed",
    [
        "https://app.example/oauth/other.json",
        "https://victim.example/oauth/client.json",
        "https://APP.example/oauth/client.json",
        "https://app.example:443/oauth/client.json",
        "https://app.example/oauth/client.json/",
        "https://app.example/oauth/client.json?",
        "https://app.example/oauth/%63lient.json",
        "",
        None,
        5,
        [URL],
    ],
)
def test_a_document_of_another_client_is_refused(claimed: object) -> None:
    """Required by OAuth Client ID Metadata Document §4.1: compared as strings, byte for byte."""
    with pytest.raises(ValueError, match="client_id"):
        parse(client_id=claimed)


@pytest.mark.parametrize("member", ["client_secret", "client_secret_expires_at"])
def test_a_document_with_a_secret_is_refused(member: str) -> None:
    """Required by OAuth Client ID Metadata Document §4.1."""
    members: dict[str, Any] = {member: 0}
    with pytest.raises(ValueError, match="secret"):
        parse(**members)


@pytest.mark.parametrize(
    ("members", "methods"),
    [
        ({"token_endpoint_auth_method": None}, ("none",)),
        ({"token_endpoint_auth_method": "none"}, ("none",)),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": JWKS_URI}, ("private_key_jwt",)),
        (
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_methods_supported": ["none", "private_key_jwt", "made_up"],
                "jwks_uri": JWKS_URI,
            },
            ("private_key_jwt", "none"),
        ),
        (
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            },
            ("none",),
        ),
        (
            {
                "token_endpoint_auth_method": "client_secret_basic",
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
            },
            ("none",),
        ),
        ({"token_endpoint_auth_method": None, "token_endpoint_auth_methods_supported": ["none"]}, ("none",)),
        ({"token_endpoint_auth_methods_supported": "nonsense"}, ("none",)),
        ({"token_endpoint_auth_methods_supported": [5, None]}, ("none",)),
    ],
)
def test_of_the_ways_it_offers_those_that_are_known_count(
    members: dict[str, Any], methods: tuple[str, ...]
) -> None:
    """Our choice, as MCP clients' documents need it: one serves many servers, and offers several ways."""
    assert parse(**members).auth_methods == methods


@pytest.mark.parametrize(
    "members",
    [
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"token_endpoint_auth_method": 5},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "AA"}]}},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": publish(make_key()), "jwks_uri": JWKS_URI},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://app.example/jwks.json"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://127.0.0.1/jwks.json"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://other.example/jwks.json"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://keys.app.example/jwks.json"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example@x.example/"},
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": JWKS_URI,
            "token_endpoint_auth_signing_alg": "HS256",
        },
    ],
)
def test_one_that_is_left_with_no_way_to_authenticate_is_refused(members: dict[str, Any]) -> None:
    """Required by OAuth Client ID Metadata Document §4.1 (no shared secret). That keys are the client's own
    host's is our choice: a document speaks for its domain alone.
    """
    with pytest.raises(ValueError, match=r"authenticate|sign"):
        parse(**members)


def test_keys_are_taken_inline_or_from_the_same_host() -> None:
    """Required by OAuth Client ID Metadata Document §6.2."""
    jwks = publish(make_key(), kid="1")
    inline = parse(token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    assert inline.keys == ClientKeys(jwks=jwks)
    remote = parse(
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri="https://app.example:444/jwks",
        token_endpoint_auth_signing_alg="RS256",
    )
    assert remote.keys == ClientKeys(jwks_uri="https://app.example:444/jwks", signing_alg="RS256")
    assert remote.is_confidential


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (
            ["urn:ietf:params:oauth:grant-type:jwt-bearer-of-tomorrow", "authorization_code"],
            ("authorization_code",),
        ),
        (["refresh_token", "authorization_code", "x", 5], ("authorization_code", "refresh_token")),
        (None, ("authorization_code",)),
    ],
)
def test_of_the_grants_it_names_those_that_are_known_count(given: object, kept: tuple[str, ...]) -> None:
    """Our choice, as MCP clients' documents need it: what is not known is left out, not refused."""
    assert set(kept) <= set(parse(grant_types=given).grant_types)


@pytest.mark.parametrize("given", [[], ["x"], "authorization_code", 5, {}])
def test_one_without_any_known_grant_is_refused(given: object) -> None:
    """Our choice."""
    with pytest.raises(ValueError, match="grant"):
        parse(grant_types=given)


def test_redirects_that_are_not_fit_are_left_out() -> None:
    """Our choice: the others are the client's all the same; each is held to the rules for redirect URIs."""
    uris = [
        "https://app.example/callback",
        "http://app.example/callback",
        "javascript:alert(1)",
        "https://app.example/callback#fragment",
        5,
        "http://localhost/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://app.example/callback",
    ]
    assert parse(redirect_uris=uris).redirect_uris == (uris[0], uris[5], uris[6])
    assert parse(redirect_uris=["http://127.0.0.1/cb"]).find_redirect("http://127.0.0.1:5555/cb") is not None


@pytest.mark.parametrize("given", [None, [], "https://app.example/", 5, {}, ["javascript:alert(1)"], [5]])
def test_one_without_a_redirect_is_refused(given: object) -> None:
    """Required by RFC 9700 §4.1.3: an address to hold it to."""
    with pytest.raises(ValueError, match="redirect"):
        parse(redirect_uris=given)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("  An\tapp\n", "An app"),
        ("x" * 300, "x" * 200),
        (None, "app.example"),
        ("", "app.example"),
        ("\u202e\u200b", "app.example"),
        (5, "app.example"),
        (["An app"], "app.example"),
    ],
)
def test_a_name_is_a_line_of_text_or_the_host(given: object, name: str) -> None:
    """Our choice: a person reads it."""
    assert parse(client_name=given).client_name == name


@pytest.mark.parametrize(
    "page", ["http://app.example", "javascript:alert(1)", "https://a@app.example", 5, "x"]
)
def test_a_page_that_is_not_one_is_left_out(page: object) -> None:
    """Our choice: only an https address is ever shown as a link."""
    assert parse(client_uri=page).client_uri is None


@PROPERTY
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "redirect_uris",
                "client_name",
                "grant_types",
                "jwks",
                "jwks_uri",
                "token_endpoint_auth_method",
                "token_endpoint_auth_methods_supported",
                "token_endpoint_auth_signing_alg",
                "client_uri",
            ]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    )
)
def test_whatever_a_document_says_it_is_used_or_refused(members: dict[str, Any]) -> None:
    """Our choice: a stranger wrote it."""
    try:
        client = parse(**members)
    except ValueError:
        return
    assert client.redirect_uris
    assert client.auth_methods
    assert set(client.auth_methods) <= {"none", "private_key_jwt"}
