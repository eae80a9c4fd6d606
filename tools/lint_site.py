"""Rules on the built site: what a reader's browser would meet.

The site must work from a folder with no network: nothing it loads may come from
another host, and every link inside it must lead somewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from bs4 import BeautifulSoup

from tools.findings import Finding

LOADING = ("src", "srcset", "poster", "data", "href", "xlink:href", "action")
"""Attributes by which a page loads something, on any tag that is not a link."""
LINKS = frozenset({"a", "area"})
ELSEWHERE = re.compile(r"^\s*(?:https?:)?//", re.I)
IN_STYLE = re.compile(
    r"(?:url\(\s*['\"]?|@import\s+['\"])\s*((?:https?:)?//[^'\")\s]+)"
)
NOT_TEXT = ("pre", "code", "script", "style", "textarea", "svg")
"""Where a dollar sign is no lost formula."""

Pages = Mapping[str, BeautifulSoup]
"""Built pages by their path in the site."""


def read(site: Path) -> dict[str, BeautifulSoup]:
    """Every page of a built site."""
    return {
        path.relative_to(site).as_posix(): BeautifulSoup(
            path.read_text(encoding="utf-8"), "html.parser"
        )
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.relative_to(site).parts
    }


def foreign_hosts(pages: Pages) -> list[Finding]:
    """Nothing but a link that a reader follows may name another host."""
    found = []
    for name, page in pages.items():
        for tag in page.find_all(True):
            if tag.name in LINKS or "canonical" in (tag.get("rel") or ()):
                continue
            loads = [tag[k] for k in LOADING if ELSEWHERE.match(str(tag.get(k, "")))]
            loads += IN_STYLE.findall(str(tag.get("style", "")))
            if tag.name == "style":
                loads += IN_STYLE.findall(tag.get_text())
            found += [
                Finding(name, "other host", f"<{tag.name}> loads {what}")
                for what in loads
            ]
    return found


def foreign_styles(site: Path) -> list[Finding]:
    """No stylesheet of the site loads from another host."""
    return [
        Finding(path.relative_to(site).as_posix(), "other host", f"style loads {what}")
        for path in sorted(site.rglob("*.css"))
        for what in IN_STYLE.findall(path.read_text(encoding="utf-8"))
    ]


def _ids(page: BeautifulSoup) -> list[str]:
    return [tag["id"] for tag in page.find_all(id=True)]


def broken_links(pages: Pages, site: Path) -> list[Finding]:
    """Every internal link leads to a file of the site and to an id on its page."""
    anchors = {
        name: {
            *_ids(page),
            *(tag["name"] for tag in page.find_all("a", attrs={"name": True})),
        }
        for name, page in pages.items()
    }

    @cache
    def exists(path: Path) -> bool:
        return path.is_file() or (path / "index.html").is_file()

    found = []
    for name, page in pages.items():
        folder = (site / name).parent
        for tag in page.find_all(True):
            for attribute in ("href", "src"):
                target = str(tag.get(attribute) or "")
                parts = urlsplit(target)
                if not target or target == "#" or parts.scheme or parts.netloc:
                    continue
                path, anchor = urldefrag(target)
                path = unquote(path.partition("?")[0])
                file = (folder / path).resolve() if path else site.resolve() / name
                if not exists(file):
                    found.append(
                        Finding(name, "broken link", f"{target}: no such file")
                    )
                    continue
                there = file.relative_to(site.resolve()).as_posix()
                if (
                    anchor
                    and there in anchors
                    and unquote(anchor) not in anchors[there]
                ):
                    found.append(Finding(name, "broken link", f"{target}: no such id"))
    return sorted(set(found))


def duplicated_ids(pages: Pages) -> list[Finding]:
    """An id names one place on a page."""
    return [
        Finding(name, "duplicated id", f"{identifier!r} stands {count} times")
        for name, page in pages.items()
        for identifier, count in Counter(_ids(page)).items()
        if count > 1
    ]


def pictures_without_alt(pages: Pages) -> list[Finding]:
    """Every picture has words: ``alt`` that is no path, or an ``aria-label``."""
    found = []
    for name, page in pages.items():
        for tag in page.find_all("img"):
            words = str(tag.get("alt", ""))
            decorative = tag.get("alt") == "" and tag.get("role") == "presentation"
            is_path = bool(re.search(r"\.(png|svg|jpe?g|gif)$", words))
            if not decorative and (not words.strip() or is_path):
                found.append(Finding(name, "alt text", f"<img> {tag.get('src')}"))
        for tag in page.find_all("svg"):
            if tag.find_parent("svg") or tag.get("aria-hidden") == "true":
                continue
            if tag.find_parent(attrs={"aria-hidden": "true"}):
                continue
            named = tag.get("aria-label") or tag.get("aria-labelledby")
            if not (named or tag.find("title", recursive=False)):
                where = tag.find_parent(["figure", "div"])
                label = (where.get("class") if where else None) or "page"
                found.append(Finding(name, "alt text", f"<svg> in {label} has no name"))
    return found


def stray_dollars(pages: Pages) -> list[Finding]:
    """A dollar sign in the text of a page is a formula that was not read as one."""
    found = []
    for name, page in pages.items():
        body = page.find("article") or page.find("main") or page
        for text in body.find_all(string=re.compile(r"\$")):
            hidden = text.find_parent(NOT_TEXT)
            formula = text.find_parent(class_=re.compile(r"\bmath\b"))
            if hidden is None and formula is None:
                snippet = " ".join(str(text).split())[:60]
                found.append(Finding(name, "stray $", snippet))
    return found


def no_pages(pages: Pages) -> list[Finding]:
    """A site without pages has no faults, and is none."""
    return [] if pages else [Finding("site", "empty", "no page was built")]


def lint(site: Path) -> list[Finding]:
    """All findings on the built site."""
    pages = read(site)
    return [
        *no_pages(pages),
        *foreign_hosts(pages),
        *foreign_styles(site),
        *broken_links(pages, site),
        *duplicated_ids(pages),
        *pictures_without_alt(pages),
        *stray_dollars(pages),
    ]
