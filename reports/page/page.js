// Makes a page of a report sortable and copyable. Without it everything is
// there to be read.
"use strict";
window.page = (() => {
  const root = document.documentElement;
  const orders = new Map(); // of tables, by id: they outlive a new body
  const filters = new Map();

  // The theme: the system's, unless the reader has chosen.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("ablate-theme"); } catch { return null; } };
  const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const theme = stored();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  function showTheme() {
    for (const b of document.querySelectorAll("[data-theme-toggle]")) {
      b.hidden = false;
      b.setAttribute("aria-pressed", String(isDark()));
    }
  }
  function toggleTheme() {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("ablate-theme", root.dataset.theme); } catch { /* the choice lasts for this page */ }
    showTheme();
  }

  // Sorting: ascending, descending, then the study's order again.
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  const collator = new Intl.Collator("en", { numeric: true });

  function compare(a, b, numeric, sign) {
    if (!numeric) return sign * collator.compare(a, b);
    if (a === "" || b === "") return (a === "") - (b === ""); // what is not known comes last either way
    return sign * (Number(a) - Number(b));
  }
  function sort(table, column, order) {
    const body = table.tBodies[0], heads = headsOf(table), numeric = heads[column].dataset.sort === "number";
    const key = (row) => (numeric ? row.cells[column].dataset.sort ?? "" : row.cells[column].textContent.trim());
    const rows = [...body.rows].map((row) => ({ row, key: key(row), place: Number(row.dataset.place) }));
    const sign = order === "descending" ? -1 : 1;
    rows.sort((a, b) => (order === "none" ? 0 : compare(a.key, b.key, numeric, sign)) || a.place - b.place);
    body.append(...rows.map((r) => r.row));
    heads.forEach((th, i) => th.setAttribute("aria-sort", i === column ? order : "none"));
  }
  const headsOf = (table) => [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const idOf = (table) => table.closest("figure")?.id || "";

  function makeSortable(table) {
    if (table.tBodies.length !== 1 || table.tBodies[0].rows.length < 2) return;
    [...table.tBodies[0].rows].forEach((row, i) => { row.dataset.place = i; });
    headsOf(table).forEach((th, column) => {
      if (!th.textContent.trim()) return; // a button needs a name
      const button = document.createElement("button");
      button.type = "button";
      const links = [...th.querySelectorAll("sup")]; // no links within a button
      button.append(...[...th.childNodes].filter((n) => !links.includes(n)));
      th.prepend(button);
      th.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const order = next[th.getAttribute("aria-sort")];
        orders.set(idOf(table), [column, order]);
        sort(table, column, order);
      });
    });
    const before = orders.get(idOf(table));
    if (before && before[0] < headsOf(table).length) sort(table, ...before);
  }

  // Long tables can be filtered by the text of their rows.
  function makeFilterable(table) {
    const rows = [...table.tBodies[0]?.rows ?? []];
    if (rows.length < 25) return;
    const label = document.createElement("label"), input = document.createElement("input"), count = document.createElement("span");
    label.className = "filter";
    input.type = "search";
    count.setAttribute("aria-live", "polite");
    label.append("Show rows with", input, count);
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const filter = () => {
      const wanted = input.value.trim().toLowerCase().split(/\s+/);
      let shown = 0;
      rows.forEach((row, i) => { shown += !(row.hidden = !wanted.every((w) => texts[i].includes(w))); });
      count.textContent = `${shown} of ${rows.length}`;
      filters.set(idOf(table), input.value);
    };
    input.addEventListener("input", filter);
    table.closest("figure")?.prepend(label);
    input.value = filters.get(idOf(table)) ?? "";
    filter();
  }

  // Commands can be copied.
  async function copy(pre, button) {
    const text = pre.textContent.trim();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(pre);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      if (!document.execCommand("copy")) return; // it is selected at least
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  }
  function makeCopyable(pre) {
    const box = document.createElement("div"), button = document.createElement("button");
    box.className = "commands";
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", () => copy(pre, button));
    pre.replaceWith(box);
    box.append(pre, button);
  }

  // What scrolls can be reached by the keyboard.
  const scrolling = { ".drawing": "figure, scrollable", ".notes": "notes, scrollable", pre: "commands, scrollable" };
  function makeReachable() {
    for (const [what, label] of Object.entries(scrolling)) {
      for (const box of document.querySelectorAll(what)) {
        const attributes = { tabindex: "0", "aria-label": label, ...(what === ".notes" ? {} : { role: "group" }) };
        const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
        for (const [name, value] of Object.entries(attributes)) scrolls ? box.setAttribute(name, value) : box.removeAttribute(name);
      }
    }
  }

  // The contents mark the section that is being read.
  function follow() {
    const links = [...document.querySelectorAll(".contents a")];
    const mark = () => {
      const sections = links.map((a) => document.getElementById(a.hash.slice(1)));
      let at = sections.findLastIndex((s) => s && s.getBoundingClientRect().top < innerHeight / 3);
      if (scrollY > 0 && scrollY + innerHeight >= root.scrollHeight - 2) at = sections.length - 1;
      links.forEach((a, i) => (i === Math.max(at, 0) ? a.setAttribute("aria-current", "true") : a.removeAttribute("aria-current")));
    };
    addEventListener("scroll", mark, { passive: true });
    mark();
  }

  // enhance takes in what was put into the document.
  function enhance(element) {
    element.querySelectorAll("figure.table table").forEach((table) => { makeSortable(table); makeFilterable(table); });
    element.querySelectorAll("pre.command, .again pre").forEach(makeCopyable);
    makeReachable();
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const b of document.querySelectorAll("[data-theme-toggle]")) b.addEventListener("click", toggleTheme);
    showTheme();
    enhance(document.body);
    follow();
  });
  system.addEventListener("change", showTheme);
  addEventListener("resize", makeReachable, { passive: true });
  addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
  return { enhance };
})();
