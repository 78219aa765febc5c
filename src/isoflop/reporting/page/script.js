"use strict";
(() => {
  const datasets = JSON.parse(document.getElementById("datasets").textContent);
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const root = document.documentElement;
  const toggle = document.getElementById("theme");
  const wantsDark = matchMedia("(prefers-color-scheme: dark)");

  // Colours are CSS variables, so a change of theme redraws no chart.
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : wantsDark.matches);
  const label = () => { toggle.textContent = isDark() ? "Light" : "Dark"; };
  toggle.hidden = false;
  toggle.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
  wantsDark.addEventListener("change", label);
  label();

  // A chart names the data it uses; every set of data stands once in the page.
  const names = (part) => part === null || typeof part !== "object" ? [] : Object.entries(part).flatMap(
    ([key, value]) => key === "data" && value && value.name ? [value.name] : names(value));
  const specification = (name) => {
    const spec = structuredClone(charts[name].spec);
    spec.datasets = Object.fromEntries(names(spec).map((key) => [key, structuredClone(datasets[key])]));
    return spec;
  };
  const options = { mode: "vega-lite", renderer: "svg", actions: false, tooltip: { theme: "custom" } };
  for (const place of document.querySelectorAll("[data-chart]")) {
    vegaEmbed(place, specification(place.dataset.chart), options).catch((error) => {
      place.textContent = "This chart could not be drawn: " + error.message;
    });
  }

  const save = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const cell = (value) => {
    if (value === undefined || value === null) return "";
    let text = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
    return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  for (const button of document.querySelectorAll("[data-csv]")) {
    button.addEventListener("click", () => {
      const tables = Object.entries(charts[button.dataset.csv].tables);
      const rows = tables.flatMap(([table, key]) => datasets[key].map((row) => ({ table, ...row })));
      const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
      const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
      save(button.dataset.csv + ".csv", "text/csv", lines.map((line) => line.map(cell).join(",")).join("\n") + "\n");
    });
  }
  for (const button of document.querySelectorAll("[data-svg]")) {
    button.addEventListener("click", () => {
      const drawn = document.querySelector(`[data-chart="${button.dataset.svg}"] svg`);
      if (!drawn) return;
      const copy = drawn.cloneNode(true);
      copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
      copy.style.background = getComputedStyle(root).getPropertyValue("--paper");
      const text = copy.outerHTML.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => getComputedStyle(root).getPropertyValue(name).trim());
      save(button.dataset.svg + ".svg", "image/svg+xml", text);
    });
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, index) => head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", other === head ? (up ? "ascending" : "descending") : "none"));
      const key = (row) => row.cells[index].dataset.value;
      const order = (a, b) => (a === "" || b === "" || isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
      const rows = [...table.tBodies[0].rows].sort((a, b) => (up ? 1 : -1) * order(key(a), key(b)));
      table.tBodies[0].append(...rows);
    }));
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
})();
