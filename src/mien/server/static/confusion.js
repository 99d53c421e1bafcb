// Confusion matrices as real tables: rows are what faces truly show, columns what they were taken for.

import { h, percent, scrollArea } from "./dom.js";

/** One matrix. evaluation: with confusion and per_class. Cells show the share of their row; the title says the count. */
export function confusion(evaluation, caption) {
  const names = evaluation.per_class.map((each) => each.name);
  const rows = evaluation.confusion;
  const cells = rows.map((row) => {
    const sum = row.reduce((a, b) => a + b, 0) || 1;
    return row.map((n) => ({ share: n / sum, title: `${n} of ${sum}` }));
  });
  return matrix(names, caption, (i, j) => {
    const { share, title } = cells[i][j];
    const weight = Math.round(100 * share ** 0.75);
    return {
      text: share >= 0.005 ? Math.round(100 * share) : "·",
      title: `${names[i]} taken for ${names[j]}: ${title} (${percent(share, 1)})`,
      ...paint(i === j ? "hit" : "miss", weight),
    };
  });
}

/** Second minus first, in points of each row's share: where the two runs differ. */
export function difference(first, second, caption) {
  const names = first.per_class.map((each) => each.name);
  const shares = [first, second].map((each) =>
    each.confusion.map((row) => {
      const sum = row.reduce((a, b) => a + b, 0) || 1;
      return row.map((n) => n / sum);
    }),
  );
  return matrix(names, caption, (i, j) => {
    const points = 100 * (shares[1][i][j] - shares[0][i][j]);
    const better = i === j ? points > 0 : points < 0;
    const weight = Math.min(75, Math.round(Math.abs(points) * 5));
    const text = Math.abs(points) < 0.5 ? "·" : `${points > 0 ? "+" : "−"}${Math.abs(points).toFixed(0)}`;
    return {
      text,
      title: `${names[i]} taken for ${names[j]}: ${points >= 0 ? "+" : "−"}${Math.abs(points).toFixed(1)} points`,
      ...paint(better ? "better" : "worse", weight),
    };
  });
}

// From which weight of its color a cell wants white letters in the light theme, and black ones in the dark theme.
const TURNS = { hit: [82, 63], miss: [101, 66], better: [101, 59], worse: [101, 63] };

function paint(kind, weight) {
  const [deep, bright] = TURNS[kind];
  return {
    style: { "--weight": `${weight}%` },
    kind: `${kind}${weight > deep ? " deep" : ""}${weight > bright ? " bright" : ""}`,
  };
}

function matrix(names, caption, cell) {
  const head = h(
    "tr",
    {},
    h("td", { class: "corner" }),
    names.map((name) => h("th", { scope: "col" }, h("span", { text: name }))),
  );
  const body = names.map((name, i) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", text: name }),
      names.map((_, j) => {
        const { text, title, style, kind } = cell(i, j);
        return h("td", { class: kind, style, title }, h("span", { text }));
      }),
    ),
  );
  return scrollArea(
    caption,
    h(
      "table",
      { class: "matrix" },
      h("caption", { class: "soft", text: caption }),
      h("thead", {}, head),
      h("tbody", {}, body),
    ),
  );
}
