// Line charts in SVG: drawn at the size at which they are shown, with a cross-hair for pointer and keyboard.

import { h, s } from "./dom.js";

const LEFT = 46;
const RIGHT = 14;
const TOP = 12;
const BOTTOM = 30;

/**
 * A chart of one or more series over the epochs.
 * options: {label, x: [numbers], series: [{name, color, values: [number | null], dashed}], format: value -> text,
 * height, marks: [{x, text, color}], low, high (limits that must be in sight)}. color: a CSS color.
 */
export function lineChart(options) {
  const legend = h(
    "ul",
    { class: "legend" },
    options.series.map((each) =>
      h(
        "li",
        {},
        h("span", { class: `key${each.dashed ? " dashed" : ""}`, style: { "--color": each.color } }),
        each.name,
      ),
    ),
  );
  const holder = h("div", { class: "plot", style: { height: `${options.height ?? 240}px` } });
  const element = h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, h("span", { text: options.label }), legend),
    holder,
  );
  new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width > 60) holder.replaceChildren(...plot(options, width, options.height ?? 240));
  }).observe(holder);
  return element;
}

function plot(options, width, height) {
  const { x, series, format } = options;
  const values = series.flatMap((each) => each.values).filter((v) => v !== null && Number.isFinite(v));
  if (!values.length) return [h("p", { class: "soft empty-plot", text: "Nothing to draw yet." })];
  const xs = { low: x[0], high: Math.max(x.at(-1), x[0] + 1) };
  const ys = range(values, options.low, options.high);
  const px = (v) => LEFT + ((v - xs.low) / (xs.high - xs.low)) * (width - LEFT - RIGHT);
  const py = (v) => TOP + (1 - (v - ys.low) / (ys.high - ys.low)) * (height - TOP - BOTTOM);
  const svg = s("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    tabindex: "0",
    "aria-label": spoken(options),
  });
  for (const tick of ys.ticks) {
    svg.append(
      s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: py(tick), y2: py(tick) }),
      s("text", { class: "tick", x: LEFT - 8, y: py(tick) + 4, "text-anchor": "end" }, format(tick)),
    );
  }
  for (const tick of epochTicks(xs, width)) {
    svg.append(
      s("text", { class: "tick", x: px(tick), y: height - BOTTOM + 19, "text-anchor": "middle" }, String(tick)),
    );
  }
  for (const mark of options.marks ?? []) svg.append(...drawMark(mark, px, width, height));
  for (const each of series) svg.append(...drawSeries(each, x, px, py));
  const hair = s("line", { class: "hair", y1: TOP, y2: height - BOTTOM });
  const dots = series.map((each) => s("circle", { r: 4, class: "hair-dot", style: { fill: each.color } }));
  const group = s("g", { class: "cross", visibility: "hidden" }, hair, dots);
  const tip = h("div", { class: "tip", role: "status" });
  tip.hidden = true;
  svg.append(group);
  connect(svg, options, { px, py, width, group, hair, dots, tip });
  return [svg, tip];
}

function drawSeries(each, x, px, py) {
  let path = "";
  let open = false;
  const lonely = [];
  each.values.forEach((v, i) => {
    const known = v !== null && Number.isFinite(v);
    if (known) {
      path += `${open ? "L" : "M"}${px(x[i]).toFixed(1)} ${py(v).toFixed(1)}`;
      if (!open && (i === each.values.length - 1 || each.values[i + 1] === null)) lonely.push(i);
    }
    open = known;
  });
  const line = s("path", {
    class: "line",
    d: path,
    style: { stroke: each.color, "stroke-dasharray": each.dashed ? "5 4" : "none" },
  });
  return [
    line,
    ...lonely.map((i) => s("circle", { cx: px(x[i]), cy: py(each.values[i]), r: 3, style: { fill: each.color } })),
  ];
}

function drawMark(mark, px, width, height) {
  const at = px(mark.x);
  const right = at > width * 0.62;
  return [
    s("line", { class: "mark", x1: at, x2: at, y1: TOP, y2: height - BOTTOM, style: { stroke: mark.color } }),
    s(
      "text",
      {
        class: "mark-text",
        x: at + (right ? -6 : 6),
        y: height - BOTTOM - 8 - (mark.row ?? 0) * 15,
        "text-anchor": right ? "end" : "start",
      },
      mark.text,
    ),
  ];
}

/** Pointer and arrow keys move the cross-hair from epoch to epoch. */
function connect(svg, { x, series, format }, { px, py, width, group, hair, dots, tip }) {
  let at = -1;
  const go = (index) => {
    at = Math.max(0, Math.min(x.length - 1, index));
    group.setAttribute("visibility", "visible");
    hair.setAttribute("x1", px(x[at]));
    hair.setAttribute("x2", px(x[at]));
    series.forEach((each, i) => {
      const v = each.values[at];
      const known = v !== null && v !== undefined && Number.isFinite(v);
      dots[i].setAttribute("visibility", known ? "inherit" : "hidden");
      if (!known) return;
      dots[i].setAttribute("cx", px(x[at]));
      dots[i].setAttribute("cy", py(v));
    });
    const row = (each) =>
      h(
        "li",
        {},
        h("span", { class: `key${each.dashed ? " dashed" : ""}`, style: { "--color": each.color } }),
        h("span", { text: each.name }),
        h("b", {
          text: each.values[at] === null || each.values[at] === undefined ? "–" : format(each.values[at], true),
        }),
      );
    tip.replaceChildren(h("p", { text: `Epoch ${x[at]}` }), h("ul", {}, series.map(row)));
    tip.hidden = false;
    const left = px(x[at]);
    tip.style.left = left > width * 0.55 ? "auto" : `${left + 12}px`;
    tip.style.right = left > width * 0.55 ? `${width - left + 12}px` : "auto";
  };
  const hide = () => {
    group.setAttribute("visibility", "hidden");
    tip.hidden = true;
  };
  svg.addEventListener("pointermove", (event) => {
    const bounds = svg.getBoundingClientRect();
    const here = event.clientX - bounds.left;
    let best = 0;
    x.forEach((v, i) => {
      if (Math.abs(px(v) - here) < Math.abs(px(x[best]) - here)) best = i;
    });
    go(best);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("focus", () => {
    if (svg.matches(":focus-visible")) go(x.length - 1);
  });
  svg.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: x.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  });
}

/** Limits and about five round ticks around the values. */
function range(values, low, high) {
  let min = Math.min(...values, low ?? Infinity);
  let max = Math.max(...values, high ?? -Infinity);
  if (max - min < 1e-9) [min, max] = [min - Math.abs(min || 1) * 0.1, max + Math.abs(max || 1) * 0.1];
  const rough = (max - min) / 4.5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((m) => m >= rough);
  const ticks = [];
  const first = Math.floor(min / step + 1e-9);
  for (let i = first; (i - 1) * step < max - 1e-9; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return { low: ticks[0], high: ticks.at(-1), ticks };
}

function epochTicks({ low, high }, width) {
  const most = Math.max(2, Math.floor((width - LEFT - RIGHT) / 56));
  const step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000].find((each) => (high - low) / each <= most) ?? 5000;
  const ticks = [];
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) ticks.push(v);
  if (step > 1 && ticks[0] - low >= step * 0.6) ticks.unshift(low);
  return ticks;
}

function spoken({ label, x, series, format }) {
  const told = series.map((each) => {
    const i = each.values.findLastIndex((v) => v !== null && Number.isFinite(v));
    return i < 0
      ? `${each.name}: nothing yet`
      : `${each.name}: ${format(each.values[0] ?? each.values[i], true)} at first, ${format(each.values[i], true)} in epoch ${x[i]}`;
  });
  return `${label}. ${told.join(". ")}. Arrow keys read single epochs.`;
}

/** A small line without axes, for tables. */
export function spark(values, width = 84, height = 26) {
  const known = values.filter((v) => v !== null && Number.isFinite(v));
  const svg = s("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  if (known.length < 2) return svg;
  const [min, max] = [Math.min(...known), Math.max(...known)];
  const px = (i) => 2 + (i / (values.length - 1)) * (width - 6);
  const py = (v) => 3 + (1 - (v - min) / (max - min || 1)) * (height - 6);
  let path = "";
  values.forEach((v, i) => {
    if (v !== null && Number.isFinite(v)) path += `${path ? "L" : "M"}${px(i).toFixed(1)} ${py(v).toFixed(1)}`;
  });
  const last = values.findLastIndex((v) => v !== null && Number.isFinite(v));
  svg.append(s("path", { d: path }), s("circle", { cx: px(last), cy: py(values[last]), r: 2.4 }));
  return svg;
}
