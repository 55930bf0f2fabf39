"""How this server proves itself to the provider."""

import base64

import pytest

from omnitornado.oauth.provider import Failure, OpenIDProvider
from omnitornado.oauth.provider_metadata import parse_metadata
from omnitornado.oauth.provider_requests import build_authorization

from .openid import CLIENT_ID, CLIENT_SECRET, PROVIDER, FakeProvider
from .provider_steps import Steps, refused, run

BASIC = "Basic " + base64.b64encode(b"our+id:our+secret%3A+100%25+%2B+more").decode()


@pytest.mark.parametrize(
    ("supported", "configured", "sent"),
    [
        (None, None, BASIC),
        (["client_secret_post", "client_secret_basic"], None, BASIC),
        (["client_secret_post"], None, None),
        (["client_secret_post", "client_secret_basic"], "client_secret_post", None),
        (["client_secret_post"], "client_secret_basic", BASIC),
    ],
)
def test_the_secret_goes_the_way_that_the_provider_takes(
    supported: list[str] | None, configured: str | None, sent: str | None
) -> None:
    """Required by RFC 6749 §2.3.1 (form-encoded within Basic), OpenID Connect Discovery §3 (Basic unless
    said).
    """
    fake = FakeProvider()
    fake.metadata["token_endpoint_auth_methods_supported"] = supported
    provider = OpenIDProvider(
        issuer=PROVIDER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, auth_method=configured
    )
    assert build_authorization(provider, parse_metadata(fake.metadata, provider)) == sent

    async def scenario(steps: Steps) -> None:
        assert await steps.go()

    run(scenario, provider=fake, auth_method=configured)


def test_a_provider_that_takes_no_secret_as_it_is_sent_here_can_not_be_used() -> None:
    """Our choice: the operator is told, before a code is wasted."""
    fake = FakeProvider()
    fake.metadata["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]

    async def scenario(steps: Steps) -> None:
        with refused("oidc_metadata_invalid", Failure.UNUSABLE):
            await steps.go()
        assert ("POST", "/token") not in fake.asked

    run(scenario, provider=fake)
