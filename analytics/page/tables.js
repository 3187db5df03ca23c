// Tables that sort by their headings, large ones with a filter; maps whose metric can be chosen.
window.addEventListener("error", function (e) {
  const root = document.documentElement;
  root.dataset.errors = String(Number(root.dataset.errors) + 1);
  root.dataset.errorText = String(e.message);
});

(function () {
  "use strict";
  const FILTER_ROWS_MIN = 12;
  const NUMBER = /^[-+]?[\d,]*\.?\d+([eE][-+]?\d+)?( ?%)?$/;

  function value(row, k) {
    const cell = row.cells[k];
    if (cell.dataset.sort !== undefined) { return Number(cell.dataset.sort); }
    const text = cell.textContent.trim();
    const plain = text.replace(/\u2212/g, "-").replace(/\u00a0/g, " ");
    return NUMBER.test(plain) ? parseFloat(plain.replace(/,/g, "")) : text;
  }

  // Numbers before words, and what has no value last in either direction.
  function compare(a, b, down) {
    const missing = (v) => v === "" || v === "n/a";
    if (missing(a) || missing(b)) { return missing(a) - missing(b); }
    const numbers = typeof a === "number" && typeof b === "number";
    const order = numbers ? a - b
      : typeof a === typeof b ? a.localeCompare(b) : typeof a === "number" ? -1 : 1;
    return down ? -order : order;
  }

  function sortable(table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, k) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", function () {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const last = (row) => Number(row.cells[0].classList.contains("total"));
        Array.from(body.rows)
          .map((row) => ({ row: row, key: value(row, k) }))
          .sort((a, b) => last(a.row) - last(b.row) || compare(a.key, b.key, down))
          .forEach((one) => body.appendChild(one.row));
      });
    });
    if (table.tBodies[0].rows.length >= FILTER_ROWS_MIN) { filterable(table); }
  }

  function filterable(table) {
    const box = document.createElement("div");
    const label = document.createElement("label");
    const input = document.createElement("input");
    const told = document.createElement("span");
    box.className = "filter";
    input.type = "search";
    input.setAttribute("aria-label", "Rows with this text");
    told.setAttribute("role", "status");
    label.append("Filter ", input);
    box.append(label, told);
    (table.closest(".scroll") || table).before(box);
    input.addEventListener("input", function () {
      const wanted = input.value.trim().toLowerCase();
      const rows = Array.from(table.tBodies[0].rows);
      let shown = 0;
      rows.forEach(function (row) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        shown += row.hidden ? 0 : 1;
      });
      told.textContent = wanted ? shown + " of " + rows.length + " rows" : "";
    });
  }

  function heat(map, number) {
    const pick = document.getElementById("heat-pick-" + number);
    const rows = document.getElementById("heat-" + number).tBodies[0].rows;
    pick.addEventListener("change", function () {
      map[Number(pick.value)].cells.forEach(function (cells, r) {
        cells.forEach(function (cell, c) {
          const at = rows[r].cells[c + 1];
          at.textContent = cell[0];
          at.style.background = "color-mix(in srgb, var(" + (cell[1] < 0 ? "--s2" : "--s1") + ") "
            + Math.round(Math.abs(cell[1]) * 0.45) + "%, var(--card))";
        });
      });
    });
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  (JSON.parse(document.getElementById("data").textContent).heat || []).forEach(heat);
  window.tapewireTables = { sortable: sortable };
})();
