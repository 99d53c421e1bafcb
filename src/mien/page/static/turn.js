// Images turned by quarters.

/** An image turned counterclockwise by 90, 180 or 270 degrees. */
export function turnedImage({ width, height, channels, data }, turn) {
  const [wide, high] = turn === 180 ? [width, height] : [height, width];
  const at = {
    90: (x, y) => [width - 1 - y, x],
    180: (x, y) => [width - 1 - x, height - 1 - y],
    270: (x, y) => [y, height - 1 - x],
  }[turn];
  const result = new Uint8ClampedArray(data.length);
  for (let y = 0; y < high; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      const [column, row] = at(x, y);
      const [from, to] = [(row * width + column) * channels, (y * wide + x) * channels];
      for (let channel = 0; channel < channels; channel += 1) result[to + channel] = data[from + channel];
    }
  }
  return { width: wide, height: high, channels, data: result };
}
