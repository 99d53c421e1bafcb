// Input normalization, as mien.inference.normalization does it: a look-up table per face, made from its histogram.

const TABLES = { percentile, standardize, equalize, adaptive };

/** One gray face as the network wants to see it. kind: none, percentile, standardize, equalize or adaptive. */
export function normalizeInput(face, kind) {
  if (!kind || kind === "none") return face;
  const counts = new Array(256).fill(0);
  for (const level of face) counts[level] += 1;
  const table = TABLES[kind](counts, face.length);
  return face.map((level) => table[level]);
}

const clip = (value) => Math.min(255, Math.max(0, value));
const table = (value) => Array.from({ length: 256 }, (_, level) => clip(value(level)));

function running(counts) {
  let sum = 0;
  return counts.map((count) => {
    sum += count;
    return sum;
  });
}

function limits(counts, pixels) {
  const sums = running(counts);
  return [sums.findIndex((sum) => 100 * sum >= pixels), sums.findIndex((sum) => 100 * sum >= 99 * pixels)];
}

function stretched(low, high) {
  const span = Math.max(high - low, 1);
  return table((level) => Math.floor((510 * (level - low) + span) / (2 * span)));
}

function percentile(counts, pixels) {
  return stretched(...limits(counts, pixels));
}

function adaptive(counts, pixels) {
  const [low, high] = limits(counts, pixels);
  const levels = high - low < 128 ? stretched(low, high) : table((level) => level);
  const mean = counts.reduce((sum, count, level) => sum + count * levels[level], 0) / (255 * pixels);
  if (mean >= 0.44) return levels;
  const gamma = Math.log(0.44) / Math.log(Math.max(mean, 0.02));
  return levels.map((level) => Math.floor(255 * (level / 255) ** gamma + 0.5));
}

function standardize(counts, pixels) {
  const sumOf = (value) => counts.reduce((sum, count, level) => sum + count * value(level), 0);
  const mean = sumOf((level) => level) / pixels;
  const variance = sumOf((level) => level * level) / pixels - mean * mean;
  const deviation = Math.sqrt(Math.max(variance, 1e-12));
  return table((level) => Math.floor(127.5 + (50 * (level - mean)) / deviation + 0.5));
}

function equalize(counts, pixels) {
  const sums = running(counts);
  const first = counts.find((count) => count > 0);
  const span = Math.max(pixels - first, 1);
  return table((level) => Math.floor((510 * (sums[level] - first) + span) / (2 * span)));
}
