// The worker in which pictures are read: decoding, finding, cutting, classifying, explaining. One task at a time.

import { logitsOf, softmax } from "./classifier.js";
import { cropFace } from "./crop.js";
import { decode, pixelsOf, png, toGray } from "./decode.js";
import { detect, detectQuickly, yunet } from "./detector.js";
import { load } from "./loader.js";
import { digits, round } from "./numbers.js";
import { explain } from "./occlusion.js";
import { env, InferenceSession, Tensor } from "./ort.mjs";
import { PAGE } from "./page_data.js";

const LANDMARKS = ["right_eye", "left_eye", "nose", "mouth_right", "mouth_left"];
const OPTIONS = { executionProviders: ["wasm"], logSeverityLevel: 3 };

let find = null;
let model = null; // {card, session}

const progress = (state) => postMessage({ progress: state });
const open = (bytes, more = {}) => InferenceSession.create(bytes, { ...OPTIONS, ...more });

const TASKS = {
  /** Load the runtime, the detector and a model. Gives the model's card. */
  async start(name) {
    const card = PAGE.models.find((each) => each.name === name);
    const [runtime, detector, classifier] = await load([PAGE.runtime, PAGE.detector, card.file], progress);
    env.wasm.numThreads = 1;
    env.wasm.wasmBinary = runtime;
    // Nothing is left to fuse in YuNet's file: looking for it costs a fifth of the time until the first face.
    find = yunet(await open(detector, { graphOptimizationLevel: "disabled" }), Tensor);
    model = { card, session: await open(classifier) };
    return card;
  },

  /** Read with another model. Gives its card. */
  async choose(name) {
    const card = PAGE.models.find((each) => each.name === name);
    const [classifier] = await load([card.file], progress);
    const before = model;
    model = { card, session: await open(classifier) };
    await before.session.release();
    return card;
  },

  async picture(blob) {
    return read(await decode(blob), detect, true);
  },

  async frame(bitmap) {
    return read(pixelsOf(bitmap), detectQuickly, false);
  },

  async explain({ crop, emotion }) {
    const { data } = toGray(await decode(crop));
    const { probability, drop, overlay } = await explain(model, Tensor, data, emotion);
    return { probability, drop, overlay: await png(overlay) };
  },
};

async function read(image, detector, withCrops) {
  const { width, height } = image;
  const { card } = model;
  const found = await detector(find, image);
  const crops = found.map((face) => cropFace(image, face, card.input_size));
  const logits = await logitsOf(
    model,
    Tensor,
    crops.map(({ data }) => data),
  );
  const faces = found.map((face, i) => {
    const shares = softmax(logits[i], card.temperature);
    const best = shares.indexOf(Math.max(...shares));
    return {
      emotion: card.classes[best],
      confidence: digits(shares[best]),
      probabilities: Object.fromEntries(card.classes.map((name, k) => [name, digits(shares[k])])),
      box: boxOf(face, width, height),
      score: digits(face.score),
      landmarks: Object.fromEntries(LANDMARKS.map((name, k) => [name, face.landmarks[k].map(tenths)])),
      crop: crops[i],
    };
  });
  const ordered = inReadingOrder(faces).map((face, i) => ({ number: i + 1, ...face }));
  for (const face of ordered) {
    if (withCrops) face.crop = await png(face.crop);
    else delete face.crop;
  }
  return { width, height, faces: ordered };
}

const tenths = (value) => Math.round(10 * value) / 10;

/** x, y, width, height in whole pixels inside the picture. */
function boxOf(face, width, height) {
  const [left, top] = [Math.max(0, round(face.x)), Math.max(0, round(face.y))];
  const [right, bottom] = [Math.min(width, round(face.x + face.width)), Math.min(height, round(face.y + face.height))];
  return [left, top, Math.max(1, right - left), Math.max(1, bottom - top)];
}

/** Faces line by line, from left to right: those belong to a line whose middle lies within its first face. */
function inReadingOrder(faces) {
  const middle = ({ box }) => box[1] + box[3] / 2;
  const left = [...faces].sort((a, b) => middle(a) - middle(b));
  const ordered = [];
  while (left.length) {
    const [, top, , height] = left[0].box;
    const line = left.filter((face) => middle(face) <= top + height);
    left.splice(0, line.length);
    ordered.push(...line.sort((a, b) => a.box[0] + a.box[2] / 2 - b.box[0] - b.box[2] / 2));
  }
  return ordered;
}

let last = Promise.resolve();

addEventListener("message", ({ data: { id, task, input } }) => {
  last = last.then(async () => {
    try {
      postMessage({ id, result: await TASKS[task](input) });
    } catch (error) {
      const { title = "Something went wrong", detail = String(error.message ?? error), status = 500 } = error;
      postMessage({ id, problem: { title, detail, status } });
    }
  });
});
