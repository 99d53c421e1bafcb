// What the photo view shows before any photo: where to drop one, a sample, and what the model is.

import { chooseModel, modelCard, models, PLACE, readFilm } from "./answers.js";
import { count, h, icon, megabytes, percent } from "./dom.js";

/** The start view. take(files): called with the photos that were chosen. */
export function startView(take) {
  const picker = filePicker(take);
  const facts = h("dl", { class: "facts" });
  const lead = h("p", { class: "lead", text: PLACE.photo });
  const fillFacts = async () => {
    const card = await modelCard();
    const kinds = `how likely each of ${card.classes.length} expressions is`;
    lead.textContent = `Finds the faces in a photo, and ${kinds}. ${PLACE.photo}`;
    facts.replaceChildren(...factsOf(card, fillFacts));
  };
  fillFacts().catch(() => {}); // the banner says that the server is gone
  const sample = h(
    "button",
    { class: "sample", type: "button", onclick: () => takeSample(take) },
    h("img", { src: "sample.jpg", alt: "", width: 72, height: 72 }),
    h(
      "span",
      {},
      h("strong", { text: "Try the sample" }),
      h("span", { class: "soft", text: "Astronaut Eileen Collins, photo by NASA" }),
    ),
  );
  return h(
    "div",
    { class: "start" },
    h("div", { class: "hero" }, h("h1", { id: "read-title", tabindex: "-1", text: "Read a face" }), lead),
    h(
      "div",
      { class: "drop" },
      h("div", { class: "drop-mark", "aria-hidden": "true" }, icon("upload", 30)),
      h(
        "p",
        { class: "drop-text" },
        h("strong", { text: "Drop photos here" }),
        h("span", { class: "soft wide-only", text: " or paste one with Ctrl V" }),
      ),
      h(
        "div",
        { class: "row center" },
        h("button", { class: "button primary", type: "button", onclick: () => picker.click() }, "Choose photos"),
        h("a", { class: "button", href: "#/live" }, icon("camera"), "Use the camera"),
        picker,
      ),
      sample,
    ),
    facts,
  );
}

/** A hidden field that opens the system's dialog for files. */
export function filePicker(take) {
  const picker = h("input", {
    type: "file",
    accept: `image/*,.heic,.avif,.tif,.tiff${readFilm ? ",video/*,.mkv" : ""}`,
    multiple: true,
    class: "for-readers",
    tabindex: "-1",
    "aria-label": "Photos to read",
  });
  picker.addEventListener("change", () => take(picker.files));
  return picker;
}

function factsOf(card, refill) {
  const fact = (name, value, note) =>
    h("div", {}, h("dt", { text: name }), h("dd", {}, value, note ? h("span", { class: "soft", text: note }) : null));
  const strong = (text) => h("strong", { text });
  const model = models().length > 1 ? modelChoice(card, refill) : strong(card.name);
  return [
    fact("Model", model, card.parameters ? `${count(card.parameters)} parameters` : ""),
    fact("Tells apart", strong(`${card.classes.length} expressions`), card.classes.join(", ")),
    card.accuracy !== null
      ? fact("Is right", strong(percent(card.accuracy, 1)), "of the time on validation images of its own data")
      : fact("Probabilities", strong("calibrated"), `temperature ${card.temperature.toFixed(2)}`),
  ];
}

function modelChoice(card, refill) {
  const options = models().map(({ name, bytes }) =>
    h("option", { value: name, text: `${name}, ${megabytes(bytes)}`, selected: name === card.name }),
  );
  const select = h("select", { "aria-label": "Model", class: "model-choice" }, options);
  select.addEventListener("change", async () => {
    select.disabled = true;
    try {
      await chooseModel(select.value);
    } finally {
      select.disabled = false;
    }
    await refill();
    document.querySelector(".model-choice")?.focus();
  });
  return select;
}

async function takeSample(take) {
  try {
    const blob = await (await fetch("sample.jpg")).blob();
    await take([new File([blob], "astronaut.jpg", { type: "image/jpeg" })]);
  } catch {
    take([new File([], "astronaut.jpg")]); // the attempt to read it tells that the server is gone
  }
}
