// Sorting and filtering, the theme, the keys, and following a run. The page can be read without any of it.
"use strict";
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
// Where a browser gives a local file no storage, nothing is remembered
const remembered = (storage, key) => { try { return window[storage].getItem(key); } catch { return null; } };
const remember = (storage, key, value) => { try { window[storage].setItem(key, value); } catch { /* none */ } };

// -- Theme: that of the system, or one that is chosen
const THEMES = ["auto", "light", "dark"];
const themeButton = document.querySelector("#theme");
function setTheme(name) {
  root.dataset.theme = name;
  themeButton.textContent = `Theme: ${name}`;
}
setTheme(THEMES.find((name) => name === remembered("localStorage", "dfa-tune-theme")) ?? "auto");
themeButton.hidden = false;
themeButton.addEventListener("click", () => {
  setTheme(THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length]);
  remember("localStorage", "dfa-tune-theme", root.dataset.theme);
});

// -- Tables: a click on a heading sorts by its column, ascending and then descending
function sort(heading, down) {
  const column = heading.cellIndex;
  const body = heading.closest("table").tBodies[0];
  const key = (row) => row.cells[column].dataset.value ?? "";
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === "" || y === "") return (x === "") - (y === ""); // missing values come last
    const [m, n] = [Number(x), Number(y)];
    const order = Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n;
    return down ? -order : order;
  };
  body.append(...[...body.rows].sort(compare));
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
}
for (const button of all("th button")) {
  const heading = button.closest("th");
  button.addEventListener("click", () => sort(heading, heading.getAttribute("aria-sort") === "ascending"));
}

// -- Filters: a row is shown if it has every word, and one of the verdicts that are pressed (none: any)
function filter(box) {
  const words = box.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
  const verdicts = all(".chips [aria-pressed=true]", box).map((chip) => chip.dataset.verdict);
  const rows = all("tbody tr", box);
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const wanted = !verdicts.length || verdicts.includes(row.dataset.verdict);
    row.hidden = !(wanted && words.every((word) => text.includes(word)));
  }
  for (const picture of all(".pictures a", box)) {
    picture.hidden = document.getElementById(picture.dataset.row).hidden;
  }
  const shown = rows.filter((row) => !row.hidden).length;
  box.querySelector("output").textContent = shown < rows.length ? `${shown} of ${rows.length}` : "";
}
const boxes = all("[data-filter]");
for (const box of boxes) {
  box.querySelector(".tools").hidden = false;
  box.querySelector("input").addEventListener("input", () => filter(box));
  for (const chip of all(".chips button", box)) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      filter(box);
    });
  }
}

// -- Keys: / goes to the first filter; with a claim's picture open, arrows show others and Escape closes it
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  if (event.key === "/" && boxes.length) {
    event.preventDefault();
    boxes[0].querySelector("input").focus();
  }
  const pictures = all(".pictures a").filter((picture) => !picture.hidden);
  const open = pictures.findIndex((picture) => picture.hash === location.hash);
  if (open < 0) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    event.preventDefault();
    location.hash = pictures[(open + step + pictures.length) % pictures.length].hash;
  }
  if (event.key === "Escape") {
    location.hash = "#claims";
    pictures[open].focus();
  }
});

// -- Print: what is folded is printed too
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = all("details:not([open])");
  for (const part of folded) part.open = true;
});
window.addEventListener("afterprint", () => {
  for (const part of folded) part.open = false;
});

// -- Following a run: the page loads itself again, and looks as the reader has left it
const STATE = `dfa-tune-state ${location.pathname}`;
const headings = () => all("th");
function save() {
  const inputs = all("input");
  remember("sessionStorage", STATE, JSON.stringify({
    scroll: scrollY,
    inputs: inputs.map((input) => input.value),
    focus: inputs.indexOf(document.activeElement),
    pressed: all(".chips [aria-pressed=true]").map((chip) => chip.dataset.verdict),
    open: all("details").map((part) => part.open),
    sorted: headings().flatMap((heading, place) => heading.ariaSort ? [[place, heading.ariaSort]] : []),
  }));
}
function restore() {
  const state = JSON.parse(remembered("sessionStorage", STATE) ?? "null");
  if (!state) return;
  remember("sessionStorage", STATE, "null");
  all("details").forEach((part, place) => { part.open = state.open[place] ?? false; });
  for (const [place, order] of state.sorted) {
    if (headings()[place]) sort(headings()[place], order === "descending");
  }
  all("input").forEach((input, place) => { input.value = state.inputs[place] ?? ""; });
  for (const chip of all(".chips button")) {
    if (state.pressed.includes(chip.dataset.verdict)) chip.setAttribute("aria-pressed", "true");
  }
  boxes.forEach(filter);
  all("input")[state.focus]?.focus({ preventScroll: true });
  scrollTo(0, state.scroll);
}
const seconds = Number(root.dataset.reload);
restore();
if (seconds) {
  const follow = document.querySelector("#follow");
  follow.hidden = false;
  let timer;
  const start = () => { timer = setTimeout(() => { save(); location.reload(); }, 1000 * seconds); };
  follow.addEventListener("click", () => {
    const following = follow.getAttribute("aria-pressed") !== "true";
    follow.setAttribute("aria-pressed", String(following));
    follow.textContent = following ? "Following" : "Paused";
    if (following) start(); else clearTimeout(timer);
  });
  start();
}
