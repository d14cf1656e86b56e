"""Colours of the figures: apart for colour-blind readers by a simulation, taken from one palette, with labels that can be read."""

import itertools
import re

import numpy as np
import pytest

from utils import figures
from utils.review.charts import SHADES
from utils.runs import ROOT

# Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency": severity 1, linear RGB.
SEEN = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])  # sRGB, D65
WHITE = TO_XYZ.sum(axis=1)
# CIELAB distance; about 2.3 is just noticeable. Ten series still differ by mark, line or place: no figure tells them by colour alone.
APART, FEW_APART = 10, 40


def lab(colour, eyes: np.ndarray) -> np.ndarray:
    """CIELAB of a colour as these eyes see it."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    linear = np.clip(eyes @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), 0, 1)
    ratio = TO_XYZ @ linear / WHITE
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(colours, eyes: np.ndarray) -> float:
    """The smallest distance between two of the colours."""
    return min(float(np.linalg.norm(lab(a, eyes) - lab(b, eyes))) for a, b in itertools.combinations(colours, 2))


def test_the_simulation_keeps_greys_and_merges_red_with_green():
    for eyes in SEEN.values():
        assert np.allclose(lab("0.5", eyes)[1:], 0, atol=0.5) and np.isclose(lab("white", eyes)[0], 100, atol=0.1)
    pair = [(0.8, 0.2, 0.0), (0.45, 0.45, 0.0)]
    assert nearest(pair, SEEN["normal"]) > 60 and nearest(pair, SEEN["deuteranopia"]) < 25


@pytest.mark.parametrize("kind", ["normal", "protanopia", "deuteranopia"])
def test_series_stay_apart(kind):
    assert nearest(figures.COLOURS[:3], SEEN[kind]) >= FEW_APART
    assert nearest(figures.COLOURS, SEEN[kind]) >= APART
    assert nearest(SHADES.values(), SEEN[kind]) >= APART


def test_series_stay_apart_for_tritanopia_too():
    assert nearest(figures.COLOURS, SEEN["tritanopia"]) >= APART


def test_charts_take_their_colours_from_the_palette():
    named = re.compile(r"\b(?:color|colors|ec|fc|facecolor|edgecolor|c)=[\"'](?!0?\.\d|white|none|black)([^\"']+)[\"']")
    charts = [path for path in (ROOT / "utils").rglob("*.py") if re.search(r"utils\.figures|import figures", path.read_text(encoding="utf-8"))]
    assert len(charts) > 5
    for path in (*charts, ROOT / "utils" / "figures.py"):
        assert named.findall(path.read_text(encoding="utf-8")) == [], path


@pytest.mark.parametrize("ground", [*figures.COLOURS, "0.8", "white", "black"], ids=str)
def test_words_on_a_colour_can_be_read(ground):
    light, dark = sorted((figures.luminance(ground), figures.luminance(figures.ink(ground))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_luminance_is_that_of_the_standard():
    assert figures.luminance("white") == pytest.approx(1) and figures.luminance("black") == 0
    assert 1.05 / (figures.luminance("#767676") + 0.05) == pytest.approx(4.54, abs=0.01)  # WCAG's own example of a grey that just passes


def test_labels_inside_stacked_bars_use_that_ink():
    figure = figures.answer_languages({"tuned": {"en": 30, "pt-BR": 30, "it": 30, "undecided": 30}}, "Languages")
    grounds = [patch.get_facecolor() for patch in figure.axes[0].patches]
    inks = [text.get_color() for text in figure.axes[0].texts if text.get_text()]
    assert inks == [figures.ink(ground) for ground in grounds] and set(inks) == {"black", "white"}


@pytest.mark.parametrize("alt", ['Bars: "one" <b>1</b> & two', "plain"])
def test_a_figure_always_carries_its_alternative_text(tmp_path, alt):
    from html.parser import HTMLParser

    shown = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, found: shown.append((tag, dict(found).get("alt")))
    reader.feed(figures.finish(figures.bars({"one": 1.0}, "t", "x"), tmp_path, "f", alt).data)
    assert shown == [("img", alt)] and (tmp_path / "figures" / "f.txt").read_text(encoding="utf-8") == alt


def test_a_saved_figure_keeps_its_colours_and_is_small():
    import io

    import matplotlib.pyplot as plt
    from PIL import Image

    from utils.corpus.scenes.render import render
    from utils.corpus.scenes.world import scene_of

    def drawn():
        figure, axes = figures.canvas(9, 3, 3)
        for n, axis in enumerate(axes[0]):
            axis.imshow(render(scene_of("known", n), size=288))
            axis.axis("off")
            axis.set_title(f"number {n}", color=figures.COLOURS[n])
        return figure

    whole = io.BytesIO()
    figure = drawn()
    figure.savefig(whole, format="png", bbox_inches="tight", facecolor="white")
    plt.close(figure)
    kept = figures.png(drawn())
    one, other = (np.asarray(Image.open(file).convert("RGB")).astype(int) for file in (whole, io.BytesIO(kept)))
    shades, counts = np.unique(one.reshape(-1, 3), axis=0, return_counts=True)
    for shade in shades[np.argsort(-counts)[:25]]:
        assert np.abs(other[(one == shade).all(axis=2)] - shade).max() <= 8
    assert len(kept) < len(whole.getvalue()) / 2
