// Finding faces with YuNet, as mien.inference.detector does it: looks at several sizes, tiles, non-maximum suppression.
// A face is {x, y, width, height, landmarks: [[x, y] * 5], score, turn}, in pixels of the picture; turn: degrees by which the
// picture must be turned counterclockwise for the face to stand upright.

import { cut } from "./decode.js";
import { round } from "./numbers.js";
import { BICUBIC, BILINEAR, resize, resizeInSteps } from "./resample.js";
import { turnedImage } from "./turn.js";

const MIN_SCORE = 0.65;
const HINT_SCORE = 0.3; // something that may be a small face: worth a closer look
const SMALL = 32; // pixels, shorter side: below this a closer look finds more faces
const SURE = 0.9; // faces below it may stand another way up
const TURN_MARGIN = 0.02; // by which a face must score higher when turned
const TURNED_SCORE = 0.8; // least score of a face that is seen only when turned
const FIRST = 640; // longer side of the picture at each look
const CLOSE_UP = 256;
const QUICK = 320; // for the camera, whose faces are near
const DETAIL = 1920;
const ENOUGH = 480; // from here to FIRST a picture is looked at as it is
const OVERLAP = 192; // of neighboring tiles
const STRIDES = [8, 16, 32];

/** The faces in an image, whichever way up, largest first. run: see `yunet`. */
export async function detect(run, image) {
  const upright = await detectUpright(run, image);
  const unsure = !upright.length || upright.some((face) => face.score < SURE && shorter(face) >= SMALL);
  return unsure ? withTurned(run, image, upright) : upright;
}

/** The faces found, each the way up in which it scores best, and those that are seen only when turned. */
async function withTurned(run, image, upright) {
  const size = firstSize(image);
  const ranked = upright.map((face) => ({ ...face, rank: face.score >= SURE ? 2 : face.score + TURN_MARGIN }));
  const found = [];
  for (const turn of [90, 180, 270]) {
    const turned = turnedImage(image, turn);
    let faces = await look(run, turned, size);
    if (size > CLOSE_UP && !faces.some(sure)) faces = await look(run, turned, CLOSE_UP);
    const clear = faces.filter(({ score }) => score >= Math.max(MIN_SCORE, TURNED_SCORE));
    found.push(...clear.map((face) => ({ ...turnedBack(face, turn, image), rank: face.score })));
  }
  return found.length ? largestFirst(suppress([...ranked, ...found], ({ rank }) => rank)) : upright;
}

/** A face of a turned image, where it lies in the image before. */
function turnedBack({ x, y, width, height, landmarks, score }, turn, image) {
  const [wide, high] = [image.width, image.height];
  const box = {
    90: [wide - y - height, x, height, width],
    180: [wide - x - width, high - y - height, width, height],
    270: [y, high - x - width, height, width],
  }[turn];
  const mark = {
    90: ([u, v]) => [wide - v, u],
    180: ([u, v]) => [wide - u, high - v],
    270: ([u, v]) => [v, high - u],
  }[turn];
  return { x: box[0], y: box[1], width: box[2], height: box[3], landmarks: landmarks.map(mark), score, turn };
}

/** Small pictures are enlarged: YuNet misses many faces of 48 pixels as they are. */
function firstSize({ width, height }) {
  const longest = Math.max(width, height);
  if (ENOUGH <= longest && longest <= FIRST) return longest;
  return Math.min(FIRST, Math.max(CLOSE_UP, 2 * longest));
}

const largestFirst = (faces) => faces.sort((a, b) => b.width * b.height - a.width * a.height);

async function detectUpright(run, image) {
  const longest = Math.max(image.width, image.height);
  let size = firstSize(image);
  let seen = await look(run, image, size);
  let found = seen;
  if (size > CLOSE_UP && !found.some(sure)) found = await look(run, image, CLOSE_UP);
  for (const closer of [Math.min(DETAIL, longest), longest]) {
    const scale = size / longest;
    if (closer < 1.25 * size || (seen.length && !seen.some((face) => shorter(face) * scale < SMALL))) continue;
    if (!seen.length && size > FIRST) break; // not even a hint of a face in a detailed look: there is none
    size = closer;
    seen = await look(run, image, size);
    // Faces that are large here were seen better from further away; large patches up close are often no face.
    seen = seen.filter((face) => (shorter(face) * size) / longest <= OVERLAP);
    found = suppress([...found, ...seen]);
  }
  return largestFirst(found.filter(sure));
}

/** The faces in a frame of a camera, largest first: a small look, and the others where it shows none. */
export async function detectQuickly(run, image) {
  const found = (await look(run, image, QUICK)).filter(sure);
  return found.length ? largestFirst(found) : detect(run, image);
}

const sure = (face) => face.score >= MIN_SCORE;
const shorter = (face) => Math.min(face.width, face.height);

/** All that may be a face with the longer side scaled to `size`. */
async function look(run, image, size) {
  const longest = Math.max(image.width, image.height);
  const scale = size / longest;
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, round(side * scale)));
  let scaled = image;
  if (size > longest) scaled = resize(image, width, height, BICUBIC);
  else if (size < longest) scaled = resizeInSteps(image, width, height, BILINEAR, 2);
  const found = [];
  for (const left of starts(width)) {
    for (const top of starts(height)) {
      const [right, bottom] = [Math.min(left + DETAIL, width), Math.min(top + DETAIL, height)];
      const whole = right - left === width && bottom - top === height;
      const faces = await run(whole ? scaled : cut(scaled, left, top, right, bottom));
      found.push(...faces.map((face) => moved(face, left, top, 1)));
    }
  }
  return suppress(found).map((face) => moved(face, 0, 0, 1 / scale));
}

/** Where tiles begin along a side: one tile where it fits, else evenly spread with at least OVERLAP. */
function starts(length) {
  if (length <= DETAIL) return [0];
  const count = Math.ceil((length - OVERLAP) / (DETAIL - OVERLAP));
  return Array.from({ length: count }, (_, i) => round((i * (length - DETAIL)) / (count - 1)));
}

function moved({ x, y, width, height, landmarks, score }, left, top, scale) {
  return {
    x: (x + left) * scale,
    y: (y + top) * scale,
    width: width * scale,
    height: height * scale,
    landmarks: landmarks.map(([a, b]) => [(a + left) * scale, (b + top) * scale]),
    score,
    turn: 0,
  };
}

/** Greedy non-maximum suppression, best score first; a box mostly inside a better one goes too. */
function suppress(faces, rankOf = ({ score }) => score) {
  const kept = [];
  for (const face of [...faces].sort((a, b) => rankOf(b) - rankOf(a))) {
    const doubled = kept.some((better) => {
      const wide = Math.min(face.x + face.width, better.x + better.width) - Math.max(face.x, better.x);
      const high = Math.min(face.y + face.height, better.y + better.height) - Math.max(face.y, better.y);
      const shared = Math.max(0, wide) * Math.max(0, high);
      const [area, other] = [face.width * face.height, better.width * better.height];
      return shared / (area + other - shared) > 0.3 || shared / Math.min(area, other) > 0.6;
    });
    if (!doubled) kept.push(face);
  }
  return kept;
}

/** YuNet as a function: image -> faces above HINT_SCORE, overlaps included. session, Tensor: of onnxruntime-web. */
export function yunet(session, Tensor) {
  const names = STRIDES.flatMap((stride) => ["cls", "obj", "bbox", "kps"].map((kind) => `${kind}_${stride}`));
  return async ({ width, height, data }) => {
    const [wide, high] = [width, height].map((side) => Math.ceil(side / 32) * 32);
    const planes = new Float32Array(3 * wide * high);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const [from, to] = [4 * (y * width + x), y * wide + x];
        planes[to] = data[from + 2]; // YuNet was trained on BGR
        planes[to + wide * high] = data[from + 1];
        planes[to + 2 * wide * high] = data[from];
      }
    }
    const input = new Tensor("float32", planes, [1, 3, high, wide]);
    const outputs = await session.run({ [session.inputNames[0]]: input }, names);
    return STRIDES.flatMap((stride) => facesAt(stride, wide / stride, outputs));
  };
}

const clip = (value) => Math.min(1, Math.max(0, value));

function facesAt(stride, columns, outputs) {
  const [face, there, box, marks] = ["cls", "obj", "bbox", "kps"].map((kind) => outputs[`${kind}_${stride}`].data);
  const found = [];
  for (let i = 0; i < face.length; i += 1) {
    const score = Math.sqrt(clip(face[i]) * clip(there[i]));
    if (score <= HINT_SCORE) continue;
    const [column, row] = [i % columns, Math.floor(i / columns)];
    const [width, height] = [Math.exp(box[4 * i + 2]) * stride, Math.exp(box[4 * i + 3]) * stride];
    found.push({
      x: (column + box[4 * i]) * stride - width / 2,
      y: (row + box[4 * i + 1]) * stride - height / 2,
      width,
      height,
      landmarks: [0, 1, 2, 3, 4].map((k) => [
        (marks[10 * i + 2 * k] + column) * stride,
        (marks[10 * i + 2 * k + 1] + row) * stride,
      ]),
      score,
    });
  }
  return found;
}
