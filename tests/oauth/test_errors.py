"""Error codes, their statuses, and what of an error a client reads."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnitornado.oauth.errors import HTTP_STATUS, OAuthError, printable

from .world import PROPERTY


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("invalid_request", 400),
        ("invalid_client", 401),
        ("invalid_grant", 400),
        ("unauthorized_client", 400),
        ("unsupported_grant_type", 400),
        ("invalid_scope", 400),
        ("invalid_target", 400),
        ("invalid_redirect_uri", 400),
        ("invalid_client_metadata", 400),
        ("unsupported_token_type", 400),
        ("server_error", 500),
        ("temporarily_unavailable", 503),
    ],
)
def test_every_code_has_its_status(code: str, status: int) -> None:
    """Required by RFC 6749 §5.2, RFC 7591 §3.2.2, RFC 7009 §2.2.1 and RFC 8707 §2."""
    assert HTTP_STATUS[code] == status
    assert OAuthError(code=code, description="x").status == status


def test_the_reason_is_for_the_log_alone() -> None:
    """Our choice (and RFC 6749 §5.2 for the members)."""
    error = OAuthError(code="invalid_grant", description='said "no"', reason="secret_reason")
    assert error.build_body() == {"error": "invalid_grant", "error_description": "said ?no?"}
    assert "secret_reason" not in str(error)
    assert OAuthError(code="invalid_grant", description="x").reason == "invalid_grant"
    assert OAuthError(code="access_denied", description="x", status=429, retry_after=3).status == 429


@PROPERTY
@given(st.text(max_size=100))
def test_a_description_keeps_to_its_characters(text: str) -> None:
    """Required by RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E, whatever a client sent."""
    shown = printable(text)
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*", shown)
    assert len(shown) == len(text)
    assert printable(shown) == shown
