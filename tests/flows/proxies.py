"""Real proxies in front of the server: nginx and HAProxy, configured as in `examples/proxies`."""

import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .process import PATIENCE, TOP

EXAMPLES = TOP / "examples" / "proxies"

NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""


def find_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def write_nginx(folder: Path, port: int, servers: Sequence[int]) -> list[str]:
    """The example with its addresses replaced; gives the command."""
    site = (EXAMPLES / "nginx.conf").read_text()
    site = _replace_servers(
        site, r"    server 127\.0\.0\.1:8080;\n", "    server 127.0.0.1:{port};\n", servers
    )
    site = site.replace("listen 443", f"listen 127.0.0.1:{port}").replace("mcp.example.com;", "localhost;")
    site = re.sub(r"/etc/letsencrypt\S+/fullchain\.pem", f"{folder}/certificate.pem", site)
    site = re.sub(r"/etc/letsencrypt\S+/privkey\.pem", f"{folder}/key.pem", site)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, site=site))
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def write_sticky(folder: Path, port: int, servers: Sequence[int]) -> list[str]:
    """HAProxy with the lines of docs/scaling.md, for objects that keep their sessions to themselves."""
    guide = (TOP / "docs" / "scaling.md").read_text()
    (lines,) = re.findall(r"```\n(    stick-table .*?)```", guide, re.DOTALL)
    return write_haproxy(folder, port, servers, more=lines)


def write_haproxy(folder: Path, port: int, servers: Sequence[int], *, more: str = "") -> list[str]:
    """The same for HAProxy, which wants certificate and key in one file. `more`: lines of its backend."""
    pem = folder / "both.pem"
    pem.write_bytes((folder / "certificate.pem").read_bytes() + (folder / "key.pem").read_bytes())
    pem.chmod(0o600)
    text = (EXAMPLES / "haproxy.cfg").read_text()
    line = "    server node-{port} 127.0.0.1:{port}\n"
    text = _replace_servers(text, r"    server one 127\.0\.0\.1:8080\n", line, servers)
    text = text.replace("backend omnitornado\n    balance", f"backend omnitornado\n{more}    balance")
    text = text.replace("bind :443", f"bind 127.0.0.1:{port}")
    text = text.replace("/etc/haproxy/mcp.example.com.pem", str(pem))
    (folder / "haproxy.cfg").write_text(text)
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


def _replace_servers(text: str, line: str, form: str, servers: Sequence[int]) -> str:
    replaced, count = re.subn(line, "".join(form.format(port=port) for port in servers), text)
    assert count == 1
    return replaced


WRITERS = {"nginx": write_nginx, "haproxy": write_haproxy}
STICKY = {"sticky": write_sticky}


@contextlib.contextmanager
def open_proxy(kind: str, folder: Path, port: int, servers: Sequence[int]) -> Iterator[None]:
    """Run it until the end of the block. `folder` holds certificate.pem and key.pem."""
    command = (WRITERS | STICKY)[kind](folder, port, servers)
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    process = subprocess.Popen(command, stdout=sys.stderr, env=environment, cwd=folder)
    try:
        _wait(process, port, ssl.create_default_context(cafile=folder / "certificate.pem"))
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait(process: "subprocess.Popen[bytes]", port: int, context: ssl.SSLContext) -> None:
    """Until it passes a request on: HAProxy takes connections before it knows its servers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, "the proxy has ended"
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), 1) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if secure.recv(64).startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.05)
    raise AssertionError("the proxy does not answer")
