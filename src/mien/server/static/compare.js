// Two runs beside each other: numbers, curves in one chart, where their mistakes differ, how their recipes differ.

import { lineChart } from "./charts.js";
import { confusion, difference } from "./confusion.js";
import { count, duration, h, icon, percent } from "./dom.js";
import { asLoss, asPercent, shown } from "./run.js";
import { statusOf, validation, verdictOf } from "./studies.js";

const FIRST = "var(--first)";
const SECOND = "var(--second)";

/** The whole view, as a list of elements. */
export function compareView(a, b) {
  return [
    h("div", { class: "toolbar" },
      h("a", { class: "button", href: "#/studies" }, icon("back"), "All runs"),
      h("div", { class: "grow long" }, h("h1", { id: "studies-title", tabindex: "-1", class: "file-name", text: `${a.name} and ${b.name}` }), h("p", { class: "soft", text: saying(a, b) })),
      h("a", { class: "button", href: `#/studies//${encodeURIComponent(b.name)}/${encodeURIComponent(a.name)}` }, "Swap")),
    scores(a, b),
    charts(a, b),
    mistakes(a, b),
    recipes(a, b),
  ].filter(Boolean);
}

/** Whether the difference in accuracy is more than chance, in a sentence. */
function saying(a, b) {
  const [x, y] = [a.evaluations.validation?.single, b.evaluations.validation?.single];
  if (!x || !y) return "One of them has not been evaluated yet.";
  if (a.data.fingerprint !== b.data.fingerprint || x.n !== y.n) return "They were validated on different images: their accuracies are not to be compared directly.";
  const points = 100 * (y.accuracy - x.accuracy);
  const wide = 100 * Math.sqrt((x.accuracy * (1 - x.accuracy)) / x.n + (y.accuracy * (1 - y.accuracy)) / y.n) * 1.96;
  const better = points > 0 ? b.name : a.name;
  if (Math.abs(points) < 0.05) return `Equal on the same ${x.n.toLocaleString("en")} images.`;
  return `${better} is ${Math.abs(points).toFixed(1)} points better on ${x.n.toLocaleString("en")} images; ${Math.abs(points) > wide ? "more than" : "a difference within"} the ± ${wide.toFixed(1)} that chance explains.`;
}

function scores(a, b) {
  const single = (run) => run.evaluations.validation?.single ?? {};
  const rows = [
    ["Validation accuracy", validation, (v) => percent(v, 1), 1, 100],
    ["Test accuracy", (run) => run.test_accuracy, (v) => percent(v, 1), 1, 100],
    ["Macro F1", (run) => run.macro_f1, (v) => v.toFixed(3), 1, 100],
    ["NLL", (run) => single(run).nll, (v) => v.toFixed(3), -1],
    ["Calibration error", (run) => run.ece, (v) => percent(v, 1), -1, 100],
    ["Gap", (run) => run.gap, (v) => `${(100 * v).toFixed(1)}`, 0, 100],
    ["Best epoch", (run) => run.best_epoch, String, 0],
    ["Epochs", (run) => run.epochs, String, 0],
    ["Parameters", (run) => run.parameters, count, 0],
    ["Time", (run) => run.seconds, duration, 0],
  ].filter(([, value]) => known(value(a)) || known(value(b)));
  const cell = (v, format) => h("td", { class: "number", text: known(v) ? format(v) : "–" });
  const head = (run, color) => h("th", { scope: "col", class: "number" }, h("span", { class: "key", style: { "--color": color } }), h("a", { href: `#/studies/${encodeURIComponent(run.name)}`, text: run.name }));
  return h("div", { class: "card flush scroll-x" }, h("table", { class: "plain scores" },
    h("caption", { class: "for-readers", text: "Scores" }),
    h("thead", {}, h("tr", {}, h("td"), head(a, FIRST), head(b, SECOND), h("th", { scope: "col", class: "number", text: "Difference" }))),
    h("tbody", {},
      h("tr", {}, h("th", { scope: "row", text: "Verdict" }), h("td", { class: "number" }, statusOf(a), verdictOf(a)), h("td", { class: "number" }, statusOf(b), verdictOf(b)), h("td")),
      rows.map(([name, value, format, sign, scale = 1]) => h("tr", {}, h("th", { scope: "row", text: name }), cell(value(a), format), cell(value(b), format), delta(value(a), value(b), sign, scale))))));
}

function delta(x, y, sign, scale) {
  if (!known(x) || !known(y)) return h("td", { class: "number", text: "–" });
  if (!sign) return h("td", { class: "number soft", text: "" });
  const by = scale * (y - x);
  const digits = scale === 1 ? 3 : 1;
  const kind = Math.abs(by) < 0.5 * 10 ** -digits ? "soft" : by * sign > 0 ? "better" : "worse";
  return h("td", { class: `number ${kind}`, text: `${by > 0 ? "+" : by < 0 ? "−" : ""}${Math.abs(by).toFixed(digits)}` });
}

const known = (value) => value !== null && value !== undefined;

function charts(a, b) {
  const x = a.history.epoch.length > b.history.epoch.length ? a.history.epoch : b.history.epoch;
  if (!x.length) return null;
  const spread = (run, column) => x.map((epoch) => run.history[column][run.history.epoch.indexOf(epoch)] ?? null);
  const series = (part) => [
    { name: `${a.name}, validation`, color: FIRST, values: spread(a, `val_${part}`) },
    { name: "training", color: FIRST, values: spread(a, `train_${part}`), dashed: true },
    { name: `${b.name}, validation`, color: SECOND, values: spread(b, `val_${part}`) },
    { name: "training", color: SECOND, values: spread(b, `train_${part}`), dashed: true },
  ];
  return h("div", { class: "charts" },
    h("div", { class: "card" }, lineChart({ label: "Accuracy", x, series: series("accuracy"), format: asPercent, height: 280 })),
    h("div", { class: "card" }, lineChart({ label: "Loss", x, series: series("loss"), format: asLoss, height: 280 })));
}

function mistakes(a, b) {
  const [x, y] = [a.evaluations.validation?.single, b.evaluations.validation?.single];
  if (!x?.confusion || !y?.confusion || String(a.classes) !== String(b.classes)) return null;
  return h("section", { "aria-labelledby": "mistakes-title" },
    h("div", { class: "toolbar section" }, h("h2", { id: "mistakes-title", text: "Where they differ" })),
    h("div", { class: "three" },
      h("div", { class: "card" }, confusion(x, a.name)),
      h("div", { class: "card" }, confusion(y, b.name)),
      h("div", { class: "card" }, difference(x, y, `${b.name} minus ${a.name}, in points; green is better`))));
}

function recipes(a, b) {
  const left = { ...a.settings, ...prefixed("data", a.data), ...prefixed("machine", a.machine) };
  const right = { ...b.settings, ...prefixed("data", b.data), ...prefixed("machine", b.machine) };
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])].filter((key) => left[key] !== right[key]);
  const rows = keys.map((key) => h("tr", {}, h("th", { scope: "row", text: key.replaceAll("_", " ") }), h("td", { class: "number", text: known(left[key]) ? shown(left[key]) : "–" }), h("td", { class: "number", text: known(right[key]) ? shown(right[key]) : "–" })));
  return h("section", { "aria-labelledby": "recipes-title" },
    h("div", { class: "toolbar section" }, h("h2", { id: "recipes-title", text: "How they were trained" })),
    h("div", { class: "card flush scroll-x" }, rows.length
      ? h("table", { class: "plain scores" }, h("thead", {}, h("tr", {}, h("td"), h("th", { scope: "col", class: "number", text: a.name }), h("th", { scope: "col", class: "number", text: b.name }))), h("tbody", {}, rows))
      : h("p", { class: "soft padded", text: "In the same way: recipe, data and machine are equal." })));
}

const prefixed = (prefix, values) => Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}: ${key}`, value]));
