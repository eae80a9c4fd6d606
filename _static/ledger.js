/* Filters over the computed tables. Without this file every row is shown. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form.table-filter")) {
    const rows = [...document.getElementById(form.dataset.table).tBodies[0].rows];
    const selects = [...form.querySelectorAll("select")];
    const words = form.querySelector("[data-filter-text]");
    const status = form.querySelector("[role=status]");
    const text = rows.map((row) => row.textContent.toLowerCase());

    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, i) => {
        const fits =
          selects.every((select) => {
            const name = `data-${select.dataset.filter.replaceAll(" ", "-")}`;
            return !select.value || row.getAttribute(name) === select.value;
          }) && wanted.every((word) => text[i].includes(word));
        row.hidden = !fits;
        shown += fits;
      });
      status.textContent = `${shown} of ${rows.length} ${form.dataset.noun} shown`;
    };

    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    apply();
  }
});
