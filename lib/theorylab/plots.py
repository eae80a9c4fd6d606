"""Figures in the house style: inline SVG that reads on light and on dark pages.

Text and axes take the page's own colour (``currentColor``), the background is
transparent, the palette keeps 3:1 contrast on white and on the dark theme, and
curves differ in line style as well as in colour. The same data give the same bytes
on every run. Nothing here needs a server: a slider is a plain range input over
frames drawn beforehand, and the same HTML works in Jupyter and from a folder.

Used by every chapter with a picture, and by the site's performance page.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE = "#0072b2"
VERMILLION = "#d55e00"
GREEN = "#009e73"
PURPLE = "#b0558f"
OCHRE = "#9a7a00"
GREY = "#808080"
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, OCHRE, GREY)
"""Okabe and Ito's hues, moved to a luminance that reads on white and on dark."""

INK = "#010203"
"""Stands for the page's text colour: written as ``currentColor``."""

_STYLE: dict[str, Any] = {
    "svg.hashsalt": "theorylab",
    "svg.fonttype": "none",  # text stays text: a third of the size, and selectable
    "font.family": "DejaVu Sans",
    "font.size": 11.0,
    "axes.titlesize": 11.0,
    "axes.labelsize": 11.0,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "legend.fontsize": 10.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "image.cmap": "cividis",
    "axes.prop_cycle": cycler(color=PALETTE)
    + cycler(linestyle=["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1))]),
}


def figure(
    width: float = 5.6, height: float = 3.2, *, columns: int = 1, rows: int = 1
) -> tuple[Figure, Any]:
    """A figure in the house style.

    Args:
        width, height: inches; keep ``width`` under 7, so that a phone can show it.
        columns, rows: the grid of axes.

    Returns:
        The figure, and one :class:`Axes`, or an array of them as
        :func:`matplotlib.pyplot.subplots` shapes it.

    Raises:
        ValueError: a size that is not positive and finite, or an empty grid.

    >>> fig, ax = figure(4, 3)
    >>> _ = ax.plot([1, 2], [3, 4])
    """
    for name, value in (("width", width), ("height", height)):
        if not np.isfinite(value) or value <= 0:
            raise ValueError(f"{name}: expected a positive number of inches: {value}")
    for name, value in (("columns", columns), ("rows", rows)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}: expected an integer of at least 1: {value!r}")
    matplotlib.rcParams.update(_STYLE)
    fig = Figure(figsize=(width, height), layout="constrained")
    axes: Axes | np.ndarray = fig.subplots(rows, columns)
    return fig, axes


def show(fig: Figure, *, alt: str) -> None:
    """Display a figure as inline SVG.

    Args:
        fig: from :func:`figure`.
        alt: what a reader who cannot see it should know: what is drawn, and what it
            shows. One or two sentences.

    Raises:
        ValueError: no figure, or an empty ``alt``.
    """
    picture = svg(fig, alt=alt)
    display(HTML(f'<figure class="plot">{picture}</figure>'))


def slider(
    frames: Sequence[Figure],
    *,
    label: str,
    values: Sequence[Any],
    alt: str | Sequence[str],
    start: int = 0,
) -> None:
    """Display figures under a range input that picks the one shown.

    Args:
        frames: the figures, all of one size, in order.
        label: the parameter's name, beside the input.
        values: the parameter's value in each frame, as it should be read out.
        alt: one text for all frames (the value is added), or one a frame.
        start: the frame shown first, and the only one without JavaScript.

    Raises:
        ValueError: no frame, frames of different size, as many values or alts as
            there are not frames, an empty text, or ``start`` out of range.
    """
    display(HTML(slider_html(frames, label=label, values=values, alt=alt, start=start)))


def svg(fig: Figure, *, alt: str, prefix: str = "") -> str:
    """The figure as one ``<svg role="img">`` element, the same on every run.

    Args:
        fig: from :func:`figure`.
        alt: as in :func:`show`.
        prefix: put before every id, to tell apart pictures with the same content.

    Raises:
        ValueError: no figure, or an empty ``alt``.
    """
    if not isinstance(fig, Figure):
        raise ValueError(f"fig: expected a Figure, got {type(fig).__name__}")
    _text("alt", alt)
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        fig.savefig(buffer, format="svg", metadata={"Date": None})
    return _tidy(buffer.getvalue(), alt, prefix)


def slider_html(
    frames: Sequence[Figure],
    *,
    label: str,
    values: Sequence[Any],
    alt: str | Sequence[str],
    start: int = 0,
) -> str:
    """The HTML that :func:`slider` displays."""
    frames = list(frames)
    if not frames:
        raise ValueError("frames: expected at least one figure, got none")
    _text("label", label)
    texts = [str(value) for value in values]
    if len(texts) != len(frames):
        raise ValueError(f"values: expected {len(frames)}, one a frame: {len(texts)}")
    for text in texts:
        _text("values", text)
    if isinstance(alt, str):
        _text("alt", alt)
        alts = [f"{alt} ({label}: {text})" for text in texts]
    else:
        alts = list(alt)
        if len(alts) != len(frames):
            raise ValueError(f"alt: expected {len(frames)}, one a frame: {len(alts)}")
    if isinstance(start, bool) or start not in range(len(frames)):
        raise ValueError(f"start: expected 0 to {len(frames) - 1}, got {start!r}")
    sizes = {tuple(fig.get_size_inches()) for fig in frames if isinstance(fig, Figure)}
    if len(sizes) > 1:
        raise ValueError(f"frames: expected one size, got {sorted(sizes)}")

    drawn = "".join(
        f'<div class="frame"{"" if i == start else " hidden"}>'
        f"{svg(fig, alt=alts[i], prefix=f'f{i}-')}</div>"
        for i, fig in enumerate(frames)
    )
    data = html.escape(json.dumps(texts))
    # The handler is an attribute, not a script: Jupyter and the site both keep it,
    # and it finds its own figure, so no id can collide.
    handler = html.escape(
        "const figure = this.closest('figure'), i = Number(this.value),"
        " text = JSON.parse(this.dataset.values)[i];"
        "figure.querySelectorAll('.frame').forEach((f, k) => { f.hidden = k !== i });"
        "figure.querySelector('.value').textContent = text;"
        "this.setAttribute('aria-valuetext', text)"
    )
    return (
        '<figure class="plot slider">'
        f'<label>{html.escape(label)}: <span class="value">{html.escape(texts[start])}'
        f'</span> <input type="range" min="0" max="{len(frames) - 1}" step="1" '
        f'value="{start}" autocomplete="off" aria-label="{html.escape(label)}" '
        f'aria-valuetext="{html.escape(texts[start])}" data-values="{data}" '
        f'oninput="{handler}" style="width: 100%"></label>{drawn}</figure>'
    )


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}: expected a non-empty text, got {value!r}")


def _tidy(source: str, alt: str, prefix: str) -> str:
    """Matplotlib's file as an element of a page: no prologue, no free ids."""
    source = source[source.index("<svg") :]
    source = re.sub(r"<metadata>.*?</metadata>\s*", "", source, flags=re.DOTALL)
    source = re.sub(r"<!--.*?-->\s*", "", source, flags=re.DOTALL)
    # Black too: text that a chapter adds is black unless it says otherwise.
    source = re.sub(rf"{INK}|#000000\b", "currentColor", source)
    # Labels were measured in DejaVu Sans; Verdana has its widths where it is missing.
    fonts = "'DejaVu Sans', Verdana, sans-serif"
    source = re.sub(r"font-family:[^;\"]*", f"font-family: {fonts}", source)
    # Matplotlib styles *, which inside a page would mean every element of the page.
    source = re.sub(r"<style.*?</style>", "", source, flags=re.DOTALL)
    source = re.sub(r' d="[^"]*"', _shorten, source)
    source = re.sub(r">\s+<", "><", source)

    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', source))
    digest = hashlib.sha256(f"{alt}{source}".encode()).hexdigest()[:8]
    mark = f"p{digest}-{prefix}"
    source = re.sub(
        r' id="([^"]+)"',
        lambda m: f' id="{mark}{m[1]}"' if m[1] in used else "",
        source,
    )
    source = re.sub(r'(url\(#|href="#)(?=[^)"]+[)"])', rf"\g<1>{mark}", source)

    opening, rest = source.split(">", 1)
    width = re.search(r' width="([\d.]+)pt"', opening)
    box = re.search(r' viewBox="[^"]+"', opening)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink"{box[0]} role="img" '
        f'aria-label="{html.escape(alt)}" '
        f'style="width: {float(width[1]) / 0.75:.0f}px; max-width: 100%; height: auto; '
        f'stroke-linejoin: round">'
        f"{rest.rstrip()}"
    )


def _shorten(path: re.Match[str]) -> str:
    """Path data to a hundredth of a point: half the size, no difference seen."""
    return re.sub(r"\s+", " ", re.sub(r"(\.\d\d)\d+", r"\1", path[0]))
