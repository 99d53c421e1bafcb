// The last half minute of the largest face: its probabilities stacked over time, drawn on a canvas.

import { h } from "./dom.js";

const SPAN = 30_000; // milliseconds
const HEIGHT = 120;

/** Gives {element, add(now, probabilities | null, card), clear()}. A gap stays where no face was seen. */
export function trace() {
  const canvas = h("canvas", {
    height: HEIGHT,
    role: "img",
    "aria-label": "The probabilities of the largest face over the last 30 seconds",
  });
  const element = h(
    "figure",
    { class: "card trace", hidden: true },
    h("figcaption", { class: "soft", text: "The last 30 seconds of the largest face" }),
    canvas,
  );
  let points = [];
  return {
    element,
    add(now, probabilities, card) {
      points.push({ now, probabilities });
      points = points.filter((point) => now - point.now <= SPAN + 1000);
      element.hidden = false;
      paintShares(canvas, points, { from: now - SPAN, to: now }, card);
    },
    clear() {
      points = [];
      element.hidden = true;
    },
  };
}

/** Paint probabilities stacked over time, from one time to another. points: [{now, probabilities | null}]. */
export function paintShares(canvas, points, { from, to }, card) {
  const wide = canvas.clientWidth || 300;
  const high = canvas.clientHeight || HEIGHT;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const draw = canvas.getContext("2d");
  draw.scale(ratio, ratio);
  const at = (point) => ((point.now - from) / (to - from)) * wide;
  for (let i = 1; i < points.length; i += 1) {
    const [a, b] = [points[i - 1], points[i]];
    if (!a.probabilities || !b.probabilities) continue;
    let low = [0, 0];
    card.classes.forEach((name, index) => {
      const top = [low[0] + a.probabilities[name], low[1] + b.probabilities[name]];
      const [left, right] = [at(a), at(b) + 0.6]; // a hair of overlap, or seams shine through
      draw.fillStyle = card.colors[index];
      draw.beginPath();
      draw.moveTo(left, high * low[0]);
      draw.lineTo(right, high * low[1]);
      draw.lineTo(right, high * top[1]);
      draw.lineTo(left, high * top[0]);
      draw.fill();
      low = top;
    });
  }
}
