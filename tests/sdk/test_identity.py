"""Who calls, where the tools of other packages look for it."""

import msgspec

from .test_catalog import ADA


def test_the_claims_name_the_person() -> None:
    """Required by RFC 7662 §2.2, whose names they carry."""
    claims = ADA.build_claims()
    assert (claims["sub"], claims["username"], claims["client_id"]) == ("ada", "ada", "app")


def test_the_claims_of_a_client_that_acts_for_itself_name_no_person() -> None:
    """Required by RFC 9700 §4.15: there is a subject, and nobody's username."""
    robot = msgspec.structs.replace(ADA, username="client:app", is_machine=True)
    claims = robot.build_claims()
    assert claims["sub"] == "client:app"
    assert "username" not in claims
