// Runs beside each other: numbers, curves in one chart, where their mistakes differ, how their recipes differ. Differences
// are against the first run, as /v1/compare has them, and shown only where the runs were validated on the same images.

import { lineChart } from "./charts.js";
import { confusion, difference } from "./confusion.js";
import { count, duration, h, icon, percent, plural, scrollArea } from "./dom.js";
import { asLoss, asPercent, shown, statusOf, validation, verdictOf } from "./run_words.js";

const COLORS = ["--first", "--second", "--third", "--fourth", "--fifth", "--sixth", "--seventh", "--eighth"];
const DASHED = 3; // up to so many runs, the training curves are drawn too

const colorAt = (index) => `var(${COLORS[index % COLORS.length]})`;
const known = (value) => value !== null && value !== undefined;
const single = (run) => run.evaluations.validation?.single;

/** The address of a comparison. */
export function compareLink(names) {
  return `#/studies//${names.map(encodeURIComponent).join("/")}`;
}

/** The whole view of two or more runs, as a list of elements. compared: what /v1/compare says of each, in their order. */
export function compareView(runs, compared) {
  const same = compared.map((each) => !each.reason);
  const names = runs.map((run) => run.name);
  const title = names.length === 2 ? `${names[0]} and ${names[1]}` : `${names.length} runs compared`;
  return [
    h(
      "div",
      { class: "toolbar" },
      h("a", { class: "button", href: "#/studies" }, icon("back"), "All runs"),
      h(
        "div",
        { class: "grow long" },
        h("h1", { id: "studies-title", tabindex: "-1", class: "file-name", text: title }),
        compared.slice(1).map((run) => h("p", { class: "soft", text: sentenceOn(compared[0], run) })),
      ),
      names.length === 2 ? h("a", { class: "button", href: compareLink([names[1], names[0]]) }, "Swap") : null,
    ),
    scores(runs, same),
    charts(runs),
    mistakes(runs, same),
    recipes(runs),
  ].filter(Boolean);
}

/** Whether the difference of a run from the first in accuracy is more than chance, by the server's interval and test. */
function sentenceOn(first, run) {
  if (!run.difference) return `${run.reason}: their scores cannot be compared.`;
  const { accuracy, interval, method, p_value, only_first, only_this, verdict } = run.difference;
  const images = `${run.n.toLocaleString("en")} images`;
  const [better, other] = accuracy >= 0 ? [run, first] : [first, run];
  const points = (share) => (100 * share).toFixed(1);
  const bounds = accuracy >= 0 ? interval : interval.map((bound) => -bound).reverse();
  const by =
    Math.abs(accuracy) < 0.0005
      ? `${first.name} and ${run.name} are equal on the same ${images}`
      : `${better.name} is ${points(Math.abs(accuracy))} points better than ${other.name} on ${images}`;
  const range = `95 % interval ${points(bounds[0])} to ${points(bounds[1])}, ${method}`.replaceAll("-", "−");
  const chance = verdict === "undecided" ? "chance alone can explain it" : "more than chance explains";
  const alone =
    p_value === null
      ? ""
      : ` ${only_first} images ${first.name} alone has right, ${only_this} ${run.name} alone` +
        ` (McNemar p ${p_value < 0.001 ? "< 0.001" : `= ${p_value.toFixed(3)}`}).`;
  return `${by} (${range}): ${chance}.${alone}`;
}

// sign: 1 where more is better, -1 where less is, 0 where neither. points: the difference is told in percentage points.
const SCORES = [
  { name: "Validation accuracy", value: validation, format: (v) => percent(v, 1), sign: 1, points: true },
  { name: "Test accuracy", value: (run) => run.test_accuracy, format: (v) => percent(v, 1), sign: 1, points: true },
  { name: "Macro F1", value: (run) => run.macro_f1, format: (v) => v.toFixed(3), sign: 1 },
  { name: "NLL", value: (run) => single(run)?.nll, format: (v) => v.toFixed(3), sign: -1 },
  { name: "Calibration error", value: (run) => run.ece, format: (v) => percent(v, 1), sign: -1, points: true },
  { name: "Gap", value: (run) => run.gap, format: (v) => `${(100 * v).toFixed(1)} points`, sign: 0 },
  { name: "Best epoch", value: (run) => run.best_epoch, format: String, sign: 0 },
  { name: "Epochs", value: (run) => run.epochs, format: String, sign: 0 },
  { name: "Parameters", value: (run) => run.parameters, format: count, sign: 0 },
  { name: "Time", value: (run) => run.seconds, format: duration, sign: 0 },
];

function scores(runs, same) {
  const rows = SCORES.filter(({ value }) => runs.some((run) => known(value(run))));
  const head = (run, i) =>
    h(
      "th",
      { scope: "col", class: "number" },
      h("span", { class: "key", style: { "--color": colorAt(i) } }),
      h("a", { href: `#/studies/${encodeURIComponent(run.name)}`, text: run.name }),
      i && !same[i] ? h("span", { class: "delta soft", text: "other images" }) : null,
    );
  const cell = ({ value, format, sign, points }, run, i) =>
    h(
      "td",
      { class: "number" },
      known(value(run)) ? format(value(run)) : "–",
      i && sign && same[i] ? delta(value(runs[0]), value(run), sign, points) : null,
    );
  const verdicts = runs.map((run) => h("td", { class: "number" }, statusOf(run), verdictOf(run)));
  return h(
    "div",
    { class: "card flush" },
    scrollArea(
      "Scores",
      h(
        "table",
        { class: "plain scores" },
        h("caption", { class: "for-readers", text: `Scores; differences are against ${runs[0].name}` }),
        h("thead", {}, h("tr", {}, h("td"), runs.map(head))),
        h(
          "tbody",
          {},
          h("tr", {}, h("th", { scope: "row", text: "Verdict" }), verdicts),
          rows.map((row) =>
            h(
              "tr",
              {},
              h("th", { scope: "row", text: row.name }),
              runs.map((run, i) => cell(row, run, i)),
            ),
          ),
        ),
      ),
    ),
  );
}

/** The difference of a score from the first run's, in the score's own unit. */
function delta(before, after, sign, points) {
  if (!known(before) || !known(after)) return null;
  const by = (points ? 100 : 1) * (after - before);
  const digits = points ? 1 : 3;
  const kind = Math.abs(by) < 0.5 * 10 ** -digits ? "soft" : by * sign > 0 ? "better" : "worse";
  const text = `${by > 0 ? "+" : by < 0 ? "−" : "±"}${Math.abs(by).toFixed(digits)}${points ? " points" : ""}`;
  return h("span", { class: `delta ${kind}`, text });
}

function charts(runs) {
  const longest = runs.reduce((a, b) => (b.history.epoch.length > a.history.epoch.length ? b : a));
  const x = longest.history.epoch;
  if (!x.length) return null;
  const spread = (run, column) => x.map((epoch) => run.history[column][run.history.epoch.indexOf(epoch)] ?? null);
  const series = (part) =>
    runs.flatMap((run, i) => [
      { name: `${run.name}, validation`, color: colorAt(i), values: spread(run, `val_${part}`) },
      ...(runs.length > DASHED
        ? []
        : [{ name: "training", color: colorAt(i), values: spread(run, `train_${part}`), dashed: true }]),
    ]);
  const chart = (label, part, format) =>
    h("div", { class: "card" }, lineChart({ label, x, series: series(part), format, height: 280 }));
  return h("div", { class: "charts" }, chart("Accuracy", "accuracy", asPercent), chart("Loss", "loss", asLoss));
}

function mistakes(runs, same) {
  const [first] = runs;
  const shownRuns = runs.filter(
    (run) => single(run)?.confusion && single(run)?.per_class && String(run.classes) === String(first.classes),
  );
  if (shownRuns.length < 2 || shownRuns[0] !== first) return null;
  const against = shownRuns.filter((run) => run !== first && same[runs.indexOf(run)]);
  const caption = (run) => `${run.name} minus ${first.name}, in points; green is better`;
  return h(
    "section",
    { "aria-labelledby": "mistakes-title" },
    h("div", { class: "toolbar section" }, h("h2", { id: "mistakes-title", text: "Where they differ" })),
    h(
      "div",
      { class: "three" },
      shownRuns.map((run) => h("div", { class: "card" }, confusion(single(run), run.name))),
      against.map((run) => h("div", { class: "card" }, difference(single(first), single(run), caption(run)))),
    ),
  );
}

function recipes(runs) {
  const settings = runs.map((run) => ({
    ...run.settings,
    ...prefixed("data", run.data),
    ...prefixed("machine", run.machine),
  }));
  const keys = [...new Set(settings.flatMap(Object.keys))].filter((key) =>
    settings.some((values) => values[key] !== settings[0][key]),
  );
  const row = (key) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", text: key.replaceAll("_", " ") }),
      settings.map((values) => h("td", { class: "number", text: known(values[key]) ? shown(values[key]) : "–" })),
    );
  const heads = runs.map((run) => h("th", { scope: "col", class: "number", text: run.name }));
  const table = () =>
    h("table", { class: "plain scores" }, h("thead", {}, h("tr", {}, h("td"), heads)), h("tbody", {}, keys.map(row)));
  return h(
    "section",
    { "aria-labelledby": "recipes-title" },
    h("div", { class: "toolbar section" }, h("h2", { id: "recipes-title", text: "How they were trained" })),
    h(
      "div",
      { class: "card flush" },
      keys.length
        ? scrollArea(`How ${plural(runs.length, "run")} were trained`, table())
        : h("p", { class: "soft padded", text: "In the same way: recipe, data and machine are equal." }),
    ),
  );
}

const prefixed = (prefix, values) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}: ${key}`, value]));
