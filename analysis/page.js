// Tables sort by the button in a column's heading; without this script they stand in the order of the records.
"use strict";

const byOrder = (index, direction) => (one, other) => {
  const [a, b] = [one, other].map((row) => row.cells[index].dataset.order ?? "");
  if (a === "" || b === "") return (a === "") - (b === ""); // what has no number stays last
  const [x, y] = [Number(a), Number(b)];
  const order = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  return direction * order;
};

const sort = (table, heading) => {
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = table.tBodies[table.tBodies.length - 1]; // the first of two holds totals
  body.append(...[...body.rows].sort(byOrder(heading.cellIndex, ascending ? 1 : -1)));
};

for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[table.tBodies.length - 1].rows.length < 2) continue;
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(table, heading));
  }
}
