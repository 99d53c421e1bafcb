// A film that was read: the film with its faces boxed as it plays, and a timeline of probabilities for each face.

import { h, percent, plural } from "./dom.js";
import { layLabels } from "./labels.js";
import { colorOf, title } from "./result.js";
import { paintShares } from "./trace.js";

const HEIGHT = 72;
const MOST = 12; // faces that get a timeline, those seen longest first

/** A film and its faces. film: {width, height, frames: [{time, faces}], every, note}. Gives {stage, list}. */
export function showFilm(card, film, url) {
  const video = h("video", {
    src: url,
    controls: true,
    muted: true,
    playsinline: true,
    "aria-label": describeFilm(film),
  });
  const overlay = h("div", { class: "overlay-boxes" });
  const ratio = film.width / film.height;
  const frame = h(
    "div",
    { class: "frame film", style: { "aspect-ratio": `${film.width} / ${film.height}`, "--ratio": ratio } },
    video,
    overlay,
  );
  const draw = () => drawFaces(card, film, frame, overlay, video.currentTime);
  const follow = () => {
    draw();
    if (!video.paused && video.isConnected) requestAnimationFrame(follow);
  };
  for (const kind of ["loadeddata", "seeked", "timeupdate"]) video.addEventListener(kind, draw);
  video.addEventListener("play", follow);
  video.addEventListener("error", () => {
    video.replaceWith(
      h("p", { class: "unshown", text: "Your browser cannot play this film. It was read all the same." }),
    );
  });
  const seek = (time) => {
    video.currentTime = time;
  };
  const note = film.note ? h("p", { class: "soft film-note", text: film.note }) : null;
  const cards = tracksOf(film)
    .slice(0, MOST)
    .map((track) => h("li", {}, trackCard(card, film, track, seek)));
  return {
    stage: h("div", { class: "stage" }, frame, note),
    list: h("ol", { class: "faces", "aria-label": "Faces" }, cards),
  };
}

/** "2 faces in 4.0 s". */
export function describeFilm(film) {
  const faces = tracksOf(film).length;
  return `${faces ? plural(faces, "face") : "No face"} in ${lengthOf(film).toFixed(1)} s`;
}

const lengthOf = (film) => film.length ?? (film.frames.at(-1)?.time ?? 0) + film.every;

/** The faces by their ids: [{id, times: [time], faces: [face]}], those seen longest first. */
function tracksOf(film) {
  const tracks = new Map();
  for (const { time, faces } of film.frames) {
    for (const face of faces) {
      if (!tracks.has(face.id)) tracks.set(face.id, { id: face.id, times: [], faces: [] });
      tracks.get(face.id).times.push(time);
      tracks.get(face.id).faces.push(face);
    }
  }
  return [...tracks.values()].sort((a, b) => b.times.length - a.times.length);
}

function drawFaces(card, film, frame, overlay, now) {
  const shown = film.frames.findLast(({ time }) => time <= now + 1e-3) ?? film.frames[0];
  const of = (part, whole) => `${(100 * part) / whole}%`;
  const boxes = (shown?.faces ?? []).map((face) => {
    const [x, y, width, height] = face.box;
    const style = {
      left: of(x, film.width),
      top: of(y, film.height),
      width: of(width, film.width),
      height: of(height, film.height),
      "--color": colorOf(card, face.emotion),
    };
    const text = h("span", { class: "chip-text", text: `${title(face.emotion)} ${percent(face.confidence)}` });
    return h("div", { class: "box", style }, h("span", { class: "chip", "data-number": face.id }, text));
  });
  overlay.replaceChildren(...boxes);
  layLabels(frame, boxes);
}

function trackCard(card, film, track, seek) {
  const mean = Object.fromEntries(
    card.classes.map((name) => [
      name,
      track.faces.reduce((sum, face) => sum + face.probabilities[name], 0) / track.faces.length,
    ]),
  );
  const [emotion, share] = Object.entries(mean).reduce((a, b) => (b[1] > a[1] ? b : a));
  const seconds = track.times.length * film.every;
  const text = `Face ${track.id}: ${emotion} in the mean, ${percent(share)}, seen for ${seconds.toFixed(1)} s`;
  const canvas = h("canvas", {
    height: HEIGHT,
    role: "img",
    "aria-label": `${text}. Its probabilities over the film.`,
  });
  const length = lengthOf(film);
  const points = film.frames.map(({ time, faces }) => ({
    now: time,
    probabilities: faces.find((face) => face.id === track.id)?.probabilities ?? null,
  }));
  new ResizeObserver(() => paintShares(canvas, points, { from: 0, to: length }, card)).observe(canvas);
  canvas.addEventListener("click", (event) => seek((event.offsetX / canvas.clientWidth) * length));
  const legend = card.classes
    .filter((name) => mean[name] >= 0.05)
    .sort((a, b) => mean[b] - mean[a])
    .map((name) =>
      h(
        "li",
        {},
        h("span", { class: "dot", style: { background: colorOf(card, name) } }),
        `${name} ${percent(mean[name])}`,
      ),
    );
  return h(
    "article",
    { class: "card face track", "aria-label": text },
    h(
      "div",
      { class: "face-title" },
      h("h2", {}, h("span", { class: "dot", style: { background: colorOf(card, emotion) } }), title(emotion)),
      h("p", {
        class: "soft",
        text: `Face ${track.id} · ${percent(share)} in the mean · seen for ${seconds.toFixed(1)} s`,
      }),
    ),
    canvas,
    h("ul", { class: "track-legend soft" }, legend),
  );
}
