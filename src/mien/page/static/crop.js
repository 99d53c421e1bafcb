// From a detected face to the gray square that the classifier was trained on, as mien.inference.crop does it.

import { cut, toGray } from "./decode.js";
import { round } from "./numbers.js";
import { BILINEAR, resize } from "./resample.js";
import { turnedImage } from "./turn.js";

const MARGIN = 1.15; // side of the frame over the longer side of the box
const GRID = 8; // frames lie on eighths of a pixel: the last digits of a box do not move them

/** Cut one face out of an image, upright: {width: size, height: size, channels: 1, data}. */
export function cropFace(image, face, size) {
  const longer = MARGIN * Math.max(face.width, face.height);
  let left = round((face.x + face.width / 2 - longer / 2) * GRID) / GRID;
  let top = round((face.y + face.height / 2 - longer / 2) * GRID) / GRID;
  let side = Math.max(1, round(longer * GRID)) / GRID;
  const excess = side - Math.max(image.width, image.height);
  if (excess > 0) {
    left += excess / 2;
    top += excess / 2;
    side -= excess;
  }
  left = inside(left, side, image.width);
  top = inside(top, side, image.height);
  const { region, x, y } = regionUnder(image, left, top, side);
  const box = [
    Math.max(left - x, 0),
    Math.max(top - y, 0),
    Math.min(left - x + side, region.width),
    Math.min(top - y + side, region.height),
  ];
  const crop = resize(region, size, size, BILINEAR, box);
  return face.turn ? turnedImage(crop, face.turn) : crop;
}

/** Move a stretch of `side` that begins at `start` into 0..length; center it where it does not fit. */
function inside(start, side, length) {
  return side >= length ? (length - side) / 2 : Math.min(Math.max(start, 0), length - side);
}

/** The gray pixels under a square, edges repeated outside the picture; and where the region begins. */
function regionUnder(image, left, top, side) {
  const [x0, y0] = [Math.floor(left), Math.floor(top)];
  const [x1, y1] = [Math.max(x0 + 1, Math.ceil(left + side)), Math.max(y0 + 1, Math.ceil(top + side))];
  const a0 = Math.min(Math.max(x0, 0), image.width - 1);
  const b0 = Math.min(Math.max(y0, 0), image.height - 1);
  const a1 = Math.max(Math.min(x1, image.width), a0 + 1);
  const b1 = Math.max(Math.min(y1, image.height), b0 + 1);
  const gray = toGray(cut(image, a0, b0, a1, b1));
  const before = [Math.max(a0 - x0, 0), Math.max(b0 - y0, 0)];
  const after = [Math.max(x1 - a1, 0), Math.max(y1 - b1, 0)];
  return { region: padded(gray, before, after), x: Math.min(x0, a0), y: Math.min(y0, b0) };
}

function padded(gray, before, after) {
  if (![...before, ...after].some(Boolean)) return gray;
  const width = gray.width + before[0] + after[0];
  const height = gray.height + before[1] + after[1];
  const data = new Uint8ClampedArray(width * height);
  for (let y = 0; y < height; y += 1) {
    const row = Math.min(Math.max(y - before[1], 0), gray.height - 1) * gray.width;
    for (let x = 0; x < width; x += 1) {
      data[y * width + x] = gray.data[row + Math.min(Math.max(x - before[0], 0), gray.width - 1)];
    }
  }
  return { width, height, channels: 1, data };
}
