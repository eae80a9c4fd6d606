"""What a reader meets: every page in both themes and widths, and what reacts."""

from __future__ import annotations

import re
from pathlib import Path

import axe_playwright_python
import pytest
from bs4 import BeautifulSoup

from tools import lint_site

from .conftest import SITE, Open

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
PHONE = 360


def _pages() -> list[str]:
    """Every page but those that only send the reader on."""
    return [
        path.relative_to(SITE).as_posix()
        for path in sorted(SITE.rglob("*.html"))
        if "_static" not in path.relative_to(SITE).parts
        and 'http-equiv="Refresh"' not in path.read_text(encoding="utf-8")[:2000]
    ]


def _soup(name: str) -> BeautifulSoup:
    return BeautifulSoup((SITE / name).read_text(encoding="utf-8"), "html.parser")


PAGES = _pages()
CHAPTERS = [
    p.relative_to(SITE / "_sources").with_suffix(".html").as_posix()
    for p in sorted((SITE / "_sources").rglob("*.ipynb"))
]
WITH_SLIDER = [
    name for name in CHAPTERS if _soup(name).select("figure.slider")
]  # fmt: skip

# Axe looks at every token of code and every glyph of a formula, which on a chapter
# takes half a minute. Three tokens of a class on the same ground have the colours of
# all of them, a dozen formulas the structure of all, and a frame that is not shown
# is not read: the rest of these becomes plain text or goes.
# All looks are read before the first token goes: a change makes the next look slow.
SAMPLE = """() => {
  const seen = new Map();
  const tokens = [...document.querySelectorAll(".highlight span[class]")];
  const more = tokens.filter(token => {
    const ground = getComputedStyle(token.closest(".highlight")).backgroundColor;
    const look = `${token.className} ${getComputedStyle(token).color} ${ground}`;
    seen.set(look, (seen.get(look) ?? 0) + 1);
    return seen.get(look) > 3;
  });
  for (const token of more) token.replaceWith(...token.childNodes);
  for (const code of document.querySelectorAll(".highlight pre")) code.normalize();
  const formulas = [...document.querySelectorAll("mjx-container:not(.scrolls)")];
  for (const formula of formulas.slice(12)) formula.replaceChildren();
  for (const frame of document.querySelectorAll(".frame[hidden]"))
    frame.replaceChildren();
}"""
# `preload` would have axe fetch the stylesheets, which a page of a folder may not.
RUN_AXE = """rules => axe.run(document, {
  runOnly: rules, resultTypes: ["violations"], preload: false,
}).then(found => found.violations.flatMap(rule => rule.nodes.map(node =>
  `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary}`)))"""


def test_the_site_is_built() -> None:
    """Everything else here needs the site."""
    assert (SITE / "index.html").is_file(), f"no site in {SITE}: run `make book` first"
    assert len(PAGES) > 10
    assert len(CHAPTERS) >= 5


@pytest.mark.parametrize("width", [1400, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page(visit: Open, name: str, theme: str, width: int) -> None:
    """No violation, no error, no request, no lost formula, no sideways scroll."""
    seen = visit(name, theme=theme, width=width)
    page = seen.page
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    shown, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert shown <= room, "the page scrolls sideways"

    raw = page.evaluate(
        """() => [...document.querySelectorAll(".math")]
            .filter(math => !math.querySelector("mjx-container"))
            .map(math => math.textContent)"""
    )
    assert not raw, "formulas that were not drawn"
    assert page.locator("mjx-merror").count() == 0, "formulas that MathJax refuses"
    text = page.evaluate(
        """() => {
          const copy = document.querySelector("main").cloneNode(true);
          copy.querySelectorAll("pre, code, script, mjx-container, svg")
            .forEach(part => part.remove());
          return copy.textContent; }"""
    )
    assert "$$" not in text

    page.evaluate(SAMPLE)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate(RUN_AXE, RULES) == []
    assert seen.faults == []


def test_axe_finds_a_planted_fault(visit: Open) -> None:
    """The gate above can close: a pale token and a nameless button are seen."""
    page = visit(CHAPTERS[0]).page
    page.evaluate(
        """() => {
          document.querySelector("article p").style.color = "#ccc";
          document.querySelector("article").append(document.createElement("button"));
          fetch("https://example.org/").catch(() => {}); }"""
    )
    page.evaluate(SAMPLE)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = {line.partition(":")[0] for line in page.evaluate(RUN_AXE, RULES)}
    assert {"color-contrast", "button-name"} <= found


def test_a_request_is_seen_and_stopped(visit: Open) -> None:
    """The network is off, and an attempt leaves a trace."""
    seen = visit("intro.html")
    seen.page.evaluate("fetch('https://example.org/x.js').catch(() => {})")
    assert "asks for https://example.org/x.js" in seen.faults


def test_the_front_door_leads_in(visit: Open) -> None:
    """``index.html`` sends the reader to the front page."""
    page = visit("index.html", script=False).page
    page.wait_for_url("**/intro.html")


def test_the_front_page_counts_what_the_ledger_holds(visit: Open) -> None:
    """The live count is the number of rows of the ledger."""
    words = visit("intro.html").page.locator(".ledger-summary").inner_text()
    held, total = map(int, re.search(r"(\d+) of (\d+) claims hold", words).groups())
    ledger = visit("chapters/ledger.html").page
    assert ledger.locator("#ledger-table tbody tr").count() == total > 0
    kinds = visit("intro.html").page.locator(".ledger-counts .number")
    assert sum(map(int, kinds.all_inner_texts())) == held == total


def test_search_finds_a_theorem(visit: Open) -> None:
    """The search works from the folder, and knows what theorems are called."""
    row = _soup("chapters/theorems.html").select_one("#theorem-table tbody tr")
    title, chapter = (cell.get_text() for cell in row.find_all("td")[:2])
    words = "+".join(re.findall(r"[A-Za-z]{4,}", title)) or title
    page = visit("search.html", query=f"?q={words}").page
    hits = page.locator("#search-results li a")
    hits.first.wait_for()
    assert any(chapter.strip() in hit for hit in hits.all_inner_texts())


@pytest.mark.parametrize("width", [1400, PHONE])
def test_there_is_one_way_to_search(visit: Open, width: int) -> None:
    """One button is shown, and it opens the box from the keyboard."""
    page = visit("intro.html", width=width).page
    button = page.locator(".search-button__button:visible, .search-button:visible")
    assert button.count() == 1
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("input[type=search][name=q]:visible").count() == 1
    page.keyboard.type("attention")
    page.keyboard.press("Enter")
    page.locator("#search-results li a").first.wait_for()


@pytest.mark.parametrize("name", WITH_SLIDER)
def test_a_slider_moves_by_keyboard(visit: Open, name: str) -> None:
    """An arrow key shows another frame, and says which."""
    page = visit(name).page
    for figure in page.locator("figure.slider").all():
        knob = figure.locator("input[type=range]")
        state = """f => [[...f.querySelectorAll(".frame")].findIndex(x => !x.hidden),
            f.querySelector("input").ariaValueText
              ?? f.querySelector("input").getAttribute("aria-valuetext"),
            f.querySelector(".value").textContent,
            [...f.querySelectorAll(".frame")].filter(x => !x.hidden).length]"""
        before = figure.evaluate(state)
        key = "ArrowRight" if before[0] < int(knob.get_attribute("max")) else "Home"
        knob.focus()
        page.keyboard.press(key)
        after = figure.evaluate(state)
        assert after[0] != before[0]
        assert after[1] == after[2] != before[1]
        assert after[3] == before[3] == 1


def test_the_book_has_a_slider() -> None:
    """The test above ran on something."""
    assert WITH_SLIDER


def test_the_ledger_filters_by_keyboard(visit: Open) -> None:
    """A choice made with arrow keys hides the other rows; words narrow further."""
    page = visit("chapters/ledger.html").page
    rows = page.locator("#ledger-table tbody tr")
    every = rows.count()
    kind = page.locator('select[data-filter="evidence"]')
    kind.focus()
    page.keyboard.press("ArrowDown")
    chosen = kind.input_value()
    shown = page.locator("#ledger-table tbody tr:visible")
    assert chosen
    assert 0 < shown.count() < every
    assert all(chosen == row.get_attribute("data-evidence") for row in shown.all())
    count = shown.count()
    assert f"{count} of {every}" in page.locator("[role=status]").first.inner_text()
    page.locator("[data-filter-text]").focus()
    page.keyboard.type("no such words in any claim")
    assert shown.count() == 0


def test_the_ledger_needs_no_script(visit: Open) -> None:
    """Without JavaScript every claim is there, and no dead control."""
    plain = visit("chapters/ledger.html", script=False).page
    rows = _soup("chapters/ledger.html").select("#ledger-table tbody tr")
    assert plain.locator("#ledger-table tbody tr:visible").count() == len(rows) > 0
    assert plain.locator("form.table-filter:visible").count() == 0


def test_what_scrolls_can_be_reached(visit: Open) -> None:
    """On a phone a wide box is marked, named and in the order of the Tab key."""
    page = visit(CHAPTERS[0], width=PHONE).page
    page.wait_for_selector(".scrolls")
    wide = page.evaluate(
        """() => [...document.querySelectorAll(
            ".bd-article :is(div.math mjx-container, pre, .certificate-scroll)")]
          .filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1)
          .map(box => [box.tabIndex, box.getAttribute("role"),
                       !!box.getAttribute("aria-label"),
                       getComputedStyle(box).boxShadow.includes("inset")])"""
    )
    assert wide
    assert all(box == [0, "region", True, True] for box in wide)
    inside = page.locator('mjx-container[tabindex="0"]:not(.scrolls)')
    assert inside.count() == 0, "formulas that fit are no stop of the Tab key"


def test_folded_code_opens_by_keyboard(visit: Open) -> None:
    """Hidden input and folded solutions are real controls."""
    page = visit(CHAPTERS[-1]).page
    folded = page.locator("details.hide").first
    folded.locator("summary").focus()
    page.keyboard.press("Enter")
    assert folded.get_attribute("open") is not None
    solution = page.locator(".admonition.dropdown").first
    before = solution.evaluate("box => box.offsetHeight")
    solution.locator("button").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "h => document.querySelector('.admonition.dropdown').offsetHeight > h",
        arg=before,
    )


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_can_be_downloaded(name: str) -> None:
    """The button at the top leads to the notebook itself."""
    links = _soup(name).select("a.btn-download-source-button[href]")
    assert [Path(a["href"]).suffix for a in links] == [".ipynb"]
    file = (SITE / name).parent / links[0]["href"]
    assert file.is_file()


def test_no_button_leads_to_a_repository_that_is_not_set() -> None:
    """Edit, Binder and Colab appear with ``repository.url`` and not before."""
    config = (Path(__file__).parents[2] / "_config.yml").read_text(encoding="utf-8")
    if re.search(r"^repository:", config, re.M):
        pytest.skip("a repository is configured")
    for name in CHAPTERS:
        words = str(_soup(name).select_one(".header-article__inner")).lower()
        assert not re.search(r"binder|colab|/edit/|github", words)


def test_no_link_is_broken() -> None:
    """A smoke check; ``make lint-site`` has the whole set of rules."""
    assert lint_site.broken_links(lint_site.read(SITE), SITE) == []
