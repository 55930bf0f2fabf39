"""`[login.oidc]`: who signs in through a provider, and what can't be meant."""

from pathlib import Path
from typing import Any

import pytest

from omnitornado.config import Config, ConfigError, OidcSettings, build_config, describe_config, load_config

HERE = Path(__file__).parent
TABLE = {"issuer": "https://id.example.com/realms/a", "client_id": "app", "client_secret": "hunter2-hunter2"}
HASH = "$2b$04$vFq32udsoiEVyyRSuejn5.dNmMAoozTUtQ85hkgNJaSnNmywYN2kO"


def build(users: list[dict[str, Any]] | None = None, **keys: Any) -> Config:
    server = {"public_url": keys.pop("public_url", "")}
    tables = {"server": server, "login": {"oidc": TABLE | keys}, "users": users or []}
    return build_config(tables, folder=HERE, bcrypt_rounds=4)


def read(config: Config) -> OidcSettings:
    assert config.oidc is not None
    return config.oidc


def refuse(users: list[dict[str, Any]] | None = None, **keys: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        build(users, **keys)
    assert "hunter2" not in str(refused.value)
    return str(refused.value)


def test_without_the_table_nobody_signs_in_elsewhere() -> None:
    """Our choice."""
    assert build_config({"login": {"session_lifetime": "1h"}}, folder=HERE).oidc is None


def test_keys_that_are_left_out_have_their_defaults() -> None:
    """Our choice: the configuration's contract."""
    oidc = read(build(allow_everyone=True))
    assert oidc.label == ""
    assert oidc.request_scopes == ("openid", "profile", "email")
    assert (oidc.username_claim, oidc.prefix) == ("sub", "id.example.com/realms/a:")
    assert (oidc.grantable_scopes, oidc.prompt, oidc.password_form) == (None, "", True)
    assert "hunter2" not in repr(oidc)


def test_how_the_secret_is_sent_may_be_said() -> None:
    """Our choice: where the provider's document names more than this client may do."""
    method = "client_secret_post"
    oidc = read(build(allow_everyone=True, token_endpoint_auth_method=method))
    assert oidc.token_endpoint_auth_method == method


def test_people_of_two_providers_never_have_one_name() -> None:
    """Our choice: by default a name says where it is from, so that another provider brings other people."""
    prefixes = {
        read(build(allow_everyone=True, issuer=issuer)).prefix
        for issuer in (
            "https://a.example",
            "https://b.example/",
            "https://a.example/x",
            "https://a.example:1",
        )
    }
    assert prefixes == {"a.example:", "b.example:", "a.example/x:", "a.example:1:"}


@pytest.mark.parametrize(
    ("users", "keys", "place"),
    [
        ([], {}, "[login.oidc] allowed_emails"),
        ([], {"allow_everyone": False, "allowed_emails": []}, "[login.oidc] allowed_emails"),
        ([{"username": "ada", "password_hash": HASH}], {}, "[login.oidc] allowed_emails"),
        ([], {"public_url": "https://a.example", "issuer": "https://a.example/"}, "[login.oidc] issuer"),
        ([{"username": "ada"}], {"allow_everyone": True}, "[[users]] number 1, password_hash"),
        (
            [{"username": "id.example.com/realms/a:1", "password_hash": HASH}],
            {},
            "[[users]] number 1, username",
        ),
        ([{"username": "id.example.com/realms/a:1", "oidc_name": "1"}], {}, "[[users]] number 1, oidc_name"),
        (
            [{"username": "ada", "oidc_name": "1"}, {"username": "bob", "oidc_name": "1"}],
            {},
            "[[users]] number 2, oidc_name",
        ),
        (
            [{"username": "a", "oidc_name": "A@x.com"}, {"username": "b", "oidc_name": "a@X.com"}],
            {"username_claim": "email"},
            "[[users]] number 2, oidc_name",
        ),
        ([{"username": "ada", "oidc_name": "1"}], {"blocked": ["1"]}, "[login.oidc] blocked"),
        (
            [],
            {"client_secret": None, "token_endpoint_auth_method": "client_secret_post"},
            "[login.oidc] token_endpoint_auth_method",
        ),
        ([], {"username_prefix": "Client:"}, "[login.oidc] username_prefix"),
        ([], {"issuer": "https://client:8443"}, "[login.oidc] username_prefix"),
        ([], {"allow_everyone": True, "colour": "red"}, "[login.oidc] colour"),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_refused(
    users: list[dict[str, Any]], keys: dict[str, Any], place: str
) -> None:
    """Our choice: at start, with the key to change."""
    assert refuse(users, **keys).startswith(f"<python>: {place}: ")


def test_an_oidc_name_without_a_provider_is_refused() -> None:
    """Our choice: nobody could sign in by it."""
    with pytest.raises(ConfigError, match=r"needs \[login\.oidc\]"):
        build_config({"users": [{"username": "ada", "oidc_name": "1"}]}, folder=HERE)


def test_a_table_under_another_name_is_no_way_in() -> None:
    """Our choice: `["login.oidc"]` in quotes is another table, and one that nobody reads."""
    with pytest.raises(ConfigError, match="unknown table"):
        build_config({"login.oidc": TABLE}, folder=HERE)
    with pytest.raises(ConfigError, match="expected a table"):
        build_config({"login": {"oidc": [TABLE]}}, folder=HERE)
    with pytest.raises(ConfigError, match="expected a table"):
        build_config({"login": [TABLE]}, folder=HERE)


def test_people_of_the_configuration_may_sign_in_at_the_provider() -> None:
    """Our choice: by the name that it has for them, and with a password beside it or without."""
    users: list[dict[str, Any]] = [
        {"username": "ada", "oidc_name": "1"},
        {"username": "bob", "oidc_name": "2", "password_hash": HASH},
        {"username": "id.example.com/realms/a:3", "scopes": ["mcp"]},
    ]
    config = build(users)
    assert [user.oidc_name for user in config.users] == ["1", "2", ""]


def test_an_error_in_a_file_has_its_line(tmp_path: Path) -> None:
    """Our choice: as for any other key."""
    path = tmp_path / "config.toml"
    path.write_text('[login.oidc]\nissuer = "https://id.example.com"\nclient_id = "app"\nprompt = "never"\n')
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert f"{path}:4: [login.oidc] prompt: " in str(refused.value)


def test_a_description_names_where_people_come_from() -> None:
    """Our choice: what `--check` prints."""
    lines = dict(describe_config(build([{"username": "ada", "password_hash": HASH}], allow_everyone=True)))
    assert lines["Users"] == "ada, those of https://id.example.com/realms/a"
