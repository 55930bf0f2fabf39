"""People who sign in with their password in an LDAP directory (OpenLDAP, Active Directory, …).

    [login]
    validate_user = "examples.ldap_login:check"

Needs the package ldap3. The settings come from the environment, so that no secret stands in a source file:

    LDAP_URL         ldaps://ldap.example.com; with ldap:// StartTLS is asked for, except on this machine
    LDAP_BASE        where people are: ou=people,dc=example,dc=com
    LDAP_ATTRIBUTE   what they sign in with: uid (the default), mail, sAMAccountName
    LDAP_BIND_DN, LDAP_BIND_PASSWORD    who may search; left out: anyone may
    LDAP_GROUP       left out, or only members of this group may sign in: cn=mcp,ou=groups,dc=example,dc=com
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from omnitornado import Person

TIMEOUT = 5
"""Seconds."""


def check(username: str, password: str) -> Person | bool:
    """Find the person, then bind as them. It is a plain function: it runs on a thread, and may wait.

    The name that counts is the directory's own spelling: it takes "Ada" for "ada", and these must be one.
    """
    if not username or not password:
        # RFC 4513 §5.1.2: a bind without a password is an anonymous one, which succeeds.
        return False
    attribute = os.environ.get("LDAP_ATTRIBUTE", "uid")
    with connect(os.environ.get("LDAP_BIND_DN"), os.environ.get("LDAP_BIND_PASSWORD")) as search:
        if not search.bind():
            raise LDAPException("the directory does not let this server search")
        search.search(
            os.environ["LDAP_BASE"],
            f"(&({attribute}={escape_filter_chars(username)}){build_group_filter()})",
            attributes=[attribute],
            size_limit=2,
        )
        found = [entry for entry in search.entries if entry[attribute].value]
    if len(found) != 1:
        return False
    (entry,) = found
    with connect(entry.entry_dn, password) as person:
        # `bind` gives False for a wrong password, and raises where the directory can't be asked.
        return Person(str(entry[attribute].values[0])) if person.bind() else False


@contextmanager
def connect(name: str | None, password: str | None) -> Iterator[ldap3.Connection]:
    """A connection that is not bound yet, and that nobody can listen to."""
    url = os.environ["LDAP_URL"]
    parts = urlsplit(url)
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED)
    server = ldap3.Server(url, tls=tls, connect_timeout=TIMEOUT, get_info=ldap3.NONE)
    connection = ldap3.Connection(
        server, user=name, password=password, receive_timeout=TIMEOUT, read_only=True, raise_exceptions=False
    )
    connection.open()
    if parts.scheme == "ldap" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        connection.start_tls()
    try:
        yield connection
    finally:
        connection.unbind()


def build_group_filter() -> str:
    group = os.environ.get("LDAP_GROUP")
    return f"(memberOf={escape_filter_chars(group)})" if group else ""
