"""The stylesheet and the pictures: nothing external, and colours that everyone can read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "static"
STYLESHEET = (STATIC / "style.css").read_text(encoding="utf-8")


def test_the_stylesheet_and_pictures_load_nothing() -> None:
    """Required by the pages' own policy: nothing external, and pictures are inert."""
    assert not re.search(r"@import|url\(|https?:", STYLESHEET)
    for picture in STATIC.glob("*.svg"):
        assert not re.search(r"<script|<style|href|\son\w+=", picture.read_text(encoding="utf-8")), (
            picture.name
        )


def read_tokens(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", STYLESHEET, re.DOTALL)[:2]
    tokens = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    return tokens | (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark)) if scheme == "dark" else {})


def measure_luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_enough_contrast_in_both_schemes(scheme: str) -> None:
    """Required by WCAG 2.2 (1.4.3 text 4.5:1, 1.4.11 controls and focus 3:1)."""
    tokens = read_tokens(scheme)
    pairs = [(ink, paper, 4.5) for ink in ("ink", "muted", "accent") for paper in ("paper", "card", "code")]
    pairs += [("on-accent", "accent", 4.5), ("on-accent", "accent-strong", 4.5), ("danger", "card", 4.5)]
    pairs += [("danger", "code", 4.5), ("accent-strong", "card", 4.5), ("accent-strong", "paper", 4.5)]
    pairs += [(f"{kind}-ink", f"{kind}-paper", 4.5) for kind in ("warning", "error", "done")]
    pairs += [("control", "card", 3), ("control", "paper", 3), ("error-edge", "card", 3)]
    for front, back, least in pairs:
        low, high = sorted(measure_luminance(tokens[name]) for name in (front, back))
        assert (high + 0.05) / (low + 0.05) >= least, (front, back)
