"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const PAGE = 60;
const PER_SHEET = 1024; // images in a sheet, 32 a row
const storageKey = `mien-audit-${data.fingerprint}`;
const items = new Map(data.items.map((item, place) => [item.row, { ...item, place }]));
const groups = Map.groupBy ? Map.groupBy(items.values(), (item) => item.group) : grouped();
let decisions = new Map(stored());
let reason = data.reasons.findIndex((each) => each.count > 0);
let shown = [];
let page = 0;

function grouped() {
  const all = new Map();
  for (const item of items.values()) all.set(item.group, [...(all.get(item.group) ?? []), item]);
  return all;
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(storageKey) ?? "[]");
  } catch {
    return [];
  }
}

function store() {
  try {
    localStorage.setItem(storageKey, JSON.stringify([...decisions]));
    return true;
  } catch {
    return false;
  }
}

function element(tag, properties = {}, children = []) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const number = (value) => value.toLocaleString("en");
const percent = (value) => `${Math.round(100 * value)}\u00a0%`;
const labelName = (label) => (label < 0 ? "no label" : data.classes[label]);

function decisionOf(row) {
  return decisions.get(row)?.[0] ?? "none";
}

function face(item) {
  const picture = element("div", { className: `face sheet-${Math.floor(item.place / PER_SHEET)}` });
  const place = item.place % PER_SHEET;
  picture.style.backgroundPosition = `calc(-${place % 32} * var(--side)) calc(-${Math.floor(place / 32)} * var(--side))`;
  return picture;
}

function matching() {
  const [label, part, decision] = ["of-label", "of-part", "of-decision"].map((id) => $(id).value);
  const chosen = [...items.values()].filter(
    (item) =>
      item.reasons.includes(reason) &&
      (label === "" || String(item.label) === label) &&
      (part === "" || item.part === part) &&
      (decision === "" || decisionOf(item.row) === decision),
  );
  if (data.reasons[reason]?.name === "label error") return chosen.sort((a, b) => a.chance - b.chance);
  if (data.reasons[reason]?.name === "no face") return chosen.sort((a, b) => a.face - b.face);
  return chosen.sort((a, b) => a.group - b.group || a.row - b.row);
}

function describe(item) {
  const [decision, label] = decisions.get(item.row) ?? [];
  if (decision === "relabel") return `relabel: ${labelName(label)}`;
  if (decision) return decision;
  return item.keep ? "suggested: keep" : "suggested: drop";
}

function card(item) {
  const others = (groups.get(item.group) ?? []).filter((other) => other.row !== item.row);
  const top = element("div", { className: "top" }, [
    element("span", { textContent: labelName(item.label) }),
    element("span", { className: "row", textContent: `row ${item.row}${item.part && `, ${item.part}`}` }),
  ]);
  const why = item.reasons.map((each) => data.reasons[each].name).join(", ");
  const parts = [top, element("div", { className: "why", textContent: why })];
  if (item.suggested >= 0) {
    const text = `${labelName(item.suggested)} ${percent(item.best)}, ${labelName(item.label)} ${percent(item.chance)}`;
    parts.push(element("div", { className: "suggestion", textContent: `probabilities: ${text}` }));
  }
  if (data.reasons[reason]?.name === "no face") {
    parts.push(element("div", { className: "suggestion", textContent: `face score ${item.face.toFixed(2)}` }));
  }
  parts.push(element("div", { className: "decision", textContent: describe(item) }));
  const choose = element("select", { tabIndex: -1, ariaLabel: `label of row ${item.row}` }, [
    element("option", { value: "", textContent: "relabel" }),
    ...data.classes.map((name, i) => element("option", { value: String(i), textContent: name })),
  ]);
  choose.addEventListener("change", () => choose.value && decide(item.row, "relabel", Number(choose.value)));
  const button = (textContent, decision) => {
    const made = element("button", { type: "button", tabIndex: -1, textContent });
    made.addEventListener("click", () => decide(item.row, decision));
    return made;
  };
  parts.push(element("div", { className: "buttons" }, [button("Keep", "keep"), button("Drop", "drop"), choose]));
  if (others.length) {
    const few = others
      .slice(0, 6)
      .map((other) =>
        element("figure", {}, [
          face(other),
          element("figcaption", { textContent: `${other.row} ${labelName(other.label)} ${other.part}` }),
        ]),
      );
    if (others.length > 6) few.push(element("span", { textContent: `and ${others.length - 6} more` }));
    parts.push(element("div", { className: "others" }, few));
  }
  const made = element("li", { className: "card", tabIndex: -1 }, [face(item), element("div", {}, parts)]);
  made.dataset.row = item.row;
  made.dataset.decision = decisionOf(item.row);
  made.setAttribute("aria-label", `row ${item.row}, ${labelName(item.label)}, ${why}; ${describe(item)}`);
  return made;
}

function show(focusOn) {
  shown = matching();
  page = Math.max(0, Math.min(page, Math.ceil(shown.length / PAGE) - 1));
  const here = shown.slice(page * PAGE, (page + 1) * PAGE);
  $("cards").replaceChildren(...here.map(card));
  const first = $("cards").children[focusOn ?? 0];
  if (first) first.tabIndex = 0;
  if (first && focusOn !== undefined) first.focus();
  $("nothing").hidden = here.length > 0;
  const each = data.reasons[reason];
  $("heading").textContent = each
    ? `${each.name[0].toUpperCase()}${each.name.slice(1)}: ${each.text}`
    : "Nothing to doubt";
  $("page").textContent = here.length
    ? `${number(page * PAGE + 1)} to ${number(page * PAGE + here.length)} of ${number(shown.length)}`
    : "";
  $("previous").disabled = page === 0;
  $("next").disabled = (page + 1) * PAGE >= shown.length;
  for (const button of $("reasons").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.reason) === reason));
  }
  tell();
}

function tell(saved = true) {
  const counts = { keep: 0, relabel: 0, drop: 0 };
  for (const [decision] of decisions.values()) counts[decision] += 1;
  const words = `Decided: ${number(counts.keep)} keep, ${number(counts.relabel)} relabel, ${number(counts.drop)} drop.`;
  const where = saved
    ? "Decisions stay in this browser; "
    : "This browser keeps no decisions for this page; save them before you close it. ";
  $("state").textContent = `${words} ${where}split.csv takes them, and the suggestion for the rest.`;
}

function decide(row, decision, label) {
  if (decision === "undo") decisions.delete(row);
  else decisions.set(row, decision === "relabel" ? [decision, label] : [decision]);
  const saved = store();
  const old = $("cards").querySelector(`[data-row="${row}"]`);
  if (old) {
    const hadFocus = old.contains(document.activeElement);
    const fresh = card(items.get(row));
    fresh.tabIndex = old.tabIndex;
    old.replaceWith(fresh);
    if (hadFocus) fresh.focus();
  }
  tell(saved);
}

function step(cards, from, key) {
  const columns = getComputedStyle($("cards")).gridTemplateColumns.split(" ").length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  const to = Math.max(0, Math.min(cards.length - 1, from + by));
  cards[from].tabIndex = -1;
  cards[to].tabIndex = 0;
  cards[to].focus();
  cards[to].scrollIntoView({ block: "nearest" });
}

function turn(by) {
  const to = page + by;
  if (to < 0 || to * PAGE >= shown.length) return;
  page = to;
  show(0);
  $("heading").scrollIntoView();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "n" || key === "p") return turn(key === "n" ? 1 : -1);
  const cards = [...$("cards").children];
  const at = cards.findIndex((each) => each.contains(document.activeElement));
  if (at < 0) {
    if (key.startsWith("Arrow") && cards.length && document.activeElement === document.body) {
      event.preventDefault();
      cards[0].focus();
    }
    return;
  }
  const item = items.get(Number(cards[at].dataset.row));
  const digit = Number(key);
  if (key.startsWith("Arrow")) step(cards, at, key);
  else if (key === "k") decide(item.row, "keep");
  else if (key === "d") decide(item.row, "drop");
  else if (key === "u") decide(item.row, "undo");
  else if (key === "r" && item.suggested >= 0) decide(item.row, "relabel", item.suggested);
  else if (digit >= 1 && digit <= Math.min(9, data.classes.length)) decide(item.row, "relabel", digit - 1);
  else return;
  event.preventDefault();
}

function save(name, lines) {
  const address = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
  element("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const csvLabel = (label) => (label < 0 ? "" : quoted(data.classes[label]));

function splitLines() {
  const lines = ["row,part,label,keep"];
  for (const [first, count, part, label, keep] of data.runs) {
    for (let row = first; row < first + count; row += 1) {
      const [decision, relabeled] = decisions.get(row) ?? [];
      const kept = decision ? decision !== "drop" : keep;
      lines.push(`${row},${data.parts[part]},${csvLabel(decision === "relabel" ? relabeled : label)},${Number(kept)}`);
    }
  }
  return lines;
}

function decisionLines() {
  const rows = [...decisions].sort((a, b) => a[0] - b[0]);
  return [
    "row,decision,label",
    ...rows.map(([row, [decision, label]]) => `${row},${decision},${csvLabel(label ?? items.get(row)?.label ?? -1)}`),
  ];
}

function start() {
  const style = data.sheets.map((sheet, i) => `.sheet-${i} { background-image: url("${sheet}"); }`).join("\n");
  document.head.append(element("style", { textContent: style }));
  document.title = `Audit of ${data.name}`;
  $("about").textContent =
    `${data.name}: ${number(items.size)} of ${number(data.n)} images have a reason to be looked at.`;
  $("notes").textContent = data.notes;
  $("reasons").append(
    ...data.reasons.map((each, i) => {
      const button = element("button", {
        type: "button",
        disabled: each.count === 0,
        textContent: `${each.name} ${number(each.count)}`,
      });
      button.dataset.reason = i;
      button.addEventListener("click", () => {
        reason = i;
        page = 0;
        show();
      });
      return element("li", {}, [button]);
    }),
  );
  $("of-label").append(...data.classes.map((name, i) => element("option", { value: String(i), textContent: name })));
  $("of-part").append(
    ...data.parts.filter(Boolean).map((name) => element("option", { value: name, textContent: name })),
  );
  for (const id of ["of-label", "of-part", "of-decision"]) {
    $(id).addEventListener("change", () => {
      page = 0;
      show();
    });
  }
  const digits = data.classes
    .slice(0, 9)
    .flatMap((name, i) => [element("kbd", { textContent: String(i + 1) }), ` ${name}, `]);
  $("digits").append(...digits);
  const columns = ["brightness", "contrast", "sharpness"];
  const heads = ["class", "images", ...columns].map((text) => element("th", { scope: "col", textContent: text }));
  const cell = (figures) =>
    element("td", {}, [
      `${figures.mean.toFixed(1)} `,
      element("small", { textContent: `${figures.p5.toFixed(0)} to ${figures.p95.toFixed(0)}` }),
    ]);
  $("classes").append(
    element("thead", {}, [element("tr", {}, heads)]),
    element(
      "tbody",
      {},
      Object.entries(data.statistics).map(([name, figures]) =>
        element("tr", {}, [
          element("th", { scope: "row", textContent: name }),
          element("td", { textContent: number(figures.n) }),
          ...columns.map((column) => cell(figures[column])),
        ]),
      ),
    ),
  );
  $("previous").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("save-split").addEventListener("click", () => save("split.csv", splitLines()));
  $("save-decisions").addEventListener("click", () => save("decisions.csv", decisionLines()));
  $("forget").addEventListener("click", () => {
    if (!decisions.size || !confirm(`Forget ${decisions.size} decisions?`)) return;
    decisions = new Map();
    store();
    show();
  });
  document.addEventListener("keydown", pressed);
  show();
}

start();
