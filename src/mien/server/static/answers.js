// Where answers come from: here a server, asked by fetch. The page without a server has another module of this name.

import { ask, json } from "./api.js";

/** What the page says of where pictures go. */
export const PLACE = {
  photo: "It happens on this machine, and nothing is kept.",
  live: "What the camera sees is read frame by frame on this machine, and forgotten.",
  camera: "Frames go to this server alone. A new one is sent when the last was answered.",
};

let card = null;
document.addEventListener("server-back", () => {
  card = null; // it may have been started with another model
});

/** The model's card: name, classes, colors, accuracy, limits; asked for once. */
export async function modelCard() {
  card ??= json("v1/model").catch((error) => {
    card = null;
    throw error;
  });
  return card;
}

/** Models to choose from, as [{name, bytes}]; empty where there is no choice. */
export function models() {
  return [];
}

/** Read with another of the models. */
export async function chooseModel() {}

/** Call listener({done, total}) with bytes while something large is loaded before the first answer. */
export function whileLoading() {}

/** The faces of a picture: {width, height, faces}; each face has a `crop`, a Blob, the face as the model saw it. */
export async function readPicture(file) {
  const blob = await withinLimits(file, (await modelCard()).limits);
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const options = { method: "POST", body: blob, headers: { "Content-Type": type } };
  const picture = (await json("v1/read?crops=true", options)).pictures[0];
  return { ...picture, faces: picture.faces.map((face) => ({ ...face, crop: pngBlob(face.crop) })) };
}

/** The faces in a canvas, without crops. */
export async function readFrame(canvas, signal) {
  const body = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
  const response = await ask("v1/read", { method: "POST", body, headers: { "Content-Type": "image/jpeg" }, signal });
  return (await response.json()).pictures[0];
}

/** The faces of a film over time: {width, height, length, every, note, frames: [{time, faces}]}. */
export async function readFilm(file) {
  const type = file.type.startsWith("video/") ? file.type : "video/mp4";
  return json("v1/videos", { method: "POST", body: file, headers: { "Content-Type": type } });
}

/** The heat map of a crop: {probability, drop, overlay}; overlay is a Blob, probabilities are 0..1. */
export async function explain(crop, emotion) {
  const options = { method: "POST", body: crop, headers: { "Content-Type": "image/png" } };
  const answer = await json(`v1/explain?emotion=${encodeURIComponent(emotion)}`, options);
  return { probability: answer.probability, drop: answer.probability_drop, overlay: pngBlob(answer.overlay) };
}

/** The picture as it is, or scaled down where it has more bytes or pixels than the server takes. */
async function withinLimits(blob, limits) {
  if (blob.size <= limits.bytes && blob.size < 3_000_000) return blob; // far too small for too many pixels, mostly
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    return blob; // a format that only the server knows, or none
  }
  const pixels = bitmap.width * bitmap.height;
  if (blob.size <= limits.bytes && pixels <= limits.pixels) {
    bitmap.close();
    return blob;
  }
  const scale = Math.min(1, 4096 / Math.max(bitmap.width, bitmap.height), Math.sqrt(limits.pixels / pixels));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(bitmap.width * scale));
  canvas.height = Math.max(1, Math.floor(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob((small) => resolve(small ?? blob), "image/jpeg", 0.92));
}

function pngBlob(base64) {
  return new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: "image/png" });
}
