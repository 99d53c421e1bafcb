// Small helpers for building the page. Styles are set through the CSSOM: the content security policy forbids others.

const SVG = "http://www.w3.org/2000/svg";

/** An element. props: attributes; `on...` listeners; `style` an object of CSS properties; `text` its text. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else if (name === "style") for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const ICONS = {
  upload: "M12 15.5V4.5m0 0L7.5 9M12 4.5 16.5 9M4.5 15v2.5a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2V15",
  camera:
    "M4 8.5a2 2 0 0 1 2-2h2L9.5 4.5h5L16 6.5h2a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2zM12 16a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  download: "M12 4.5v11m0 0L7.5 11m4.5 4.5L16.5 11M4.5 19.5h15",
  back: "M10.5 5.5 4 12l6.5 6.5M4.5 12H20",
  heat: "M12 3.5c.5 3-4.5 5.5-4.5 10a4.5 4.5 0 0 0 9 0c0-2-1-3.5-2-4.5-.2 1.5-.8 2.3-1.7 2.7.6-3-.1-6.2-.8-8.2z",
  stop: "M6 6h12v12H6z",
  play: "M8.5 6v12l9.5-6z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5v2m0 15v2m9.5-9.5h-2m-15 0h-2m16.2-6.7-1.4 1.4M6.7 17.3l-1.4 1.4m13.4 0-1.4-1.4M6.7 6.7 5.3 5.3",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  system: "M4 5.5h16v10.5H4zM9 19.5h6M12 16v3.5",
  alert: "M12 8.5v4.5m0 3v.2M12 3.5 2.8 19.5h18.4z",
  close: "M6 6l12 12M18 6 6 18",
};

/** One of the ICONS, 20 pixels wide unless told otherwise; screen readers pass it over. */
export function icon(name, size = 20) {
  const path = ICONS[name];
  return s(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" },
    s("path", { d: path }),
  );
}

/** Tell screen readers something that the eye sees anyway. */
export function say(text) {
  const region = document.getElementById("say");
  if (region && region.textContent !== text) region.textContent = text;
}

/** 0.9712 -> "97 %"; with digits 1 "97.1 %"; "–" where there is no number. */
export function percent(value, digits = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return `${(100 * value).toFixed(digits)} %`;
}

/** A probability as people read it: tiny ones are not zero. */
export function share(value) {
  return value > 0 && value < 0.005 ? "<1 %" : percent(value);
}

/** 1234567 -> "1.23 M". */
export function count(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e4 ? `${Math.round(value / 1e3)} k` : value.toLocaleString("en");
}

/** 4200000 bytes -> "4.2 MB". */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** 3725 seconds -> "1 h 02 min". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** plural(2, "face") -> "2 faces". */
export function plural(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

/** "the picture is empty" -> "The picture is empty." */
export function sentence(text) {
  const end = /[.!?]$/.test(text) ? "" : ".";
  return text.charAt(0).toUpperCase() + text.slice(1) + end;
}

/** Hand a file to the browser's downloads. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A part of the page that scrolls by itself where it is too wide; the keyboard reaches it. label: what it holds. */
export function scrollArea(label, ...children) {
  const area = h("div", { class: "scroll-x" }, children);
  new ResizeObserver(() => {
    const scrolls = area.scrollWidth > area.clientWidth;
    for (const [name, value] of [
      ["tabindex", "0"],
      ["role", "region"],
      ["aria-label", label],
    ]) {
      if (scrolls) area.setAttribute(name, value);
      else area.removeAttribute(name);
    }
  }).observe(area);
  return area;
}
