// How a run's state, verdict and numbers are written, the same in all views.

import { h, percent } from "./dom.js";

export const asPercent = (value, exact) => (exact ? percent(value, 1) : `${Math.round(100 * value)} %`);
export const asLoss = (value, exact) => value.toFixed(exact ? 3 : Math.abs(value) < 10 ? 1 : 0);

/** A dot and a word for a run that is not done. */
export function statusOf(run) {
  if (run.status === "done") return null;
  return h("span", { class: `status ${run.status}`, text: run.status === "running" ? "training" : "stopped" });
}

/** The verdict as a colored word. */
export function verdictOf(run) {
  if (!run.verdict) return h("span", { class: "soft", text: "–" });
  return h("span", {
    class: `verdict ${run.verdict.replaceAll(" ", "-")}`,
    text: `${run.verdict_title ?? run.verdict}${run.status === "running" ? ", so far" : ""}`,
  });
}

/** Accuracy of the kept weights; before they are evaluated, of the last epoch. */
export function validation(run) {
  return run.accuracy ?? run.val_accuracy;
}

/** A recipe's value as text. */
export function shown(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value);
}
