"""The tests' certificate (`net/https_site.py`) in files, for servers that are processes."""

from pathlib import Path

from net.https_site import make_pem


def write_certificate(folder: Path) -> None:
    """`certificate.pem` and `key.pem`, good for localhost and 127.0.0.1."""
    certificate, key = make_pem()
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
