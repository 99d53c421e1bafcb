// Resizing as Pillow does it, to the bit, on 8-bit pixels: a weighted mean over the support of a filter, first along the
// rows, then along the columns, in fixed point. An image is {width, height, channels: 1 or 4, data: bytes}; of 4
// channels the fourth is ignored.

const PRECISION = 22; // bits behind the point

export const BILINEAR = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };
export const BICUBIC = { support: 2, weight: cubic };

function cubic(value) {
  const x = Math.abs(value);
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** A new image of width x height from a box [left, top, right, bottom] of an image, which may lie between pixels. */
export function resize(image, width, height, filter, box = [0, 0, image.width, image.height]) {
  const [left, top, right, bottom] = box.map(Math.fround);
  const rows = coefficients(image.height, top, bottom, height, filter);
  const columns = coefficients(image.width, left, right, width, filter);
  const wide = left === 0 && right === width ? image : alongRows(image, columns, width, rows);
  if (top === 0 && bottom === height) return wide;
  return alongColumns(wide, rows, height);
}

/** The image scaled down so far in whole steps that it is still `gap` times as large as wanted, then resized. */
export function resizeInSteps(image, width, height, filter, gap) {
  const across = Math.trunc(image.width / width / gap) || 1;
  const down = Math.trunc(image.height / height / gap) || 1;
  if (across === 1 && down === 1) return resize(image, width, height, filter);
  const box = [0, 0, image.width / across, image.height / down];
  return resize(reduce(image, across, down), width, height, filter, box);
}

/** For each new pixel the old pixels that it is made of, and their weights, which sum to 1. */
function weights(length, start, end, count, filter) {
  const scale = Math.fround(end - start) / count;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  return Array.from({ length: count }, (_, index) => {
    const center = start + (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const last = Math.min(length, Math.trunc(center + support + 0.5));
    const values = [];
    let sum = 0;
    for (let x = first; x < last; x += 1) {
      const weight = filter.weight((x - center + 0.5) / stretch);
      values.push(weight);
      sum += weight;
    }
    return { first, values: values.map((weight) => (sum === 0 ? weight : weight / sum)) };
  });
}

function coefficients(length, start, end, count, filter) {
  return weights(length, start, end, count, filter).map(({ first, values }) => ({
    first,
    values: Int32Array.from(values, (weight) => Math.trunc((weight < 0 ? -0.5 : 0.5) + weight * 2 ** PRECISION)),
  }));
}

/** Rows that no new row is made of are left black. */
function alongRows({ width, height, channels, data }, columns, count, rows) {
  const result = new Uint8ClampedArray(count * height * channels);
  const from = rows[0].first;
  const to = rows.at(-1).first + rows.at(-1).values.length;
  const used = Math.min(channels, 3);
  for (let y = from; y < to; y += 1) {
    for (let x = 0; x < count; x += 1) {
      const { first, values } = columns[x];
      for (let channel = 0; channel < used; channel += 1) {
        let sum = 1 << (PRECISION - 1);
        let at = (y * width + first) * channels + channel;
        for (let i = 0; i < values.length; i += 1, at += channels) sum += data[at] * values[i];
        result[(y * count + x) * channels + channel] = Math.floor(sum / 2 ** PRECISION);
      }
    }
  }
  return { width: count, height, channels, data: result };
}

function alongColumns({ width, channels, data }, rows, count) {
  const result = new Uint8ClampedArray(width * count * channels);
  const used = Math.min(channels, 3);
  const line = width * channels;
  const sums = new Float64Array(line);
  for (let y = 0; y < count; y += 1) {
    const { first, values } = rows[y];
    sums.fill(1 << (PRECISION - 1));
    for (let i = 0; i < values.length; i += 1) {
      const weight = values[i];
      const start = (first + i) * line;
      for (let x = 0; x < line; x += 1) sums[x] += data[start + x] * weight;
    }
    for (let x = 0; x < line; x += 1) result[y * line + x] = Math.floor(sums[x] / 2 ** PRECISION);
  }
  if (used < channels) for (let i = 3; i < result.length; i += 4) result[i] = 255;
  return { width, height: count, channels, data: result };
}

/** The mean of each across x down block of pixels; blocks at the right and lower edge may be smaller. */
function reduce({ width, height, channels, data }, across, down) {
  const [columns, rows] = [Math.ceil(width / across), Math.ceil(height / down)];
  const result = new Uint8ClampedArray(columns * rows * channels);
  for (let row = 0; row < rows; row += 1) {
    const bottom = Math.min(height, (row + 1) * down);
    for (let column = 0; column < columns; column += 1) {
      const right = Math.min(width, (column + 1) * across);
      const area = (right - column * across) * (bottom - row * down);
      const factor = Math.trunc(Math.fround(2 ** 32 / (area * 256)));
      for (let channel = 0; channel < Math.min(channels, 3); channel += 1) {
        let sum = area >> 1;
        for (let y = row * down; y < bottom; y += 1) {
          let at = (y * width + column * across) * channels + channel;
          for (let x = column * across; x < right; x += 1, at += channels) sum += data[at];
        }
        result[(row * columns + column) * channels + channel] = Math.floor((sum * factor) / 2 ** 24);
      }
    }
  }
  return { width: columns, height: rows, channels, data: result };
}

/** A square of floats, side x side, resized to count x count floats. */
export function resizeFloats(values, side, count, filter) {
  const taps = weights(side, 0, side, count, filter);
  const wide = new Float64Array(side * count);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < count; x += 1) {
      const { first, values: each } = taps[x];
      wide[y * count + x] = each.reduce((sum, weight, i) => sum + weight * values[y * side + first + i], 0);
    }
  }
  const result = new Float64Array(count * count);
  for (let y = 0; y < count; y += 1) {
    const { first, values: each } = taps[y];
    for (let x = 0; x < count; x += 1) {
      result[y * count + x] = each.reduce((sum, weight, i) => sum + weight * wide[(first + i) * count + x], 0);
    }
  }
  return result;
}
