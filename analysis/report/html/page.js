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

// Texts to copy, drawings to save: buttons that only a script can serve, so they show where there is one.

const copied = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea"); // where a page may not write to the clipboard by itself
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
};

const say = (button, text) => {
  const status = button.parentElement.querySelector("[role=status]");
  if (status) status.textContent = text;
};

const saved = (address, name) => {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
};

// As a file of its own a drawing has no page: its colours are those that stand beside the page's.
const alone = (drawing) => {
  const copy = drawing.cloneNode(true);
  const { width, height } = drawing.viewBox.baseVal;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", `${width}pt`);
  copy.setAttribute("height", `${height}pt`);
  copy.setAttribute("font-family", "sans-serif");
  copy.removeAttribute("class");
  return new XMLSerializer().serializeToString(copy).replaceAll(/var\(--[a-z]+, (#[0-9a-f]+)\)/g, "$1");
};

const asPng = (text, { width, height }, name) => {
  const scale = 300 / 72; // 300 dots an inch
  const image = new Image();
  image.addEventListener("load", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    const context = canvas.getContext("2d");
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    saved(canvas.toDataURL("image/png"), name);
  });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
};

const save = (button) => {
  const figure = button.closest("figure");
  const drawing = [...figure.querySelectorAll("svg")].find((one) => getComputedStyle(one).display !== "none");
  const [text, name] = [alone(drawing), figure.id.replace("figure-", "")];
  if (button.dataset.save === "png") asPng(text, drawing.viewBox.baseVal, `${name}.png`);
  else saved(`data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`, `${name}.svg`);
};

for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
for (const button of document.querySelectorAll("[data-save]")) button.addEventListener("click", () => save(button));
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const done = await copied(document.getElementById(button.dataset.copy).textContent);
    say(button, done ? "Copied." : "Copy the text below.");
    if (!done) button.closest(".take").querySelector("details").open = true;
  });
}

// What is folded unfolds where a link leads into it, and on paper.
const unfold = (element) => {
  for (let one = element; one; one = one.parentElement) if (one.localName === "details") one.open = true;
  element?.scrollIntoView();
};
const followed = () => location.hash && unfold(document.getElementById(decodeURIComponent(location.hash.slice(1))));
addEventListener("hashchange", followed);
followed();
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of folded) one.open = false;
});
