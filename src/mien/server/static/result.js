// One picture that was read: the picture with its faces boxed, and a card of bars for each face.

import { ask, json } from "./api.js";
import { h, icon, percent, pngBlob, pngUrl, share } from "./dom.js";

const OPEN = 4; // with more faces than these, only the chosen one shows its bars

/** "happy" -> "Happy". */
export function title(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Hex colour of an emotion in the model's card. */
export function colorOf(card, emotion) {
  return card.colors[card.classes.indexOf(emotion)] ?? "#8d99ae";
}

/** Bars of all classes. Gives the element and `update(probabilities, emotion)`. */
export function bars(card) {
  const rows = card.classes.map((name) => {
    const fill = h("span", { class: "bar-fill", style: { background: colorOf(card, name) } });
    const value = h("span", { class: "bar-value" });
    const row = h("li", { class: "bar" }, h("span", { class: "bar-name", text: name }), h("span", { class: "bar-track", "aria-hidden": "true" }, fill), value);
    return { name, row, fill, value };
  });
  const element = h("ul", { class: "bars", "aria-label": "Probabilities" }, rows.map((each) => each.row));
  const update = (probabilities, emotion) => {
    for (const { name, row, fill, value } of rows) {
      const p = probabilities[name] ?? 0;
      fill.style.width = `${(100 * p).toFixed(2)}%`;
      value.textContent = share(p);
      row.classList.toggle("first", name === emotion);
    }
  };
  return { element, update };
}

/** A picture and its faces. url: of the picture. Gives {stage, list}, two elements that know of each other. */
export function show(card, picture, url) {
  const many = picture.faces.length > OPEN;
  const boxes = picture.faces.map((face) => box(card, picture, face));
  const cards = picture.faces.map((face) => faceCard(card, face, picture.faces.length > 1));
  const choose = (index, scroll) => {
    boxes.forEach((each, i) => each.classList.toggle("chosen", i === index));
    cards.forEach((each, i) => {
      each.classList.toggle("chosen", i === index);
      if (many) each.classList.toggle("closed", i !== index);
    });
    if (scroll) cards[index].scrollIntoView({ block: "nearest", behavior: "smooth" });
  };
  boxes.forEach((each, i) => {
    each.addEventListener("click", () => choose(i, true));
    each.addEventListener("pointerenter", () => cards[i].classList.add("pointed"));
    each.addEventListener("pointerleave", () => cards[i].classList.remove("pointed"));
  });
  cards.forEach((each, i) => {
    each.addEventListener("pointerenter", () => boxes[i].classList.add("pointed"));
    each.addEventListener("pointerleave", () => boxes[i].classList.remove("pointed"));
    each.querySelector(".face-head").addEventListener("click", () => choose(i, false));
  });
  if (many) choose(0, false);
  const image = h("img", { src: url, alt: describe(picture), width: picture.width, height: picture.height });
  const frame = h("div", { class: "frame", style: { "aspect-ratio": `${picture.width} / ${picture.height}`, "--ratio": picture.width / picture.height } }, image, boxes);
  image.addEventListener("error", () => {
    image.remove();
    frame.prepend(h("p", { class: "unshown", text: "Your browser cannot show this format. The faces stand where they were found." }));
  });
  const stage = h("div", { class: "stage" }, frame);
  const list = h("ol", { class: "faces", "aria-label": "Faces" }, cards.map((each) => h("li", {}, each)));
  return { stage, list };
}

/** "2 faces: happy, 97 %; sad, 61 %". */
export function describe(picture) {
  const told = picture.faces.map((face) => `${face.emotion}, ${percent(face.confidence)}`);
  if (!told.length) return "No face found";
  return `${told.length === 1 ? "One face" : `${told.length} faces`}: ${told.join("; ")}`;
}

function box(card, picture, face) {
  const [x, y, width, height] = face.box;
  const of = (part, whole) => `${(100 * part) / whole}%`;
  const style = {
    left: of(x, picture.width),
    top: of(y, picture.height),
    width: of(width, picture.width),
    height: of(height, picture.height),
    "--color": colorOf(card, face.emotion),
  };
  const several = picture.faces.length > 1;
  const label = h("span", { class: "chip" }, several ? h("b", { text: face.number }) : null, h("span", { class: "chip-text", text: `${title(face.emotion)} ${percent(face.confidence)}` }));
  // Labels need room: in a crowd, numbers stand alone until they are pointed at.
  const small = width / picture.width < (picture.faces.length > OPEN ? 0.18 : 0.06);
  const kinds = { small, low: y / picture.height < 0.09, right: x / picture.width > 0.8 };
  return h("button", {
    class: ["box", ...Object.keys(kinds).filter((kind) => kinds[kind])].join(" "), type: "button", style,
    "aria-label": `Face ${face.number}: ${face.emotion}, ${percent(face.confidence)}`,
  }, label);
}

function faceCard(card, face, several) {
  const { element, update } = bars(card);
  update(face.probabilities, face.emotion);
  const crop = face.crop ? h("img", { class: "crop", src: pngUrl(face.crop), alt: `Face ${face.number} as the model sees it`, width: 64, height: 64 }) : null;
  const figure = h("div", { class: "heat", hidden: true });
  const button = h("button", { class: "button quiet small", type: "button", "aria-expanded": "false" }, icon("heat", 17), "Heat map");
  button.addEventListener("click", () => {
    const open = figure.hidden;
    figure.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open && !figure.childElementCount) fillHeat(figure, card, face);
  });
  const head = h("div", { class: "face-head" },
    crop,
    h("div", { class: "face-title" },
      h("h2", {}, h("span", { class: "dot", style: { background: colorOf(card, face.emotion) } }), title(face.emotion)),
      h("p", { class: "soft", text: `${several ? `Face ${face.number} · ` : ""}${percent(face.confidence, 1)}${unsure(face) ? ", unsure" : ""}` })),
    face.crop ? button : null);
  return h("article", { class: "card face", style: { "--color": colorOf(card, face.emotion) }, "aria-label": `Face ${face.number}: ${face.emotion}` }, head, h("div", { class: "face-body" }, element, figure));
}

/** Whether the second class is close behind the first. */
function unsure(face) {
  const [first, second] = Object.values(face.probabilities).sort((a, b) => b - a);
  return first < 0.5 || first - second < 0.15;
}

/** The heat map of one face, with a choice of the emotion that it explains. */
function fillHeat(figure, card, face) {
  const image = h("img", { class: "overlay", width: 192, height: 192, alt: "" });
  const text = h("p", { class: "soft" });
  const select = h("select", { "aria-label": "Emotion to explain" }, card.classes.map((name) => h("option", { value: name, text: name, selected: name === face.emotion })));
  figure.append(h("div", { class: "heat-image" }, image), h("div", { class: "heat-side" }, h("label", { class: "heat-choice" }, "What spoke for ", select), text));
  let turn = 0;
  const load = async () => {
    const mine = ++turn;
    const emotion = select.value;
    figure.classList.add("loading");
    text.textContent = "Covering the face piece by piece…";
    try {
      const found = await json(`v1/explain?emotion=${encodeURIComponent(emotion)}`, { method: "POST", body: pngBlob(face.crop), headers: { "Content-Type": "image/png" } });
      if (mine !== turn) return;
      image.src = pngUrl(found.overlay);
      image.alt = `Heat map: the parts of the face that spoke for ${emotion}`;
      const points = (100 * found.drop).toFixed(found.drop < 0.1 ? 1 : 0);
      text.textContent = found.drop < 0.001
        ? `Nothing in this face speaks for ${emotion} (${share(found.belief)}).`
        : `The model gives ${emotion} ${share(found.belief)}. Covering the warmest spot takes ${points} points of that away.`;
    } catch (error) {
      if (mine === turn) text.textContent = error.detail || String(error);
    } finally {
      if (mine === turn) figure.classList.remove("loading");
    }
  };
  select.addEventListener("change", load);
  load();
}

/** Read pictures. Gives the answer of /v1/read. */
export async function readPictures(blobs, { crops = false, signal } = {}) {
  const query = crops ? "?crops=true" : "";
  if (blobs.length === 1) {
    const type = blobs[0].type.startsWith("image/") ? blobs[0].type : "application/octet-stream";
    const response = await ask(`v1/read${query}`, { method: "POST", body: blobs[0], headers: { "Content-Type": type }, signal });
    return response.json();
  }
  const form = new FormData();
  for (const blob of blobs) form.append("pictures", blob, blob.name || "picture");
  return json(`v1/read${query}`, { method: "POST", body: form, signal });
}
