// What was read, as a file: JSON, CSV in the columns of `mien read --csv`, or the picture with its boxes drawn in.

import { percent, save } from "./dom.js";
import { colorOf, title } from "./result.js";

/** items: [{name, answer: {width, height, faces} | {problem}}]. */
export function asJson(items, model) {
  const pictures = items.map((item) => ({
    ...item.answer,
    name: item.name,
    faces: item.answer.faces?.map(({ crop, ...face }) => face),
  }));
  save(
    new Blob([JSON.stringify({ model, pictures }, null, 2), "\n"], { type: "application/json" }),
    `${stem(items)}.json`,
  );
}

/** A film is as many pictures as frames of it were read, each named by its time. */
function rowsOf({ name, answer }) {
  if (!answer.frames) return [{ name, answer }];
  const { width, height } = answer;
  return answer.frames.map(({ time, faces }) => ({
    name: `${name} at ${time.toFixed(2)} s`,
    answer: { width, height, faces: faces.map((face) => ({ number: face.id, ...face })) },
  }));
}

/** A row for each face; a picture without faces, or with a problem, has one row. */
export function asCsv(items, classes, model) {
  const columns = [
    "source",
    "error",
    "width",
    "height",
    "faces",
    "face",
    "emotion",
    "confidence",
    ...classes.map((c) => `p_${c}`),
    "x",
    "y",
    "w",
    "h",
    "score",
    "model",
  ];
  const lines = [columns];
  for (const { name, answer } of items.flatMap(rowsOf)) {
    const faces = answer.faces ?? [];
    const start = [name, answer.problem?.detail ?? "", answer.width ?? "", answer.height ?? "", faces.length];
    if (!faces.length) lines.push([...start, ...columns.slice(start.length + 1).map(() => ""), model]);
    for (const face of faces) {
      lines.push([
        ...start,
        face.number,
        face.emotion,
        face.confidence,
        ...classes.map((c) => face.probabilities[c]),
        ...face.box,
        face.score ?? "",
        model,
      ]);
    }
  }
  const text = lines.map((line) => line.map(cell).join(",")).join("\n");
  save(new Blob([text, "\n"], { type: "text/csv" }), `${stem(items)}.csv`);
}

/** The picture at its full size, boxes and labels drawn in. */
export async function asPicture(item, card) {
  const image = new Image();
  image.src = item.url;
  await image.decode();
  const { width, height, faces } = item.answer;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const draw = canvas.getContext("2d");
  draw.drawImage(image, 0, 0, width, height);
  for (const face of faces) drawFace(draw, face, colorOf(card, face.emotion), faces.length > 1, width);
  const type = item.type === "image/png" ? "image/png" : "image/jpeg";
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, type, 0.92));
  save(blob, `${stem([item])}-read.${type === "image/png" ? "png" : "jpg"}`);
}

function drawFace(draw, face, color, several, total) {
  const [x, y, width, height] = face.box;
  const line = Math.max(2, Math.min(width / 40, total / 250));
  const size = Math.max(11, Math.min(width * 0.13, total / 28));
  for (const [stroke, thick] of [
    ["rgba(10, 12, 18, .35)", line * 1.8],
    [color, line],
  ]) {
    draw.strokeStyle = stroke;
    draw.lineWidth = thick;
    draw.beginPath();
    draw.roundRect(x, y, width, height, Math.min(width, height) / 10);
    draw.stroke();
  }
  if (height < 24) return;
  draw.font = `600 ${size}px system-ui, sans-serif`;
  draw.textBaseline = "middle";
  const text = `${several ? `${face.number}  ` : ""}${title(face.emotion)} ${percent(face.confidence)}`;
  const wide = draw.measureText(text).width + size;
  const high = size * 1.6;
  const left = Math.max(0, Math.min(x - line / 2, total - wide));
  const top = y - high - line >= 0 ? y - high - line : y + height + line;
  draw.fillStyle = color;
  draw.beginPath();
  draw.roundRect(left, top, wide, high, high / 3);
  draw.fill();
  draw.fillStyle = inkOn(color);
  draw.fillText(text, left + size / 2, top + high / 2);
}

/** Black or white, whichever is read more easily on a color "#rrggbb". */
export function inkOn(color) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 150 ? "#14161c" : "#ffffff";
}

function cell(value) {
  let text = String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`; // spreadsheets would run it
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function stem(items) {
  const base = items.length === 1 ? items[0].name.replace(/\.[^.]*$/, "") : "faces";
  return base || "faces";
}
