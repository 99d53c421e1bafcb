// The photo view: pictures by drop, paste, file picker, camera or sample; one shown at a time, a strip for the others.

import { modelCard, sentence } from "./api.js";
import { count, h, icon, percent, plural, say } from "./dom.js";
import { asCsv, asJson, asPicture } from "./download.js";
import { describe, readPictures, show } from "./result.js";

let root = null;
let items = []; // {name, type, url, blob, state: "waiting" | "done" | "failed", answer, ms}
let current = 0;
let busy = false;

/** Show the view; it is built at the first call. */
export function enter(element) {
  root = element;
  if (!root.childElementCount) {
    listen();
    render();
  }
}

export function leave() {}

/** Read pictures. files: Files or Blobs with a name. Used by the camera view too. */
export async function take(files) {
  const pictures = [...files].filter((file) => file.size > 0 || file.name);
  if (!pictures.length) return;
  for (const item of items) URL.revokeObjectURL(item.url);
  items = pictures.map((file) => ({ name: file.name || "pasted picture", type: file.type, blob: file, url: URL.createObjectURL(file), state: "waiting" }));
  current = 0;
  render();
  if (busy) return; // the loop below goes on with the new pictures
  busy = true;
  try {
    for (let next = items.find(waiting); next; next = items.find(waiting)) await readItem(next);
  } finally {
    busy = false;
  }
}

const waiting = (item) => item.state === "waiting";

async function readItem(item) {
  say("Reading…");
  try {
    const card = await modelCard();
    const blob = await withinLimits(item.blob, card.limits);
    const began = performance.now();
    const answer = await readPictures([blob], { crops: true });
    item.ms = performance.now() - began;
    item.answer = answer.pictures[0];
    item.state = "done";
  } catch (error) {
    item.answer = { problem: { title: error.title ?? "Something went wrong", detail: error.detail ?? sentence(String(error)) } };
    item.again = !error.status || error.status >= 500; // another attempt may go better
    item.state = "failed";
  }
  if (items[current] === item) render(true);
  else renderStrip();
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
  if (blob.size <= limits.bytes && pixels <= limits.pixels) return blob;
  const scale = Math.min(1, 4096 / Math.max(bitmap.width, bitmap.height));
  const canvas = h("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob((small) => resolve(small ?? blob), "image/jpeg", 0.92));
}

function listen() {
  let depth = 0;
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  window.addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    depth += 1;
    document.body.classList.add("dragging");
  });
  window.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) document.body.classList.remove("dragging");
  });
  window.addEventListener("dragover", (event) => {
    if (holdsFiles(event)) event.preventDefault();
  });
  window.addEventListener("drop", (event) => {
    depth = 0;
    document.body.classList.remove("dragging");
    if (!holdsFiles(event)) return;
    event.preventDefault();
    goTo("#/read");
    take(event.dataTransfer.files);
  });
  window.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    goTo("#/read");
    take(files);
  });
  document.addEventListener("server-back", () => {
    if (!items.length && root) render();
  });
}

function goTo(hash) {
  if (location.hash !== hash) location.hash = hash;
}

function render(focus = false) {
  root.replaceChildren(items.length ? resultView() : startView());
  if (focus) root.querySelector("h1")?.focus({ preventScroll: true });
}

function startView() {
  const picker = filePicker();
  const facts = h("dl", { class: "facts" });
  modelCard().then((card) => facts.append(...factsOf(card)), () => {});
  const sample = h("button", { class: "sample", type: "button", onclick: takeSample },
    h("img", { src: "sample.jpg", alt: "", width: 72, height: 72 }),
    h("span", {}, h("strong", { text: "Try the sample" }), h("span", { class: "soft", text: "Astronaut Eileen Collins, photo by NASA" })));
  return h("div", { class: "start" },
    h("div", { class: "hero" },
      h("h1", { id: "read-title", tabindex: "-1", text: "Read a face" }),
      h("p", { class: "lead", text: "Finds the faces in a photo, and how likely each of seven expressions is. It happens on this machine, and nothing is kept." })),
    h("div", { class: "drop" },
      h("div", { class: "drop-mark", "aria-hidden": "true" }, icon("upload", 30)),
      h("p", { class: "drop-text" }, h("strong", { text: "Drop photos here" }), h("span", { class: "soft wide-only", text: " or paste one with Ctrl V" })),
      h("div", { class: "row centre" },
        h("button", { class: "button primary", type: "button", onclick: () => picker.click() }, "Choose photos"),
        h("a", { class: "button", href: "#/live" }, icon("camera"), "Use the camera"),
        picker),
      sample),
    facts);
}

function filePicker() {
  const picker = h("input", { type: "file", accept: "image/*,.heic,.avif,.tif,.tiff", multiple: true, class: "for-readers", tabindex: "-1", "aria-label": "Photos to read" });
  picker.addEventListener("change", () => take(picker.files));
  return picker;
}

function factsOf(card) {
  const fact = (name, value, note) => h("div", {}, h("dt", { text: name }), h("dd", {}, h("strong", { text: value }), note ? h("span", { class: "soft", text: note }) : null));
  return [
    fact("Model", card.name, card.parameters ? `${count(card.parameters)} parameters` : ""),
    fact("Tells apart", `${card.classes.length} expressions`, card.classes.join(", ")),
    card.accuracy !== null
      ? fact("Is right", percent(card.accuracy, 1), "of the time in validation; people agree with such labels about 65 %")
      : fact("Probabilities", "calibrated", `temperature ${card.temperature.toFixed(2)}`),
  ];
}

async function takeSample() {
  try {
    const blob = await (await fetch("sample.jpg")).blob();
    await take([new File([blob], "astronaut.jpg", { type: "image/jpeg" })]);
  } catch {
    take([new File([], "astronaut.jpg")]); // the attempt to read it tells that the server is gone
  }
}

function resultView() {
  const item = items[current];
  const picker = filePicker();
  const done = items.filter((each) => each.state !== "waiting");
  const bar = h("div", { class: "toolbar" },
    h("button", { class: "button", type: "button", onclick: startAgain }, icon("back"), "New photo"),
    h("div", { class: "grow" },
      h("h1", { id: "read-title", class: "file-name", tabindex: "-1", text: item.name }),
      h("p", { class: "soft", text: factLine(item) })),
    h("div", { class: "row downloads", role: "group", "aria-label": "Download" },
      h("span", { class: "soft wide-only" }, icon("download", 18)),
      download("Picture", item.state === "done" && item.answer.faces.length, () => modelCard().then((card) => asPicture(item, card))),
      download("JSON", done.length === items.length, () => modelCard().then((card) => asJson(items, card.name))),
      download("CSV", done.length === items.length, () => modelCard().then((card) => asCsv(items, card.classes, card.name)))),
    picker);
  const body = h("div", { class: "result" });
  fillBody(body, item);
  return h("div", { class: "read-done" }, bar, h("div", { id: "strip", class: "strip" }, stripButtons()), body);
}

function download(name, ready, act) {
  return h("button", { class: "button small", type: "button", disabled: !ready, "aria-label": `Download ${name}`, onclick: () => act().catch(() => say("The download failed")) }, name);
}

function factLine(item) {
  if (item.state === "waiting") return "Reading…";
  if (item.state === "failed") return item.answer.problem.title;
  const { faces, width, height } = item.answer;
  return `${faces.length ? plural(faces.length, "face") : "No face"} · ${width} × ${height} · ${Math.round(item.ms)} ms`;
}

async function fillBody(body, item) {
  if (item.state === "waiting") {
    body.append(h("div", { class: "stage" }, h("div", { class: "frame waiting" }, h("img", { src: item.url, alt: "" }), h("div", { class: "sweep" }))),
      h("div", { class: "faces" }, h("div", { class: "card ghost" }), h("div", { class: "card ghost" })));
    return;
  }
  if (item.state === "failed") {
    const again = item.again && h("button", { class: "button", type: "button", onclick: () => take(items.map((each) => new File([each.blob], each.name, { type: each.type }))) }, "Try again");
    body.append(note("alert", item.answer.problem.title, item.answer.problem.detail, again));
    say(item.answer.problem.detail);
    return;
  }
  const card = await modelCard().catch(() => null);
  if (!card || items[current] !== item) return;
  const { stage, list } = show(card, item.answer, item.url);
  body.classList.toggle("panorama", item.answer.faces.length > 1 && item.answer.width > 1.6 * item.answer.height);
  body.append(stage);
  if (item.answer.faces.length) body.append(list);
  else body.append(note("camera", "No face found", "Faces should be at least about 20 pixels high, and not turned away too far. Very dark or covered faces are missed, too."));
  say(describe(item.answer));
}

function note(mark, heading, text, ...more) {
  return h("div", { class: "card note" }, h("div", { class: "note-mark" }, icon(mark, 26)), h("h2", { text: heading }), h("p", { class: "soft", text }), more);
}

function stripButtons() {
  if (items.length < 2) return [];
  return items.map((item, i) =>
    h("button", { class: `thumb ${item.state}`, type: "button", "aria-label": `${item.name}: ${factLine(item)}`, "aria-pressed": String(i === current), onclick: () => { current = i; render(); } },
      h("img", { src: item.url, alt: "", onerror: (event) => event.target.remove() }),
      item.state === "done" ? h("span", { class: "thumb-count", text: item.answer.faces.length }) : null));
}

function renderStrip() {
  document.getElementById("strip")?.replaceChildren(...stripButtons());
}

function startAgain() {
  for (const item of items) URL.revokeObjectURL(item.url);
  items = [];
  render(true);
}
