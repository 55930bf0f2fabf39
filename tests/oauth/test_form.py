"""Request parameters: parsed once, strictly."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.oauth.errors import OAuthError
from omnitornado.oauth.form import MAX_PARAMETERS, parse_parameters

from .world import PROPERTY, REDIRECT, refused


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        ("a=b&c=d", {"a": "b", "c": "d"}),
        ("a=b+c%20d%2B", {"a": "b c d+"}),
        ("a=%C3%A9", {"a": "é"}),
        ("a=b=c", {"a": "b=c"}),
        ("&&a=b&", {"a": "b"}),
        ("%61=b", {"a": "b"}),
        ("a=+b+", {"a": " b "}),
        ("a=b;c=d", {"a": "b;c=d"}),
        ("a=%zz", {"a": "%zz"}),
        ("a=%0d%0a", {"a": "\r\n"}),
    ],
)
def test_a_form_is_read_as_it_is_written(encoded: str, expected: dict[str, str]) -> None:
    """Required by RFC 6749 appendix B; nothing is stripped or split further."""
    assert parse_parameters(encoded).values == expected
    assert parse_parameters(encoded.encode()).values == expected


@pytest.mark.parametrize("encoded", ["scope=", "scope", "scope=&scope=", "=x"])
def test_a_parameter_without_a_value_is_absent(encoded: str) -> None:
    """Required by RFC 6749 §3.1 and §3.2."""
    parameters = parse_parameters(encoded)
    assert parameters.get("scope") is None
    parameters.check_unique()
    with refused("invalid_request", "missing_scope"):
        parameters.require("scope")


@pytest.mark.parametrize("encoded", ["a=1&a=1", "a=1&a=2", "a=1&%61=2", "a=1&b=2&a=3"])
def test_a_parameter_that_comes_twice_is_refused(encoded: str) -> None:
    """Required by RFC 6749 §3.1 and §3.2."""
    parameters = parse_parameters(encoded)
    assert parameters.get("a") == "1"
    for names in ((), ("a",), ("b", "a")):
        with refused("invalid_request", "duplicate_parameter"):
            parameters.check_unique(*names)
    with refused("invalid_request", "duplicate_parameter", to_client=True):
        parameters.check_unique(redirect=REDIRECT)
    parameters.check_unique("b", "c")


def test_resource_may_come_more_than_once() -> None:
    """Required by RFC 8707 §2."""
    parameters = parse_parameters(
        "resource=https://a/b&resource=https%3A%2F%2Fa%2Fc&resource=https://a/b&resource="
    )
    assert parameters.resources == ("https://a/b", "https://a/c")
    parameters.check_unique()


@pytest.mark.parametrize("encoded", ["a=%FF", "%FF=a", "a=%C3", "a=%ED%A0%80", "a=%C0%AF"])
def test_what_is_not_utf8_is_refused(encoded: str) -> None:
    """Required by RFC 6749 appendix B: UTF-8."""
    with refused("invalid_request", "not_utf8"):
        parse_parameters(encoded)


@pytest.mark.parametrize("encoded", ["a=%00", "%00=a", "a=b%00c", "a=\x00"])
def test_nul_is_refused(encoded: str) -> None:
    """Our choice: it has no use, and elsewhere it ends strings."""
    with refused("invalid_request", "nul"):
        parse_parameters(encoded)


def test_there_is_an_end_to_the_parameters() -> None:
    """Our choice: a bound on the work that a request can make."""
    parse_parameters("&".join(f"p{n}=1" for n in range(MAX_PARAMETERS)))
    with refused("invalid_request", "too_many_parameters"):
        parse_parameters("&".join("p=1" for _ in range(MAX_PARAMETERS + 1)))


def test_a_string_stands_for_the_bytes_that_came() -> None:
    """Our choice: HTTP servers read a request line as latin-1, so that raw UTF-8 in it is two characters."""
    assert parse_parameters("a=é".encode().decode("latin-1")).get("a") == "é"
    for text in ("a=€", "a=\ud800", "a=\udcff"):
        with refused("invalid_request", "not_utf8"):
            parse_parameters(text)


NAMES = st.text(alphabet="abcdef_é", min_size=1, max_size=8).filter(lambda name: name != "resource")
VALUES = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=40
)


@PROPERTY
@given(st.dictionaries(NAMES, VALUES, max_size=20))
def test_what_a_client_encodes_comes_back(members: dict[str, str]) -> None:
    """Required by RFC 6749 appendix B: for every value, in both spellings of a space."""
    for encoded in (urlencode(members), urlencode(members, quote_via=quote)):
        parameters = parse_parameters(encoded)
        assert parameters.values == members
        parameters.check_unique()


@PROPERTY
@given(st.binary(max_size=200) | st.text(max_size=100))
def test_no_input_is_more_than_refused(encoded: str | bytes) -> None:
    """Our choice: nothing that a client can send is an internal error."""
    try:
        parameters = parse_parameters(encoded)
    except OAuthError as error:
        assert error.code == "invalid_request"  # noqa: PT017 - one of two outcomes
    else:
        assert all(parameters.values.values())
        assert not any("\0" in value for value in parameters.values.values())
