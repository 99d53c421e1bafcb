// The classifier: gray faces in, logits and probabilities out.

import { normalizeInput } from "./normalization.js";

const CHUNK = 64; // faces in one run

/** faces: byte arrays of size x size. Gives an array of logits for each. */
export async function logitsOf({ session, card }, Tensor, faces) {
  const side = card.input_size;
  const found = [];
  for (let start = 0; start < faces.length; start += CHUNK) {
    const part = faces.slice(start, start + CHUNK);
    const input = new Uint8Array(part.length * side * side);
    part.forEach((face, i) => {
      input.set(normalizeInput(face, card.input_normalization), i * side * side);
    });
    const { logits } = await session.run({ faces: new Tensor("uint8", input, [part.length, side, side]) });
    const count = card.classes.length;
    for (let i = 0; i < part.length; i += 1) found.push(Array.from(logits.data.subarray(i * count, (i + 1) * count)));
  }
  return found;
}

/** Logits to probabilities. */
export function softmax(logits, temperature) {
  const scaled = logits.map((logit) => logit / temperature);
  const highest = Math.max(...scaled);
  const powers = scaled.map((value) => Math.exp(value - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
