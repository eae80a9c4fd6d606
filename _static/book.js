// What scrolls sideways is marked, named and can be focused; verdicts are marked.
// Everything here adds to a page that is complete without it.
(() => {
  "use strict";

  const NAMES = [
    ["div.math mjx-container", "Formula, scrolls sideways"],
    ["pre", "Code or output, scrolls sideways"],
    [".pst-scrollable-table-container", "Table, scrolls sideways"],
    [".certificate-scroll, .wide-table, .wide-drawing", ""], // named in the page
  ];
  const VERDICT = /^(holds|fails|undecided|not established|toothless)  /;

  function edges(box) {
    const hidden = box.scrollWidth - box.clientWidth;
    box.classList.toggle("scrolls", hidden > 1);
    box.classList.toggle("more-left", hidden > 1 && box.scrollLeft > 1);
    box.classList.toggle("more-right", hidden - box.scrollLeft > 1);
    return hidden > 1;
  }

  function mark(box, name) {
    const wide = edges(box);
    if (!name) return;
    if (wide) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", name);
    } else if (box.getAttribute("aria-label") === name) {
      box.removeAttribute("tabindex");
      box.removeAttribute("role");
      box.removeAttribute("aria-label");
    }
  }

  function watch() {
    const names = new Map();
    const sizes = new ResizeObserver((entries) => {
      for (const { target } of entries) mark(target, names.get(target));
    });
    for (const [selector, name] of NAMES) {
      for (const box of document.querySelectorAll(`.bd-article :is(${selector})`)) {
        names.set(box, name);
        sizes.observe(box);
        box.addEventListener("scroll", () => edges(box), { passive: true });
      }
    }
  }

  function verdicts() {
    for (const box of document.querySelectorAll(".cell_output .output.stream")) {
      const lines = box.textContent.split("\n").filter((line) => VERDICT.test(line));
      if (!lines.length) continue;
      box.classList.add("verdict");
      box.classList.toggle("broken", lines.some((line) => !line.startsWith("holds")));
    }
  }

  addEventListener("load", async () => {
    verdicts();
    await window.MathJax?.startup?.promise;
    watch();
  });
})();
