// Input normalization, as mien.inference.normalization does it: a look-up table per face, made from its histogram.

const TABLES = { percentile, standardize, equalize };

/** One gray face as the network wants to see it. kind: none, percentile, standardize or equalize. */
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

function percentile(counts, pixels) {
  const sums = running(counts);
  const low = sums.findIndex((sum) => 100 * sum >= pixels);
  const high = sums.findIndex((sum) => 100 * sum >= 99 * pixels);
  const span = Math.max(high - low, 1);
  return table((level) => Math.floor((510 * (level - low) + span) / (2 * span)));
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
