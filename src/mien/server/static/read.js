// The photo view: pictures by drop, paste, file picker, camera or sample; one shown at a time, a strip for the others.

import { modelCard, readFilm, readPicture } from "./answers.js";
import { duration, h, icon, plural, say, sentence } from "./dom.js";
import { asCsv, asJson, asPicture } from "./download.js";
import { listenForFiles } from "./drop.js";
import { FILM_PROBLEM, isFilm } from "./film.js";
import { describe, show } from "./result.js";
import { filePicker, startView } from "./start.js";
import { describeFilm, showFilm } from "./timeline.js";

let root = null;
let items = []; // {name, type, url, blob, state: "waiting" | "done" | "failed", answer, ms}
let current = 0;
let busy = false;

/** Show the view; it is built at the first call. */
export function enter(element) {
  root = element;
  if (!root.childElementCount) {
    listenForFiles(take);
    document.addEventListener("server-back", () => {
      if (!items.length) render();
    });
    render();
  }
}

export function leave() {}

/** Read pictures. files: Files or Blobs with a name. Used by the camera view too. */
export async function take(files) {
  const pictures = [...files].filter((file) => file.size > 0 || file.name);
  if (!pictures.length) return;
  for (const item of items) URL.revokeObjectURL(item.url);
  items = pictures.map((file) => ({
    name: file.name || "pasted picture",
    type: file.type,
    blob: file,
    url: URL.createObjectURL(file),
    state: "waiting",
  }));
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
    const film = isFilm(item.blob);
    if (film && !readFilm) throw FILM_PROBLEM;
    const began = performance.now();
    item.answer = film ? await readFilm(item.blob) : await readPicture(item.blob);
    item.ms = performance.now() - began;
    item.state = "done";
  } catch (error) {
    item.answer = {
      problem: { title: error.title ?? "Something went wrong", detail: error.detail ?? sentence(String(error)) },
    };
    item.again = !error.status || error.status >= 500; // another attempt may go better
    item.state = "failed";
  }
  if (items[current] === item) render(true);
  else renderAround();
}

function render(focus = false) {
  root.replaceChildren(items.length ? resultView() : startView(take));
  if (focus) root.querySelector("h1")?.focus({ preventScroll: true });
}

function resultView() {
  const item = items[current];
  const bar = h(
    "div",
    { class: "toolbar" },
    h("button", { class: "button", type: "button", onclick: startAgain }, icon("back"), "New photo"),
    h(
      "div",
      { class: "grow" },
      h("h1", { id: "read-title", class: "file-name", tabindex: "-1", text: item.name }),
      h("p", { class: "soft", text: factLine(item) }),
    ),
    h("div", { id: "downloads", class: "row downloads", role: "group", "aria-label": "Download" }, downloads()),
    filePicker(take),
  );
  const body = h("div", { class: "result" });
  fillBody(body, item);
  return h("div", { class: "read-done" }, bar, h("div", { id: "strip", class: "strip" }, stripButtons()), body);
}

function downloads() {
  const item = items[current];
  const all = items.every((each) => each.state !== "waiting");
  return [
    h("span", { class: "soft wide-only" }, icon("download", 18)),
    download("Picture", item.state === "done" && item.answer.faces?.length, (card) => asPicture(item, card)),
    download("JSON", all, (card) => asJson(items, card.name)),
    download("CSV", all, (card) => asCsv(items, card.classes, card.name)),
  ];
}

function download(name, ready, act) {
  return h(
    "button",
    {
      class: "button small",
      type: "button",
      disabled: !ready,
      "aria-label": `Download ${name}`,
      onclick: () =>
        modelCard()
          .then(act)
          .catch(() => say("The download failed")),
    },
    name,
  );
}

function factLine(item) {
  if (item.state === "waiting") return "Reading…";
  if (item.state === "failed") return item.answer.problem.title;
  const { faces, frames, width, height } = item.answer;
  if (frames) return `${describeFilm(item.answer)} · ${width} × ${height} · read in ${duration(item.ms / 1000)}`;
  return `${faces.length ? plural(faces.length, "face") : "No face"} · ${width} × ${height} · ${Math.round(item.ms)} ms`;
}

async function fillBody(body, item) {
  if (item.state === "waiting") {
    body.append(
      h(
        "div",
        { class: "stage" },
        h("div", { class: "frame waiting" }, h("img", { src: item.url, alt: "" }), h("div", { class: "sweep" })),
      ),
      h("div", { class: "faces" }, h("div", { class: "card ghost" }), h("div", { class: "card ghost" })),
    );
    return;
  }
  if (item.state === "failed") {
    const again =
      item.again &&
      h(
        "button",
        {
          class: "button",
          type: "button",
          onclick: () => take(items.map((each) => new File([each.blob], each.name, { type: each.type }))),
        },
        "Try again",
      );
    body.append(note("alert", item.answer.problem.title, item.answer.problem.detail, again));
    say(item.answer.problem.detail);
    return;
  }
  const card = await modelCard().catch(() => null);
  if (!card || items[current] !== item) return;
  if (item.answer.frames) {
    const { stage, list } = showFilm(card, item.answer, item.url);
    body.append(
      stage,
      list.childElementCount ? list : note("camera", "No face found", "No face was seen in this film."),
    );
    say(describeFilm(item.answer));
    return;
  }
  const { stage, list } = show(card, item.answer, item.url);
  body.classList.toggle("panorama", item.answer.faces.length > 1 && item.answer.width > 1.6 * item.answer.height);
  body.append(stage);
  if (item.answer.faces.length) body.append(list);
  else
    body.append(
      note(
        "camera",
        "No face found",
        "Faces should be at least about 20 pixels high, and not turned away too far. Very dark or covered faces are missed, too.",
      ),
    );
  say(describe(item.answer));
}

function note(mark, heading, text, ...more) {
  return h(
    "div",
    { class: "card note" },
    h("div", { class: "note-mark" }, icon(mark, 26)),
    h("h2", { text: heading }),
    h("p", { class: "soft", text }),
    more,
  );
}

function stripButtons() {
  if (items.length < 2) return [];
  return items.map((item, i) =>
    h(
      "button",
      {
        class: `thumb ${item.state}`,
        type: "button",
        "aria-label": `${item.name}: ${factLine(item)}`,
        "aria-pressed": String(i === current),
        onclick: () => {
          current = i;
          render();
        },
      },
      h("img", { src: item.url, alt: "", onerror: (event) => event.target.remove() }),
      item.state === "done"
        ? h("span", { class: "thumb-count", "data-number": item.answer.faces?.length ?? "▸" })
        : null,
    ),
  );
}

/** What stands around the shown picture: it changes when another picture is done. */
function renderAround() {
  document.getElementById("strip")?.replaceChildren(...stripButtons());
  document.getElementById("downloads")?.replaceChildren(...downloads());
}

function startAgain() {
  for (const item of items) URL.revokeObjectURL(item.url);
  items = [];
  render(true);
}
