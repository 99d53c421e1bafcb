// Occlusion saliency, as mien.inference.occlusion does it: cover the face piece by piece, measure the drop in probability.

import { logitsOf, softmax } from "./classifier.js";
import { BICUBIC, resize, resizeFloats } from "./resample.js";

const STEPS = 12; // covers along each side
const SPREAD = 0.11; // of a cover, standard deviation as a fraction of the face's side
const OVERLAY = 288; // side of the overlay in pixels
const RAMP = [
  [20, 11, 52],
  [132, 32, 107],
  [229, 92, 48],
  [246, 215, 70],
  [252, 255, 200],
];

/** {probability, drop, overlay} of a gray face (side x side bytes); overlay is an RGB image. */
export async function explain(model, Tensor, face, emotion) {
  const { card } = model;
  const side = card.input_size;
  const index = card.classes.indexOf(emotion);
  const covers = coversOf(side);
  const blurred = blur(face, side, side * SPREAD * 1.5);
  const covered = covers.map((cover) => face.map((level, i) => Math.round(level + cover[i] * (blurred[i] - level))));
  const logits = (await logitsOf(model, Tensor, [face, ...covered])).map((each) =>
    each.map((value) => value / card.temperature),
  );
  const probabilities = logits.map((each) => softmax(each, 1)[index]);
  // Log-odds: near certainty the probability itself hardly moves.
  const odds = logits.map((each) => each[index] - logSum(each.filter((_, i) => i !== index)));
  const falls = odds.slice(1).map((value) => Math.max(odds[0] - value, 0));
  const heat = heatOf(falls, covers, side);
  const drop = Math.max(0, probabilities[0] - Math.min(...probabilities.slice(1)));
  return { probability: probabilities[0], drop, overlay: layOver(face, heat, side) };
}

function logSum(values) {
  const highest = Math.max(...values);
  return highest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - highest), 0));
}

function heatOf(falls, covers, side) {
  const heat = new Float64Array(side * side);
  for (let i = 0; i < heat.length; i += 1) {
    let [weighted, sum] = [0, 0];
    for (let k = 0; k < covers.length; k += 1) {
      weighted += falls[k] * covers[k][i];
      sum += covers[k][i];
    }
    heat[i] = weighted / sum;
  }
  const highest = Math.max(...heat);
  return highest > 0 ? heat.map((value) => value / highest) : heat;
}

/** Soft round covers, 0..1, on a grid over the face. */
function coversOf(side) {
  const along = Array.from({ length: STEPS }, (_, step) => {
    const center = ((step + 0.5) * side) / STEPS;
    return Float64Array.from({ length: side }, (_, i) =>
      Math.exp(-((i + 0.5 - center) ** 2) / (2 * (SPREAD * side) ** 2)),
    );
  });
  return along.flatMap((down) =>
    along.map((across) =>
      Float32Array.from({ length: side * side }, (_, i) => down[Math.floor(i / side)] * across[i % side]),
    ),
  );
}

/** Pillow's GaussianBlur of a gray square: three box blurs along each axis, with a fraction of a pixel at the ends. */
function blur(face, side, sigma) {
  const variance = (sigma * sigma) / 3;
  const whole = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2);
  const rest = ((2 * whole + 1) * (whole * (whole + 1) - 3 * variance)) / (6 * (variance - (whole + 1) * (whole + 1)));
  const inner = Math.trunc(2 ** 24 / ((whole + rest) * 2 + 1));
  const outer = Math.trunc((2 ** 24 - (whole * 2 + 1) * inner) / 2);
  const line = (values) =>
    values.map((_, x) => {
      const at = (i) => values[Math.min(Math.max(x + i, 0), side - 1)];
      let sum = 0;
      for (let i = -whole; i <= whole; i += 1) sum += at(i);
      return Math.floor((sum * inner + (at(-whole - 1) + at(whole + 1)) * outer + 2 ** 23) / 2 ** 24);
    });
  const thrice = (rows) => rows.map((row) => line(line(line(row))));
  const turned = (rows) => rows[0].map((_, x) => rows.map((row) => row[x]));
  const rows = Array.from({ length: side }, (_, y) => Array.from(face.subarray(y * side, (y + 1) * side)));
  return turned(thrice(turned(thrice(rows)))).flat();
}

/** The heat laid over the gray face, as an RGB image. */
function layOver(face, heat, side) {
  const gray = resize({ width: side, height: side, channels: 1, data: face }, OVERLAY, OVERLAY, BICUBIC);
  const warmth = resizeFloats(heat, side, OVERLAY, BICUBIC);
  const data = new Uint8ClampedArray(4 * OVERLAY * OVERLAY);
  warmth.forEach((value, i) => {
    const level = Math.min(1, Math.max(0, value));
    const opacity = 0.12 + 0.5 * level;
    const step = Math.min(RAMP.length - 2, Math.floor(level * (RAMP.length - 1)));
    const part = level * (RAMP.length - 1) - step;
    for (let channel = 0; channel < 3; channel += 1) {
      const hue = RAMP[step][channel] * (1 - part) + RAMP[step + 1][channel] * part;
      data[4 * i + channel] = Math.round(gray.data[i] * (1 - opacity) + hue * opacity);
    }
    data[4 * i + 3] = 255;
  });
  return { width: OVERLAY, height: OVERLAY, channels: 4, data };
}
