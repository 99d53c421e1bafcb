// One run: what the curves say, its numbers, its confusion matrices, how it was trained.

import { lineChart } from "./charts.js";
import { confusion } from "./confusion.js";
import { count, duration, h, icon, percent, scrollArea, sentence } from "./dom.js";
import { asLoss, asPercent, shown, statusOf, validation } from "./run_words.js";

const TRAIN = "var(--train)";
const VALIDATION = "var(--validation)";
const VIEWS = { single: "one look", flip: "mean with its mirror image" };
const PARTS = { validation: "validation", test: "test" };
const pickedPart = { key: "" };

/** The whole view, as a list of elements. */
export function runView(run) {
  return [
    h(
      "div",
      { class: "toolbar" },
      h("a", { class: "button", href: "#/studies" }, icon("back"), "All runs"),
      h(
        "div",
        { class: "grow" },
        h("h1", { id: "studies-title", tabindex: "-1", class: "file-name", text: run.name }),
        h(
          "p",
          { class: "soft under" },
          statusOf(run),
          [
            run.recipe && `recipe ${run.recipe}`,
            run.seed !== null && `seed ${run.seed}`,
            run.parameters && `${count(run.parameters)} parameters`,
            run.seconds && duration(run.seconds),
          ]
            .filter(Boolean)
            .join(" · "),
          run.drawn ? h("span", { class: "tag", text: "drawn faces: a demonstration" }) : null,
        ),
      ),
    ),
    run.error
      ? h(
          "div",
          { class: "callout bad" },
          h("h2", { text: "This run cannot be read whole" }),
          h("p", { text: run.error }),
        )
      : null,
    verdict(run),
    tiles(run),
    curves(run),
    evaluations(run),
    facts(run),
    numbers(run),
  ].filter(Boolean);
}

function verdict(run) {
  const found = run.verdict_detail;
  if (!found) return null;
  return h(
    "div",
    { class: `callout ${found.kind.replaceAll(" ", "-")}` },
    h("h2", {
      text: found.title.charAt(0).toUpperCase() + found.title.slice(1) + (run.status === "running" ? ", so far" : ""),
    }),
    h("p", { text: sentence(found.evidence) }),
    h("p", { class: "soft" }, withFlags(sentence(`try ${found.advice}`))),
  );
}

/** Text in which fields such as label_smoothing=0.1, and options of older runs (--label-smoothing 0.1), stand out and are not broken. */
function withFlags(text) {
  return text
    .split(/(--[a-z][a-z-]*(?: [\d.]+(?![\d.]*\w))?|\b[a-z_]+=(?:'[^']*'|[\w.-]*\w)|\b[a-z]+(?:_[a-z]+)+\b)/)
    .map((part, i) => (i % 2 ? h("code", { class: "flag", text: part }) : part));
}

function tiles(run) {
  const tile = (name, value, note) =>
    h(
      "div",
      { class: "tile" },
      h("dt", { text: name }),
      h("dd", {}, h("strong", { text: value }), note ? h("span", { class: "soft", text: note }) : null),
    );
  const single = run.evaluations.validation?.single;
  const interval = run.accuracy_interval ? between(run.accuracy_interval) : run.epochs ? "last epoch" : "";
  return h(
    "dl",
    { class: "tiles" },
    tile("Validation accuracy", percent(validation(run), 1), interval),
    run.test_accuracy !== null
      ? tile("Test accuracy", percent(run.test_accuracy, 1), between(run.evaluations.test?.single?.accuracy_interval))
      : null,
    tile(
      "Best epoch",
      run.best_epoch === null ? "–" : String(run.best_epoch),
      run.best_val_accuracy === null ? "" : percent(run.best_val_accuracy, 1),
    ),
    tile("Gap", run.gap === null ? "–" : `${(100 * run.gap).toFixed(1)}`, "points, training over validation"),
    tile("Macro F1", run.macro_f1 === null ? "–" : run.macro_f1.toFixed(3), ""),
    tile(
      "Calibration error",
      percent(run.ece, 1),
      run.temperature ? `before temperature ${run.temperature.toFixed(2)}` : "",
    ),
    single ? tile("NLL", single.nll.toFixed(3), `${single.n.toLocaleString("en")} images`) : null,
  );
}

function between(interval) {
  return interval ? `${percent(interval[0], 1)} to ${percent(interval[1], 1)}` : "";
}

function curves(run) {
  const { epoch, train_accuracy, val_accuracy, train_loss, val_loss, learning_rate } = run.history;
  if (!epoch.length) {
    return h(
      "div",
      { class: "card note" },
      h("h2", { text: "The first epoch is not done yet" }),
      h("p", { class: "soft", text: "Curves are drawn here as soon as it is." }),
    );
  }
  const marks = marksOf(run);
  const pair = (train, val) => [
    { name: "training", color: TRAIN, values: train },
    { name: "validation", color: VALIDATION, values: val },
  ];
  return h(
    "div",
    { class: "charts" },
    h(
      "div",
      { class: "card" },
      lineChart({ label: "Accuracy", x: epoch, series: pair(train_accuracy, val_accuracy), format: asPercent, marks }),
    ),
    h(
      "div",
      { class: "card" },
      lineChart({ label: "Loss", x: epoch, series: pair(train_loss, val_loss), format: asLoss, marks }),
    ),
    learning_rate.some((v) => v !== learning_rate[0])
      ? h(
          "div",
          { class: "card wide" },
          lineChart({
            label: "Learning rate",
            x: epoch,
            series: [{ name: "learning rate", color: "var(--soft)", values: learning_rate }],
            format: (v, exact) => (v === 0 ? "0" : exact ? v.toPrecision(3) : Number(v.toPrecision(2)).toExponential()),
            height: 130,
            low: 0,
          }),
        )
      : null,
  );
}

/** Where it began to overfit, and which epoch's weights were kept. */
function marksOf(run) {
  const marks = [];
  const found = run.verdict_detail;
  if (found?.epoch) marks.push({ x: found.epoch, text: found.title, color: "var(--warn)" });
  const kept = run.kept_epoch ?? (run.status === "done" ? run.best_epoch : null);
  if (kept && kept !== found?.epoch)
    marks.push({
      x: kept,
      text: run.kept_epoch ? `kept: epoch ${kept}` : `best: epoch ${kept}`,
      color: "var(--good)",
      row: found?.epoch ? 1 : 0,
    });
  return marks;
}

function evaluations(run) {
  const choices = Object.entries(run.evaluations).flatMap(([part, views]) =>
    Object.entries(views)
      .filter(([, each]) => each.confusion && each.per_class)
      .map(([view, each]) => ({ key: `${part}/${view}`, part, view, each })),
  );
  if (!choices.length) return null;
  const holder = h("div", { class: "evaluation" });
  const select = h(
    "select",
    { "aria-label": "Evaluation", "data-keep": "evaluation" },
    choices.map(({ key, part, view }) =>
      h("option", { value: key, text: `${PARTS[part] ?? part}, ${VIEWS[view] ?? view}` }),
    ),
  );
  const draw = () => {
    const { each, part } = choices.find(({ key }) => key === select.value);
    holder.replaceChildren(
      h(
        "div",
        { class: "card" },
        confusion(
          each,
          `${each.n.toLocaleString("en")} ${PARTS[part] ?? part} images: in each row, per cent of the faces of a class`,
        ),
      ),
      h("div", { class: "card" }, classTable(each)),
    );
  };
  if (choices.some(({ key }) => key === pickedPart.key)) select.value = pickedPart.key;
  select.addEventListener("change", () => {
    pickedPart.key = select.value;
    draw();
  });
  draw();
  return h(
    "section",
    { "aria-labelledby": "confusion-title" },
    h(
      "div",
      { class: "toolbar section" },
      h("h2", { id: "confusion-title", text: "What is taken for what" }),
      h("span", { class: "grow" }),
      choices.length > 1 ? select : null,
    ),
    holder,
  );
}

function classTable(evaluation) {
  const cell = (value) => h("td", { class: "number", text: percent(value, 1) });
  return scrollArea(
    "Each class",
    h(
      "table",
      { class: "plain" },
      h("caption", {
        class: "soft",
        text: `Each class: accuracy ${percent(evaluation.accuracy, 1)}, macro F1 ${evaluation.macro_f1.toFixed(3)}`,
      }),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Class", "F1", "Precision", "Recall", "Images"].map((name, i) =>
            h("th", { scope: "col", class: i ? "number" : "", text: name }),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        evaluation.per_class.map((each) =>
          h(
            "tr",
            {},
            h("th", { scope: "row", text: each.name }),
            h(
              "td",
              { class: "number f1" },
              h(
                "span",
                { class: "mini", "aria-hidden": "true" },
                h("span", { style: { transform: `scaleX(${each.f1})` } }),
              ),
              percent(each.f1, 1),
            ),
            cell(each.precision),
            cell(each.recall),
            h("td", { class: "number", text: each.support.toLocaleString("en") }),
          ),
        ),
      ),
    ),
  );
}

function facts(run) {
  const list = (title, values) => {
    const known = Object.entries(values).filter(([, value]) => value !== null && value !== "");
    if (!known.length) return null;
    return h(
      "div",
      {},
      h("h3", { text: title }),
      h(
        "dl",
        { class: "pairs" },
        known.map(([key, value]) =>
          h("div", {}, h("dt", { text: key.replaceAll("_", " ") }), h("dd", { text: shown(value) })),
        ),
      ),
    );
  };
  const parts = [list("Recipe", run.settings), list("Data", run.data), list("Machine", run.machine)].filter(Boolean);
  return parts.length
    ? h(
        "details",
        { class: "card" },
        h("summary", { "data-keep": "recipe", text: "Recipe, data and machine" }),
        h("div", { class: "fact-lists" }, parts),
      )
    : null;
}

function numbers(run) {
  const { epoch } = run.history;
  if (!epoch.length) return null;
  const columns = Object.keys(run.history);
  const text = (column, value) => {
    if (value === null) return "–";
    if (column.includes("accuracy")) return percent(value, 2);
    if (column === "generalisation_gap") return (100 * value).toFixed(2);
    if (column.includes("loss")) return value.toFixed(4);
    if (column === "learning_rate") return value.toPrecision(3);
    return Number.isInteger(value) ? String(value) : value.toFixed(1);
  };
  return h(
    "details",
    { class: "card" },
    h("summary", { "data-keep": "numbers", text: "Every epoch in numbers" }),
    scrollArea(
      "Every epoch in numbers",
      h(
        "table",
        { class: "plain" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            columns.map((name) => h("th", { scope: "col", class: "number", text: name.replaceAll("_", " ") })),
          ),
        ),
        h(
          "tbody",
          {},
          epoch.map((_, i) =>
            h(
              "tr",
              {},
              columns.map((name) => h("td", { class: "number", text: text(name, run.history[name][i]) })),
            ),
          ),
        ),
      ),
    ),
  );
}
