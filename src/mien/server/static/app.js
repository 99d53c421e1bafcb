// Which view is shown, the theme, and the line at the foot of the page.

import { modelCard, whileLoading } from "./answers.js";
import { count, h, icon, megabytes, percent } from "./dom.js";
import * as live from "./live.js";
import * as read from "./read.js";

const VIEWS = { read, live };
const LATER = { studies: () => import("./studies.js") }; // a page without a server has none
const TITLES = { read: "Photo", live: "Live", studies: "Studies" };
let shown = null;

/** "#/studies/runs%2Fa" -> ["studies", "runs/a"]; the parts behind the view are decoded. */
function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  return parts[0] in TITLES && sectionOf(parts[0]) ? parts : ["read"];
}

const sectionOf = (view) => document.getElementById(`view-${view}`);

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function show() {
  if (location.hash === "#main") return; // the skip link
  const [name, ...rest] = route();
  if (!VIEWS[name]) {
    VIEWS[name] = await LATER[name]();
    if (route()[0] !== name) return; // somewhere else by now
  }
  const changed = shown !== null;
  if (shown && shown !== name) VIEWS[shown].leave();
  for (const section of document.querySelectorAll("main > section")) section.hidden = section !== sectionOf(name);
  for (const link of document.querySelectorAll("nav a[data-view]")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${TITLES[name]} · mien`;
  shown = name;
  VIEWS[name].enter(sectionOf(name), rest);
  if (changed) {
    window.scrollTo(0, 0);
    document.querySelector(`#view-${name} h1`)?.focus({ preventScroll: true });
  }
}

const THEMES = [
  ["system", "system"],
  ["light", "sun"],
  ["dark", "moon"],
];

function setUpTheme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const paint = () => {
    const now = root.dataset.theme || "system";
    button.replaceChildren(icon(THEMES.find(([name]) => name === now)[1]));
    button.setAttribute("aria-label", `Theme: ${now}. Change it`);
    button.title = `Theme: ${now}`;
  };
  button.addEventListener("click", () => {
    const at = THEMES.findIndex(([name]) => name === (root.dataset.theme || "system"));
    const next = THEMES[(at + 1) % THEMES.length][0];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("mien-theme", next);
    } catch {
      // Then the choice holds until the page is left.
    }
    paint();
  });
  paint();
}

async function tellModel() {
  try {
    const card = await modelCard();
    const parts = [`Model ${card.name}`];
    if (card.parameters) parts.push(`${count(card.parameters)} parameters`);
    if (card.accuracy !== null) parts.push(`${percent(card.accuracy, 1)} right in validation`);
    document.getElementById("foot-model").replaceChildren(h("span", { text: parts.join(" · ") }));
  } catch {
    // The banner says that the server is gone; a refused token leaves the line empty.
  }
}

function tellProgress() {
  const bar = h("progress", { "aria-label": "Getting ready" });
  const text = h("span");
  const holder = document.getElementById("loading");
  holder.replaceChildren(text, bar);
  whileLoading(({ done, total }) => {
    holder.hidden = done >= total;
    bar.max = total;
    bar.value = done;
    text.textContent = `Getting ready: ${megabytes(done)} of ${megabytes(total)}`;
  });
}

setUpTheme();
tellProgress();
window.addEventListener("hashchange", show);
for (const news of ["server-back", "model-changed"]) document.addEventListener(news, tellModel);
show();
tellModel();
