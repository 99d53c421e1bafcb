// The camera view. A frame is sent only when the last one was answered: a slow server slows the frames, never queues them.

import { modelCard, PLACE, readFrame } from "./answers.js";
import { h, icon, percent, say, sentence } from "./dom.js";
import { layLabels } from "./labels.js";
import { take } from "./read.js";
import { bars, colorOf, title } from "./result.js";
import { trace } from "./trace.js";
import { tracker } from "./tracker.js";

const SIDE = 640; // longer side of the frames that are sent
const LANES = 3; // faces that get a card

let view = null;
let camera = null; // {stream, stop}

/** Show the view; the camera starts when it is asked to. */
export function enter(root) {
  if (!root.childElementCount) build(root);
}

/** The camera is off while another view is shown. */
export function leave() {
  camera?.stop();
}

function build(root) {
  const video = h("video", { muted: true, playsinline: true, "aria-label": "Camera" });
  video.muted = true;
  const overlay = h("div", { class: "overlay-boxes" });
  const frame = h("div", { class: "frame live off" }, video, overlay);
  const start = h("button", { class: "button primary", type: "button" }, icon("camera"), "Start the camera");
  const stop = h("button", { class: "button", type: "button", hidden: true }, icon("stop"), "Stop");
  const shot = h("button", { class: "button", type: "button", hidden: true }, "Keep this picture");
  const mirror = h("input", { type: "checkbox", checked: true });
  const rate = h("strong", { id: "rate", text: "–" });
  const delay = h("strong", { id: "delay", text: "–" });
  const stats = h("p", { class: "soft stats", hidden: true }, rate, " frames a second · ", delay, " ms each");
  const message = h("div", { class: "live-message" });
  const cards = h("div", { class: "faces" });
  const course = trace();
  root.append(
    h(
      "div",
      { class: "hero small" },
      h("h1", { id: "live-title", tabindex: "-1", text: "Live" }),
      h("p", { class: "lead", text: PLACE.live }),
    ),
    h(
      "div",
      { class: "result" },
      h(
        "div",
        { class: "stage" },
        frame,
        h(
          "div",
          { class: "row live-bar" },
          start,
          stop,
          shot,
          h("label", { class: "check" }, mirror, "Mirror"),
          h("span", { class: "grow" }),
          stats,
        ),
      ),
      h("div", {}, message, cards, course.element),
    ),
  );
  view = { video, overlay, frame, start, stop, shot, mirror, rate, delay, stats, message, cards, course, lanes: [] };
  tell("camera", "The camera is off", PLACE.camera);
  start.addEventListener("click", run);
  stop.addEventListener("click", () => camera?.stop());
  mirror.addEventListener("change", () => frame.classList.toggle("mirrored", mirror.checked));
  frame.classList.toggle("mirrored", mirror.checked);
  shot.addEventListener("click", async () => {
    const canvas = grab(view.video, 1920);
    if (!canvas) return;
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    location.hash = "#/read";
    take([new File([blob], "camera.jpg", { type: "image/jpeg" })]);
  });
}

function tell(mark, heading, text) {
  view.message.replaceChildren(
    h(
      "div",
      { class: "card note" },
      h("div", { class: "note-mark" }, icon(mark, 26)),
      h("h2", { text: heading }),
      h("p", { class: "soft", text }),
    ),
  );
}

async function run() {
  view.start.disabled = true;
  try {
    const card = await modelCard();
    if (!navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error(), { name: "InsecureError" });
    const wish = { video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" }, audio: false };
    const stream = await navigator.mediaDevices.getUserMedia(wish);
    if (document.getElementById("view-live").hidden) {
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    await begin(stream, card);
  } catch (error) {
    tell("alert", "No camera", why(error));
    say(why(error));
  } finally {
    view.start.disabled = false;
  }
}

function why(error) {
  return (
    {
      NotAllowedError:
        "The browser was told not to lend the camera to this page. Allow it beside the address, then start again.",
      NotFoundError: "This machine has no camera that the browser can see.",
      NotReadableError: "The camera is busy in another program.",
      InsecureError:
        "Browsers lend the camera only to pages from this machine itself (127.0.0.1, localhost) or over https.",
    }[error.name] ??
    error.detail ??
    sentence(String(error.message || error))
  );
}

async function begin(stream, card) {
  const { video, frame } = view;
  video.srcObject = stream;
  await video.play();
  frame.style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
  frame.style.setProperty("--ratio", video.videoWidth / video.videoHeight);
  frame.classList.remove("off");
  let on = true;
  const abort = new AbortController();
  camera = {
    stop() {
      on = false;
      camera = null;
      abort.abort();
      for (const track of stream.getTracks()) track.stop();
      video.srcObject = null;
      frame.classList.add("off");
      view.overlay.replaceChildren();
      view.cards.replaceChildren();
      view.lanes = [];
      view.course.clear();
      showButtons(false);
      tell("camera", "The camera is off", PLACE.camera);
    },
  };
  stream.getVideoTracks()[0].addEventListener("ended", () => camera?.stop());
  showButtons(true);
  view.message.replaceChildren();
  const follow = tracker();
  const times = [];
  while (on) {
    if (document.hidden) {
      await pause(300);
      continue;
    }
    const began = performance.now();
    try {
      const canvas = grab(video, SIDE);
      const picture = canvas && (await readFrame(canvas, abort.signal));
      if (!on || !picture) break;
      const now = performance.now();
      draw(card, picture, follow.update(picture.faces, now), now);
      tellRate(times, began, now);
    } catch (error) {
      if (!on) break;
      tell("alert", error.title ?? "Something went wrong", error.detail ?? String(error));
      await pause(1000 * (error.retryAfter || 1.5));
    }
    await nextFrame(video);
  }
}

function showButtons(on) {
  view.start.hidden = on;
  for (const each of [view.stop, view.shot, view.stats]) each.hidden = !on;
}

function tellRate(times, began, now) {
  times.push({ began, now });
  while (times.length > 30 || (times.length > 2 && now - times[0].began > 4000)) times.shift();
  if (times.length < 2) return;
  const seconds = (now - times[0].began) / 1000;
  const delays = times.map((each) => each.now - each.began).sort((a, b) => a - b);
  view.rate.textContent = (times.length / seconds).toFixed(1);
  view.delay.textContent = Math.round(delays[delays.length >> 1]);
}

function draw(card, picture, faces, now) {
  const mirrored = view.mirror.checked;
  view.overlay.replaceChildren(
    ...faces.map((face) => {
      const [x, y, width, height] = face.box;
      const left = mirrored ? picture.width - x - width : x;
      const style = {
        left: `${(100 * left) / picture.width}%`,
        top: `${(100 * y) / picture.height}%`,
        width: `${(100 * width) / picture.width}%`,
        height: `${(100 * height) / picture.height}%`,
        "--color": colorOf(card, face.emotion),
      };
      return h(
        "div",
        { class: "box", style },
        h("span", { class: "chip" }, `${title(face.emotion)} ${percent(face.confidence)}`),
      );
    }),
  );
  layLabels(view.frame, [...view.overlay.children]);
  view.message.replaceChildren(
    ...(faces.length ? [] : [h("p", { class: "soft live-none", text: "No face in sight." })]),
  );
  const largest = [...faces].sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
  showLanes(card, largest.slice(0, LANES));
  view.course.add(now, largest[0]?.probabilities ?? null, card);
}

/** A card for each of the largest faces; cards are kept from frame to frame, so that their bars glide. */
function showLanes(card, faces) {
  view.lanes = view.lanes.filter((lane) => {
    const here = faces.some((face) => face.id === lane.id);
    if (!here) lane.element.remove();
    return here;
  });
  for (const face of faces) {
    let lane = view.lanes.find((each) => each.id === face.id);
    if (!lane) {
      const { element, update } = bars(card);
      const head = h("h2", { class: "lane-title" });
      lane = { id: face.id, update, head, element: h("article", { class: "card face" }, head, element) };
      view.lanes.push(lane);
      view.cards.append(lane.element);
    }
    lane.update(face.probabilities, face.emotion);
    const dot = h("span", { class: "dot", style: { background: colorOf(card, face.emotion) } });
    lane.head.replaceChildren(dot, title(face.emotion), h("span", { class: "soft", text: percent(face.confidence) }));
  }
}

/** The camera's picture now, on a canvas whose longer side is at most `side`; null where there is none. */
function grab(video, side) {
  if (!video.videoWidth) return null;
  const scale = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
  view.canvas ??= document.createElement("canvas");
  view.canvas.width = Math.round(video.videoWidth * scale);
  view.canvas.height = Math.round(video.videoHeight * scale);
  view.canvas.getContext("2d").drawImage(video, 0, 0, view.canvas.width, view.canvas.height);
  return view.canvas;
}

function nextFrame(video) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 250); // a camera that stands still must not stop the loop
    const go = () => {
      clearTimeout(timer);
      resolve();
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(go);
    else requestAnimationFrame(go);
  });
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
