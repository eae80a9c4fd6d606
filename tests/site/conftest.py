"""The built site in Debian's Chromium, from the folder, with no network.

``THEORYLAB_SITE`` names another folder than ``_build/html``, ``CHROMIUM`` another
browser than ``/usr/bin/chromium``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("THEORYLAB_SITE", ROOT / "_build" / "html")).resolve()
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)
HEIGHT = 900
MILLISECONDS = 60_000  # patience with a loaded machine, not with the site
LOCAL = ("file:", "data:", "blob:", "about:")


@dataclass
class Visit:
    """A page and what went wrong while it was open."""

    page: Page
    faults: list[str] = field(default_factory=list)


Open = Callable[..., Visit]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a site, one failure that says so is enough."""
    if not (SITE / "index.html").is_file():
        here = [item for item in items if ROOT / "tests" / "site" in item.path.parents]
        items[:] = [
            item
            for item in items
            if item not in here or item.name == "test_the_site_is_built"
        ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser a worker."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(SWITCHES)
        )
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open a page of the site, wait until its formulas are drawn."""
    contexts = []

    def go(
        name: str,
        *,
        theme: str = "light",
        width: int = 1400,
        script: bool = True,
        query: str = "",
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": HEIGHT},
            color_scheme=theme,
            java_script_enabled=script,
        )
        contexts.append(context)
        context.set_default_timeout(MILLISECONDS)
        seen = Visit(context.new_page())

        def gate(route: Route) -> None:
            if route.request.url.startswith(LOCAL):
                route.continue_()
            else:
                seen.faults.append(f"asks for {route.request.url}")
                route.abort()

        context.route("**/*", gate)
        seen.page.on("pageerror", lambda error: seen.faults.append(f"error: {error}"))
        seen.page.on(
            "console",
            lambda line: (
                seen.faults.append(f"console: {line.text}")
                if line.type == "error"
                else None
            ),
        )
        seen.page.goto((SITE / name).as_uri() + query)
        if script:
            seen.page.evaluate("window.MathJax?.startup?.promise.then(() => true)")
        return seen

    yield go
    for context in contexts:
        context.close()
