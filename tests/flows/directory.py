"""A real LDAP directory of the tests: OpenLDAP's slapd on a free port of loopback."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import ldap3

SUFFIX = "dc=example,dc=com"
ADMIN, ADMIN_PASSWORD = f"cn=admin,{SUFFIX}", "directory-secret"
START_TIMEOUT = 15.0

CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/slapd.pid
disallow bind_anon
database mdb
suffix "{suffix}"
rootdn "{admin}"
rootpw {password}
directory {folder}/data
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{admin}" write by * none
"""

PEOPLE = {"ada": "ada's password", "Bob(*)": "bob's password"}


@contextlib.contextmanager
def open_directory(folder: Path) -> Iterator[str]:
    """The directory's URL. ada is in the group cn=mcp, Bob(*) is not."""
    (folder / "data").mkdir()
    configuration = folder / "slapd.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, suffix=SUFFIX, admin=ADMIN, password=ADMIN_PASSWORD)
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"ldap://127.0.0.1:{port}"
    server = subprocess.Popen(
        ["/usr/sbin/slapd", "-f", str(configuration), "-h", url, "-d", "0"], stdout=sys.stderr
    )
    try:
        _wait(server, port)
        _fill(url)
        yield url
    finally:
        server.terminate()
        server.wait(START_TIMEOUT)


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    """Until it takes connections; it has no other sign."""
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        assert server.poll() is None, "slapd has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("slapd does not answer")


def _fill(url: str) -> None:
    with ldap3.Connection(ldap3.Server(url, get_info=ldap3.NONE), ADMIN, ADMIN_PASSWORD) as directory:
        entries: list[tuple[str, list[str], dict[str, str]]] = [
            (SUFFIX, ["dcObject", "organization"], {"dc": "example", "o": "Example"}),
            (f"ou=people,{SUFFIX}", ["organizationalUnit"], {}),
            (f"ou=groups,{SUFFIX}", ["organizationalUnit"], {}),
        ]
        for number, (name, password) in enumerate(PEOPLE.items()):
            place = f"employeeNumber={number},ou=people,{SUFFIX}"
            facts = {"uid": name, "cn": name, "sn": name, "userPassword": password}
            entries.append((place, ["inetOrgPerson"], facts))
        member = f"employeeNumber=0,ou=people,{SUFFIX}"
        entries.append((f"cn=mcp,ou=groups,{SUFFIX}", ["groupOfNames"], {"member": member}))
        for place, classes, facts in entries:
            assert directory.add(place, classes, facts), directory.result
