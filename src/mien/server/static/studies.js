// The Studies view: a table of runs, one run, or several runs beside each other; kept up to date while a training runs.

import { ask } from "./api.js";
import { spark } from "./charts.js";
import { compareLink, compareView } from "./compare.js";
import { count, duration, h, percent, plural, say, scrollArea } from "./dom.js";
import { runView } from "./run.js";
import { statusOf, validation, verdictOf } from "./run_words.js";

const PACE = 3000; // milliseconds between two looks at what is new

const COLUMNS = [
  { key: "name", name: "Run", text: true },
  { key: "verdict", name: "Verdict", text: true },
  { key: "validation", name: "Validation", hint: "accuracy of the kept weights; while training, of the last epoch" },
  { key: "gap", name: "Gap", hint: "training minus validation accuracy, in points" },
  { key: "macro_f1", name: "Macro F1" },
  { key: "ece", name: "ECE", hint: "expected calibration error" },
  { key: "epochs", name: "Epochs" },
  { key: "parameters", name: "Parameters" },
  { key: "seconds", name: "Time" },
  { key: "updated", name: "Updated", text: true },
];

let root = null;
let parts = [];
let timer = null;
const tags = new Map(); // path -> {etag, value}: what has not changed is not sent again
let sort = { key: "validation", down: true };
let chosen = [];
let drawn = "";
let filter = "";

/** parts: [] the table, [name] a run, ["", a, b, ...] runs to compare. */
export function enter(element, rest) {
  root = element;
  parts = rest.filter((part, i) => part || i === 0);
  if (parts.length === 1 && !parts[0]) parts = [];
  drawn = "";
  refresh();
}

export function leave() {
  clearTimeout(timer);
  timer = null;
}

async function refresh() {
  clearTimeout(timer);
  const asked = parts;
  let live = false;
  try {
    if (!asked.length) {
      const answer = await get("v1/runs");
      if (asked !== parts) return;
      live = true; // new runs may begin at any time
      redraw(JSON.stringify([answer, sort, chosen, filter]), () => table(answer));
    } else {
      const names = asked.length > 2 ? asked.slice(1) : asked.slice(0, 1);
      const runs = await Promise.all(names.map((name) => get(`v1/runs/${encodeURIComponent(name)}`)));
      if (asked !== parts) return;
      live = runs.some((run) => run.status === "running");
      const query = names.map((name) => `run=${encodeURIComponent(name)}`).join("&");
      const compared = names.length > 1 ? (await get(`v1/compare?${query}`)).runs : [];
      if (asked !== parts) return;
      redraw(JSON.stringify([runs, compared]), () =>
        runs.length > 1 ? compareView(runs, compared) : runView(runs[0]),
      );
    }
  } catch (error) {
    if (asked !== parts) return;
    live = true;
    if (!drawn) {
      root.replaceChildren(
        h("h1", { id: "studies-title", tabindex: "-1", text: "Studies" }),
        h(
          "div",
          { class: "card note" },
          h("h2", { text: error.title ?? "Something went wrong" }),
          h("p", { class: "soft", text: error.detail ?? String(error) }),
          h("p", {}, h("a", { href: "#/studies", text: "All runs" })),
        ),
      );
    }
  }
  if (live && !root.hidden) timer = setTimeout(refresh, document.hidden ? 4 * PACE : PACE);
}

/** JSON of a path; asks only whether it is still the same when it was there before. */
async function get(path) {
  const known = tags.get(path);
  const response = await ask(
    path,
    known ? { headers: { "If-None-Match": known.etag }, cache: "no-store" } : { cache: "no-store" },
  );
  if (response.status === 304) return known.value;
  const value = await response.json();
  tags.set(path, { etag: response.headers.get("ETag"), value });
  return value;
}

/** Replace the view, but not where nothing changed; the focus and the scrolled tables stay where they were. */
function redraw(state, make) {
  if (state === drawn) return;
  const fresh = !drawn;
  drawn = state;
  const focus = document.activeElement?.dataset?.keep;
  const scrolls = [...root.querySelectorAll(".scroll-x")].map((each) => each.scrollLeft);
  const opened = [...root.querySelectorAll("details")].map((each) => each.open);
  root.replaceChildren(...[make()].flat());
  if (fresh) return;
  [...root.querySelectorAll(".scroll-x")].forEach((each, i) => {
    each.scrollLeft = scrolls[i] ?? 0;
  });
  [...root.querySelectorAll("details")].forEach((each, i) => {
    each.open = opened[i] ?? each.open;
  });
  if (focus) root.querySelector(`[data-keep="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

function table({ folder, runs }) {
  const running = runs.filter((run) => run.status === "running").length;
  const head = h(
    "div",
    { class: "hero small" },
    h("h1", { id: "studies-title", tabindex: "-1", text: "Studies" }),
    h("p", {
      class: "lead",
      text: runs.length
        ? `${plural(runs.length, "run")} in ${folder}/${running ? `, ${running} training now` : ""}`
        : "Every training leaves a run: its curves, its verdict, its scores.",
    }),
  );
  if (!runs.length) {
    return [
      head,
      h(
        "div",
        { class: "card note" },
        h("h2", { text: `No run in ${folder}/ yet` }),
        h("p", { class: "soft" }, "Train one, and watch it here: ", h("code", { text: "mien train hybrid" })),
        h("p", { class: "soft" }, "Runs elsewhere? ", h("code", { text: "mien serve --runs FOLDER" })),
      ),
    ];
  }
  chosen = chosen.filter((name) => runs.some((run) => run.name === name));
  const enough = chosen.length > 1;
  const compare = h(
    "a",
    {
      class: enough ? "button primary" : "button primary disabled",
      "data-keep": "compare",
      href: enough ? compareLink(chosen) : null,
      role: enough ? null : "link",
      "aria-disabled": String(!enough),
    },
    "Compare",
  );
  const hint = h("span", {
    class: "soft",
    text:
      ["Tick two or more runs to compare them", "Tick one more"][chosen.length] ?? `${chosen.length} runs are ticked`,
  });
  const search = h("input", {
    type: "search",
    placeholder: "Filter",
    "aria-label": "Filter runs by name",
    value: filter,
    "data-keep": "filter",
  });
  search.addEventListener("input", () => {
    filter = search.value;
    refresh();
  });
  const rows = sorted(
    runs.filter((run) => `${run.name} ${run.recipe} ${run.verdict}`.toLowerCase().includes(filter.toLowerCase())),
  );
  const full = h(
    "table",
    { class: "runs" },
    h("caption", { class: "for-readers", text: `Runs in ${folder}` }),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col", class: "tick-cell" }, h("span", { class: "for-readers", text: "Compare" })),
        COLUMNS.map(heading),
      ),
    ),
    h("tbody", {}, rows.map(row)),
  );
  return [
    head,
    h("div", { class: "toolbar" }, search, h("span", { class: "grow" }), hint, compare),
    h("div", { class: "card flush" }, scrollArea(`Runs in ${folder}`, full)),
  ];
}

function heading(column) {
  const here = sort.key === column.key;
  const arrow = h("span", { class: "arrow", "aria-hidden": "true", text: here ? (sort.down ? "↓" : "↑") : "" });
  const button = h(
    "button",
    { type: "button", "data-keep": `sort-${column.key}`, title: column.hint ?? null },
    column.text ? [column.name, arrow] : [arrow, column.name],
  );
  button.addEventListener("click", () => {
    sort = here ? { key: column.key, down: !sort.down } : { key: column.key, down: !column.text };
    say(`Sorted by ${column.name}, ${sort.down ? "descending" : "ascending"}`);
    refresh();
  });
  return h(
    "th",
    {
      scope: "col",
      class: column.text ? "" : "number",
      "aria-sort": here ? (sort.down ? "descending" : "ascending") : "none",
    },
    button,
  );
}

function row(run) {
  const tick = h("input", {
    type: "checkbox",
    checked: chosen.includes(run.name),
    "data-keep": `tick-${run.name}`,
    "aria-label": `Compare ${run.name}`,
  });
  tick.addEventListener("change", () => {
    chosen = tick.checked ? [...chosen, run.name] : chosen.filter((name) => name !== run.name);
    refresh();
  });
  const interval =
    run.accuracy !== null && run.accuracy_interval
      ? h("span", {
          class: "soft interval",
          text: `± ${(50 * (run.accuracy_interval[1] - run.accuracy_interval[0])).toFixed(1)}`,
        })
      : null;
  const name = h(
    "th",
    { scope: "row" },
    h("a", { href: `#/studies/${encodeURIComponent(run.name)}`, "data-keep": `run-${run.name}`, text: run.name }),
    h(
      "span",
      { class: "under" },
      statusOf(run),
      run.recipe && run.recipe !== run.name ? h("span", { class: "soft", text: run.recipe }) : null,
      run.drawn ? h("span", { class: "tag", text: "drawn faces" }) : null,
    ),
  );
  const number = (...content) => h("td", { class: "number" }, content);
  return h(
    "tr",
    { class: chosen.includes(run.name) ? "ticked" : "" },
    h("td", { class: "tick-cell" }, tick),
    name,
    h(
      "td",
      {},
      run.error ? h("span", { class: "verdict bad", title: run.error, text: "cannot be read" }) : verdictOf(run),
    ),
    number(
      h(
        "div",
        { class: "with-spark" },
        spark(run.curve),
        h("span", {}, h("b", { text: percent(validation(run), 1) }), interval),
      ),
    ),
    number(
      run.gap === null ? "–" : `${run.gap > 0 ? "+" : run.gap < 0 ? "−" : ""}${Math.abs(100 * run.gap).toFixed(1)}`,
    ),
    number(run.macro_f1 === null ? "–" : run.macro_f1.toFixed(3)),
    number(run.ece === null ? "–" : percent(run.ece, 1)),
    number(epochsOf(run)),
    number(count(run.parameters)),
    number(duration(run.seconds)),
    h("td", { class: "soft", title: run.updated, text: ago(run.updated) }),
  );
}

function epochsOf(run) {
  if (run.status === "done" || !run.planned_epochs) return String(run.epochs);
  return h(
    "span",
    { class: "progress" },
    `${run.epochs} of ${run.planned_epochs}`,
    h("progress", { max: run.planned_epochs, value: run.epochs, "aria-label": "Epochs done" }),
  );
}

function sorted(runs) {
  const value = (run) => (sort.key === "validation" ? validation(run) : run[sort.key]);
  return [...runs].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === y) return a.name < b.name ? -1 : 1;
    if (x === null || x === undefined) return 1; // what is not known comes last, either way
    if (y === null || y === undefined) return -1;
    return (x < y ? -1 : 1) * (sort.down ? -1 : 1);
  });
}

function ago(iso) {
  const seconds = (Date.now() - Date.parse(iso)) / 1000;
  if (seconds < 90) return "just now";
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return new Date(iso).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}
