"""The provider's document: whose it is, and what it may say."""

import asyncio
from typing import Any

import pytest

from omnitornado.oauth.provider import Failure, OpenIDProvider
from omnitornado.oauth.provider_metadata import (
    ProviderMetadata,
    RemoteMetadata,
    build_metadata_url,
    parse_metadata,
)

from .openid import CLIENT_ID, NOW, PROVIDER, FakeProvider, build_reply
from .provider_steps import refused


def build(issuer: str = PROVIDER) -> OpenIDProvider:
    return OpenIDProvider(issuer=issuer, client_id=CLIENT_ID, client_secret="a secret of theirs")


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        (PROVIDER, PROVIDER + "/.well-known/openid-configuration"),
        (PROVIDER + "/", PROVIDER + "/.well-known/openid-configuration"),
        (PROVIDER + "/realms/a", PROVIDER + "/realms/a/.well-known/openid-configuration"),
    ],
)
def test_the_document_is_under_the_issuer(issuer: str, url: str) -> None:
    """Required by OpenID Connect Discovery §4."""
    assert build_metadata_url(issuer) == url


def test_what_the_document_leaves_out_has_the_defaults_of_the_specification() -> None:
    """Required by OpenID Connect Discovery §3."""
    document = {
        name: f"https://id.example.com/{name}"
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    assert parse_metadata(document | {"issuer": PROVIDER}, build()) == ProviderMetadata(
        authorization_endpoint="https://id.example.com/authorization_endpoint",
        token_endpoint="https://id.example.com/token_endpoint",
        jwks_uri="https://id.example.com/jwks_uri",
        userinfo_endpoint=None,
        auth_methods=("client_secret_basic",),
        algorithms=("RS256",),
        announces_issuer=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", "https://evil.example"),
        ("issuer", PROVIDER + "/"),
        ("issuer", "https://ID.example.com"),
        ("issuer", None),
        ("issuer", [PROVIDER]),
        ("authorization_endpoint", None),
        ("authorization_endpoint", "http://id.example.com/authorize"),
        ("authorization_endpoint", "http://127.0.0.1/authorize"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("authorization_endpoint", "https://id.example.com/a#fragment"),
        ("authorization_endpoint", "https://id.example.com/a\r\nX: y"),
        ("token_endpoint", "https://user:pass@id.example.com/token"),
        ("token_endpoint", "https://169.254.169.254/token"),
        ("token_endpoint", 1),
        ("jwks_uri", "file:///etc/passwd"),
        ("jwks_uri", None),
        ("userinfo_endpoint", "http://id.example.com/userinfo"),
        ("response_types_supported", ["id_token"]),
        ("response_types_supported", "code"),
        ("code_challenge_methods_supported", ["plain"]),
        ("id_token_signing_alg_values_supported", ["none", "HS256"]),
    ],
)
def test_a_document_that_can_not_be_used_is_refused(name: str, value: object) -> None:
    """Required by OpenID Connect Discovery §4.3 (the issuer as it stands) and §7.2, RFC 9700 §2.1.1, RFC 8725
    §3.1.
    """
    fake = FakeProvider()
    fake.metadata[name] = value
    with refused("oidc_metadata_invalid", Failure.UNUSABLE):
        asyncio.run(RemoteMetadata(build(), fake).find(now=NOW))


def test_a_provider_on_loopback_may_be_without_tls() -> None:
    """Our choice: for development, and for no other issuer."""
    issuer = "http://localhost:3000"
    fake = FakeProvider(issuer)
    assert parse_metadata(fake.metadata, build(issuer)).token_endpoint == issuer + "/token"
    fake.metadata["token_endpoint"] = "http://id.example.com/token"
    with pytest.raises(ValueError, match="token_endpoint"):
        parse_metadata(fake.metadata, build(issuer))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"[" * 60_000, b"\xff"])
def test_what_is_no_document_is_a_failure(body: bytes) -> None:
    """Our choice: and the person is asked to try again."""
    fake = FakeProvider()
    fake.replies["/.well-known/openid-configuration"] = build_reply(body)
    with refused("fetch_not_json", Failure.UNREACHABLE):
        asyncio.run(RemoteMetadata(build(), fake).find(now=NOW))


def test_the_document_is_asked_for_once_and_kept() -> None:
    """Our choice: and however many sign in at the same time, it is asked for once."""
    fake = FakeProvider()
    metadata = RemoteMetadata(build(), fake)

    async def main() -> list[Any]:
        return [await asyncio.gather(*(metadata.find(now=now) for _ in range(5))) for now in (NOW, NOW + 299)]

    asyncio.run(main())
    assert len(fake.asked) == 1


def test_the_secret_is_not_in_what_a_log_line_would_show() -> None:
    """Our choice."""
    assert "a secret of theirs" not in repr(build())
