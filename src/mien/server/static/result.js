// One picture that was read: the picture with its faces boxed, and a card of bars for each face.

import { explain } from "./answers.js";
import { h, icon, percent, share } from "./dom.js";
import { keepLabelsApart } from "./labels.js";

const OPEN = 4; // with more faces than these, only the chosen one shows its bars

/** "happy" -> "Happy". */
export function title(name) {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Hex color of an emotion in the model's card. */
export function colorOf(card, emotion) {
  return card.colors[card.classes.indexOf(emotion)] ?? "#8d99ae";
}

/** Bars of all classes. Gives the element and `update(probabilities, emotion)`. */
export function bars(card) {
  const rows = card.classes.map((name) => {
    const fill = h("span", { class: "bar-fill", style: { background: colorOf(card, name) } });
    const value = h("span", { class: "bar-value" });
    const row = h(
      "li",
      { class: "bar" },
      h("span", { class: "bar-name", text: name }),
      h("span", { class: "bar-track", "aria-hidden": "true" }, fill),
      value,
    );
    return { name, row, fill, value };
  });
  const element = h(
    "ul",
    { class: "bars", "aria-label": "Probabilities" },
    rows.map((each) => each.row),
  );
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
    boxes.forEach((each, i) => {
      each.classList.toggle("chosen", i === index);
    });
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
  const frame = h(
    "div",
    {
      class: "frame",
      style: { "aspect-ratio": `${picture.width} / ${picture.height}`, "--ratio": picture.width / picture.height },
    },
    image,
    boxes,
  );
  image.addEventListener("error", () => {
    image.remove();
    frame.prepend(
      h("p", {
        class: "unshown",
        text: "Your browser cannot show this format. The faces stand where they were found.",
      }),
    );
  });
  keepLabelsApart(frame, boxes);
  const stage = h("div", { class: "stage" }, frame);
  const list = h(
    "ol",
    { class: "faces", "aria-label": "Faces" },
    cards.map((each) => h("li", {}, each)),
  );
  return { stage, list };
}

/** "2 faces: happy, 97 %; sad, 61 %". */
export function describe(picture) {
  const faces = picture.faces.map((face) => `${face.emotion}, ${percent(face.confidence)}`);
  if (!faces.length) return "No face found";
  return `${faces.length === 1 ? "One face" : `${faces.length} faces`}: ${faces.join("; ")}`;
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
  const text = `${title(face.emotion)} ${percent(face.confidence)}`;
  const label = h(
    "span",
    { class: "chip", "data-number": picture.faces.length > 1 ? face.number : null },
    h("span", { class: "chip-text", text }),
  );
  const low = y / picture.height < 0.09;
  return h(
    "button",
    { class: low ? "box low" : "box", type: "button", style, "aria-label": `Face ${face.number}: ${text}` },
    label,
  );
}

function faceCard(card, face, several) {
  const { element, update } = bars(card);
  update(face.probabilities, face.emotion);
  const crop = face.crop
    ? h("img", {
        class: "crop",
        src: URL.createObjectURL(face.crop),
        alt: `Face ${face.number} as the model sees it`,
        width: 64,
        height: 64,
      })
    : null;
  const figure = h("div", { class: "heat", hidden: true });
  const button = h(
    "button",
    { class: "button quiet small", type: "button", "aria-expanded": "false" },
    icon("heat", 17),
    "Heat map",
  );
  button.addEventListener("click", () => {
    const open = figure.hidden;
    figure.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open && !figure.childElementCount) fillHeat(figure, card, face);
  });
  const head = h(
    "div",
    { class: "face-head" },
    crop,
    h(
      "div",
      { class: "face-title" },
      h("h2", {}, h("span", { class: "dot", style: { background: colorOf(card, face.emotion) } }), title(face.emotion)),
      h("p", {
        class: "soft",
        text: `${several ? `Face ${face.number} · ` : ""}${percent(face.confidence, 1)}${unsure(face) ? ", unsure" : ""}`,
      }),
    ),
    face.crop ? button : null,
  );
  return h(
    "article",
    {
      class: "card face",
      style: { "--color": colorOf(card, face.emotion) },
      "aria-label": `Face ${face.number}: ${face.emotion}`,
    },
    head,
    h("div", { class: "face-body" }, element, figure),
  );
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
  const select = h(
    "select",
    { "aria-label": "Emotion to explain" },
    card.classes.map((name) => h("option", { value: name, text: name, selected: name === face.emotion })),
  );
  figure.append(
    h("div", { class: "heat-image" }, image),
    h("div", { class: "heat-side" }, h("label", { class: "heat-choice" }, "What spoke for ", select), text),
  );
  let turn = 0;
  const load = async () => {
    const mine = ++turn;
    const emotion = select.value;
    figure.classList.add("loading");
    text.textContent = "Covering the face piece by piece…";
    try {
      const { probability, drop, overlay } = await explain(face.crop, emotion);
      if (mine !== turn) return;
      image.src = URL.createObjectURL(overlay);
      image.alt = `Heat map: the parts of the face that spoke for ${emotion}`;
      const points = (100 * drop).toFixed(drop < 0.1 ? 1 : 0);
      text.textContent =
        drop < 0.001
          ? `Nothing in this face speaks for ${emotion} (${share(probability)}).`
          : `The model gives ${emotion} ${share(probability)}. Covering the warmest spot takes ${points} points of that away.`;
    } catch (error) {
      if (mine === turn) text.textContent = error.detail || String(error);
    } finally {
      if (mine === turn) figure.classList.remove("loading");
    }
  };
  select.addEventListener("change", load);
  load();
}
