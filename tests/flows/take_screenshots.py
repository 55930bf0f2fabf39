"""Takes the documentation's pictures anew, from a server with the configuration at the top of the project.

PYTHONPATH=tests python -m flows.take_screenshots
"""

import shutil
import tempfile
from pathlib import Path

from .chromium import Chromium
from .ledger import Ledger
from .process import TOP, ServerProcess
from .raw import RawClient

IMAGES = TOP / "docs" / "images"
FRAME = {"x": 320.0, "y": 48.0, "width": 640.0, "height": 520.0, "scale": 1.0}
"""The middle of a window of 1280 by 800, around the form."""
PROVIDER_TABLE = """
[login.oidc]
issuer = "http://127.0.0.1:9"
client_id = "app"
allow_everyone = true
label = "Sign in with Google"
"""


def take_pictures(folder: Path) -> None:
    """Sign-in and consent, light, at twice the size."""
    shutil.copy(TOP / "config.toml", folder)
    server = ServerProcess(folder, {}, Ledger()).start()
    chromium = Chromium(folder / "profile")
    try:
        client = RawClient(
            server.issuer, Ledger(), client_id="my-client-id", callback="https://myapp.com/callback"
        )
        chromium.resize(1280, 800, scale=2)
        chromium.open(client.build_authorization_url())
        chromium.save_picture(IMAGES / "login.png", clip=FRAME)
        chromium.sign_in("admin", "password")
        chromium.wait_until(lambda: chromium.has("button[value=approve]"))
        chromium.resize(1280, 1400, scale=2)  # no scroll bar: the card stands in the middle
        card = chromium.find(".card").rect
        height = card["y"] + card["height"] + 16.0
        chromium.save_picture(IMAGES / "consent.png", clip=FRAME | {"y": 16.0, "height": height})
        client.http.close()
    finally:
        chromium.close()
        server.stop()


def take_provider_picture(folder: Path) -> None:
    """The sign-in page with the way to an OpenID provider, which nobody goes."""
    shutil.copy(TOP / "config.toml", folder)
    with (folder / "config.toml").open("a") as file:
        file.write(PROVIDER_TABLE)
    server = ServerProcess(folder, {}, Ledger())
    server.expected.append("login.provider_failed")
    server.start()
    chromium = Chromium(folder / "profile")
    try:
        chromium.resize(1280, 800, scale=2)
        chromium.open(server.issuer + "/login")
        card = chromium.find(".card").rect
        height = card["y"] + card["height"]
        chromium.save_picture(IMAGES / "provider.png", clip=FRAME | {"height": height})
    finally:
        chromium.close()
        server.stop()


if __name__ == "__main__":
    for take in (take_pictures, take_provider_picture):
        with tempfile.TemporaryDirectory() as name:
            take(Path(name))
