// Tables sort by the button in a column's heading; without this script they stand in the order of the records.
"use strict";

const byOrder = (rows, index, direction) => {
  const order = (row) => row.cells[index].dataset.order;
  const numbers = rows.every((row) => !Number.isNaN(Number(order(row)))); // words beside numbers: all are words
  return (one, other) => {
    const [a, b] = [order(one), order(other)];
    if (a === "" || b === "") return (a === "") - (b === ""); // what has no number stays last
    return direction * (numbers ? a - b : a.localeCompare(b));
  };
};

// The first of two holds totals; a table without rows has none.
const bodyOf = (table) => table.tBodies[table.tBodies.length - 1];

const sort = (table, heading) => {
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const rows = [...bodyOf(table).rows];
  bodyOf(table).append(...rows.sort(byOrder(rows, heading.cellIndex, ascending ? 1 : -1)));
};

for (const table of document.querySelectorAll("table")) {
  if ((bodyOf(table)?.rows.length ?? 0) < 2) continue;
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(table, heading));
  }
}
