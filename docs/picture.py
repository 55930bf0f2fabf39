"""Takes docs/images/login.png: the login page of a real server in a headless Chromium, at twice its size.

Needs the development extras, Chromium and its driver. `python docs/picture.py`
"""

import asyncio
import base64
import sys
from pathlib import Path
from urllib.parse import urlencode

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from selenium import webdriver  # noqa: E402

from omnitornado import MCPServer, Server  # noqa: E402

REDIRECT = "https://notes.example.com/callback"


async def serve_and_take(target: Path) -> None:
    """Serve on a free port while the browser, on a thread, takes the picture."""
    client = {
        "client_id": "notes",
        "client_secret": "not-a-secret",
        "client_name": "Notes",
        "redirect_uris": [REDIRECT],
    }
    server = Server(
        MCPServer("omnitornado"), users={"admin": "password"}, clients=[client], port=0, store=None
    )
    ready = await server.start()
    query = {
        "client_id": "notes",
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "code_challenge": "a" * 43,
        "code_challenge_method": "S256",
    }
    url = f"{ready.issuer}/authorize?{urlencode(query)}"
    await asyncio.to_thread(take_picture, url, target)
    await server.stop()


def take_picture(url: str, target: Path) -> None:
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=2"):
        options.add_argument(argument)
    options.add_argument("--window-size=560,640")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        driver.get(url)
        driver.execute_script("document.activeElement.blur()")
        box = driver.execute_script(
            "const top = document.querySelector('.brand').getBoundingClientRect().y - 32;"
            "const card = document.querySelector('.card').getBoundingClientRect();"
            "return {x: card.x - 32, y: top, width: card.width + 64,"
            "  height: card.bottom + 32 - top, scale: 1};"
        )
        shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": box})
    finally:
        driver.quit()
    target.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    asyncio.run(serve_and_take(DOCS / "images" / "login.png"))
