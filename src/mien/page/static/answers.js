// Where answers come from: here a worker on the visitor's own device. The served page has another module of this name.

import { PAGE } from "./page_data.js";

/** What the page says of where pictures go. */
export const PLACE = {
  photo: "It happens on your device: no picture leaves it.",
  live: "What the camera sees is read frame by frame on your device, and forgotten.",
  camera: "Frames are read on this device and go nowhere.",
};

// A worker made from a blob keeps the page's content security policy; one that is loaded from a file would not.
const script = new Blob([`import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`], {
  type: "text/javascript",
});
const worker = new Worker(URL.createObjectURL(script), { type: "module" });
const waiting = new Map(); // id -> {resolve, reject}
let next = 1;
let listener = () => {};

worker.addEventListener("message", ({ data: { id, result, problem, progress } }) => {
  if (progress) {
    listener(progress);
    return;
  }
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (problem) reject(Object.assign(new Error(problem.detail), problem));
  else resolve(result);
});
worker.addEventListener("error", () => {
  for (const { reject } of waiting.values()) {
    const detail = "This browser could not start the reader. A current Chrome, Edge, Firefox or Safari can.";
    reject(Object.assign(new Error(detail), { title: "The reader did not start", detail, status: 0 }));
  }
  waiting.clear();
});

function ask(task, input, transfer = []) {
  return new Promise((resolve, reject) => {
    const id = next++;
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, task, input }, transfer);
  });
}

let card = ask("start", PAGE.models[0].name);
card.then(keepForOffline, () => {});

/** Once all is here, keep the page for the time without a network. */
function keepForOffline() {
  navigator.serviceWorker?.register(new URL("service-worker.js", PAGE.base)).catch(() => {}); // needs https
}

/** The model's card: name, classes, colors, accuracy; it is there when the model is loaded. */
export function modelCard() {
  return card;
}

/** Models to choose from, as [{name, bytes}]. */
export function models() {
  return PAGE.models.map(({ name, file }) => ({ name, bytes: file.bytes }));
}

/** Read with another of the models. */
export async function chooseModel(name) {
  const chosen = await ask("choose", name);
  card = Promise.resolve(chosen);
  document.dispatchEvent(new CustomEvent("model-changed"));
}

/** Call listener({done, total}) with bytes while something large is loaded before the first answer. */
export function whileLoading(listen) {
  listener = listen;
}

/** The faces of a picture: {width, height, faces}; each face has a `crop`, a Blob, the face as the model saw it. */
export async function readPicture(blob) {
  await card;
  return ask("picture", blob);
}

/** The faces in a canvas, without crops. */
export async function readFrame(canvas, signal) {
  const bitmap = await createImageBitmap(canvas);
  const picture = await ask("frame", bitmap, [bitmap]);
  signal.throwIfAborted();
  return picture;
}

/** Films are not read here. */
export const readFilm = null;

/** The heat map of a crop: {probability, drop, overlay}; overlay is a Blob, probabilities are 0..1. */
export function explain(crop, emotion) {
  return ask("explain", { crop, emotion });
}
