// Tables sort and long ones fold. Without this script every row is shown.
"use strict";
const FEW = 12;
const UNITS = { "µs": 1e-6, ms: 1e-3, s: 1, kB: 1e3, MB: 1e6 };
const NUMBER = /^[~<≥≤]?\s*([-+]?\d[\d.]*(?:e[-+]?\d+)?)(?:\s*(µs|ms|s|kB|MB)\b)?/;

/** The number that a cell begins with, in one unit; the text of another; null for "-". */
function value(cell) {
  const text = cell.textContent.replace(/\u2212/g, "-").replace(/,/g, "").trim();
  if (text === "-") return null;
  const found = cell.classList.contains("text") ? null : NUMBER.exec(text);
  return found ? Number(found[1]) * (UNITS[found[2]] ?? 1) : text;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), undefined, { numeric: true });
}

function sort(table, column) {
  const header = table.tHead.rows[0].cells[column];
  const falling = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].map((row) => [value(row.cells[column]), row]);
  rows.sort(([one], [other]) => {
    // What has no value is last in both directions.
    if (one === null || other === null) return (one === null) - (other === null);
    return falling ? compare(other, one) : compare(one, other);
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

function fold(table) {
  const all = `Show all ${table.tBodies[0].rows.length} rows`;
  const toggle = button(all, () => {
    const folded = table.classList.toggle("folded");
    toggle.setAttribute("aria-expanded", String(!folded));
    toggle.textContent = folded ? all : `Show ${FEW} rows`;
  });
  toggle.className = "fold";
  toggle.setAttribute("aria-expanded", "false");
  table.classList.add("long", "folded");
  table.parentElement.after(toggle);
}

for (const table of document.querySelectorAll(".wide > table")) {
  if (table.tBodies[0].rows.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const sorts = button("", () => sort(table, column));
    sorts.append(...cell.childNodes);
    cell.append(sorts);
  });
  if (table.tBodies[0].rows.length > FEW) fold(table);
}

addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
