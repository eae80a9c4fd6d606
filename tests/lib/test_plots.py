"""Figures: deterministic, readable on both themes, no colliding id, alt required."""

import html
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from theorylab import plots


def curve(power=1, label="curve"):
    fig, ax = plots.figure(4, 3)
    x = np.linspace(0, 1, 20)
    ax.plot(x, x**power, label=label)
    ax.set(xlabel="input", ylabel=r"error $\varepsilon^2$", title="A curve")
    ax.legend()
    return fig


def luminance(colour):
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    lin = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return float(np.dot([0.2126, 0.7152, 0.0722], lin))


def contrast(a, b):
    high, low = sorted([luminance(a), luminance(b)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", plots.PALETTE)
@pytest.mark.parametrize("page", ["#ffffff", "#14181e"])
def test_every_colour_stands_out_on_both_themes(colour, page):
    assert contrast(colour, page) >= 3


def test_a_figure_is_one_accessible_element():
    text = plots.svg(curve(), alt='Error & "bound"')
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'Error & "bound"'
    assert not list(root.iter("{http://www.w3.org/2000/svg}metadata"))


def test_text_and_axes_take_the_colour_of_the_page():
    text = plots.svg(curve(), alt="A curve")
    assert "currentColor" in text
    assert plots.INK not in text
    assert "#000000" not in text
    assert "#ffffff" not in text
    assert "input" in text  # text stays text


def test_the_house_style():
    _, ax = plots.figure()
    lines = [ax.plot([0, 1], [i, 1], label=f"curve {i}")[0] for i in range(6)]
    legend, note = ax.legend(), ax.text(0, 0, "note")
    words = [ax.title, ax.xaxis.label, ax.yaxis.label, note]
    assert {word.get_size() for word in words} == {11}
    ticks = ax.get_xticklabels() + ax.get_yticklabels()
    assert {word.get_size() for word in (*ticks, *legend.get_texts())} == {10}
    assert not legend.get_frame_on()
    # Curves differ in colour and, for those who do not see it, in their dashes.
    assert tuple(line.get_color() for line in lines) == plots.PALETTE
    assert len({str(line._dash_pattern) for line in lines}) == 6
    assert {line.get_linewidth() for line in lines} == {2}
    # A faint grid below them, no frame on the right and at the top.
    grid = [*ax.get_xgridlines(), *ax.get_ygridlines()]
    assert all(line.get_visible() and line.get_alpha() <= 0.15 for line in grid)
    assert ax.get_axisbelow() is True
    spines = {name for name, spine in ax.spines.items() if spine.get_visible()}
    assert spines == {"left", "bottom"}


def test_the_same_data_give_the_same_bytes():
    assert plots.svg(curve(), alt="A") == plots.svg(curve(), alt="A")
    assert not re.search(r"\d{4}-\d\d-\d\dT", plots.svg(curve(), alt="A"))


def test_ids_do_not_collide_and_are_all_used():
    texts = [
        plots.svg(curve(), alt="A"),
        plots.svg(curve(2), alt="A"),
        plots.slider_html([curve(), curve()], label="p", values=[1, 2], alt="B"),
    ]
    ids = [i for text in texts for i in re.findall(r' id="([^"]+)"', text)]
    refs = [i for t in texts for i in re.findall(r'(?:url\(#|href="#)([^)"]+)', t)]
    assert ids
    assert len(ids) == len(set(ids))
    assert set(ids) == set(refs)


def test_a_slider_starts_at_its_frame_and_names_its_values():
    text = plots.slider_html(
        [curve(1), curve(2), curve(3)],
        label="power",
        values=["one", 'two "2"', "three"],
        alt="A curve",
        start=1,
    )
    assert re.findall(r'<div class="frame"( hidden)?>', text) == [
        " hidden",
        "",
        " hidden",
    ]
    assert 'type="range" min="0" max="2" step="1" value="1"' in text
    assert 'aria-valuetext="two &quot;2&quot;"' in text
    alts = [
        html.unescape(a) for a in re.findall(r'role="img" aria-label="(.*?)"', text)
    ]
    assert alts == [f"A curve (power: {v})" for v in ("one", 'two "2"', "three")]
    assert "<script" not in text


class Inputs(HTMLParser):
    """The attributes of every input, as a browser reads them."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "input":
            self.found.append(dict(attributes))


def test_a_slider_hands_its_values_to_the_browser():
    values = ["one", 'two "2"', "<três>"]
    frames = [curve(), curve(2), curve(3)]
    text = plots.slider_html(frames, label='p "q"', values=values, alt="A")
    (found,) = Inputs(text).found
    assert json.loads(found["data-values"]) == values
    assert found["aria-label"] == 'p "q"'
    assert "JSON.parse(this.dataset.values)[i]" in found["oninput"]
    assert found["oninput"].endswith("this.setAttribute('aria-valuetext', text)")


def test_a_slider_takes_one_alt_a_frame():
    text = plots.slider_html(
        [curve(), curve(2)], label="p", values=[1, 2], alt=["a", "b"]
    )
    assert re.findall(r'role="img" aria-label="(.*?)"', text) == ["a", "b"]


def test_show_and_slider_display(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda page: shown.append(page.data))
    assert plots.show(curve(), alt="A") is None
    assert plots.slider([curve()], label="p", values=[1], alt="A") is None
    picture = plots.svg(curve(), alt="A")
    assert shown == [
        f'<figure class="plot">{picture}</figure>',
        plots.slider_html([curve()], label="p", values=[1], alt="A"),
    ]


@pytest.mark.parametrize("alt", ["", "  ", None, 3])
def test_a_figure_without_alt_is_refused(alt):
    with pytest.raises(ValueError, match="alt: expected a non-empty text"):
        plots.show(curve(), alt=alt)


def test_what_is_no_figure_is_refused():
    with pytest.raises(ValueError, match="fig: expected a Figure, got str"):
        plots.show("a figure", alt="A")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": []}, "frames: expected at least one"),
        ({"frames": ["x", "y"]}, "fig: expected a Figure"),
        ({"values": [1]}, "values: expected 2, one a frame: 1"),
        ({"values": [1, ""]}, "values: expected a non-empty text"),
        ({"label": ""}, "label: expected a non-empty text"),
        ({"alt": ""}, "alt: expected a non-empty text"),
        ({"alt": ["a"]}, "alt: expected 2, one a frame: 1"),
        ({"alt": ["a", " "]}, "alt: expected a non-empty text"),
        ({"start": 2}, "start: expected 0 to 1"),
        ({"start": -1}, "start: expected 0 to 1"),
        ({"start": 0.5}, "start: expected 0 to 1"),
        ({"start": True}, "start: expected 0 to 1"),
    ],
)
def test_a_slider_names_the_argument_it_refuses(change, message):
    good = {"frames": [curve(), curve(2)], "label": "p", "values": [1, 2], "alt": "A"}
    with pytest.raises(ValueError, match=message):
        plots.slider(**{**good, **change})


def test_frames_of_two_sizes_are_refused():
    other, _ = plots.figure(5, 3)
    with pytest.raises(ValueError, match="frames: expected one size"):
        plots.slider([curve(), other], label="p", values=[1, 2], alt="A")


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"width": 0}, "width"),
        ({"width": float("nan")}, "width"),
        ({"height": float("inf")}, "height"),
        ({"columns": 0}, "columns"),
        ({"rows": 1.5}, "rows"),
        ({"rows": True}, "rows"),
    ],
)
def test_an_impossible_figure_is_refused(size, message):
    with pytest.raises(ValueError, match=message):
        plots.figure(**size)


def test_a_grid_of_axes():
    _, axes = plots.figure(6, 3, columns=2)
    assert axes.shape == (2,)
    _, axes = plots.figure(6, 3, columns=3, rows=2)
    assert axes.shape == (2, 3)


def test_a_figure_may_be_small():
    fig, _ = plots.figure(0.5, 0.75)
    assert fig.get_size_inches().tolist() == [0.5, 0.75]
