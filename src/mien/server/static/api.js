// Talking to the server: problems become errors with words, a missing token is asked for, a server that is gone is told.

import { sentence } from "./dom.js";

let token = read("mien-token");
let gone = false;

/** An answer that is not what was asked for; `detail` is fit to be shown. */
export class ApiError extends Error {
  constructor(status, title, detail, retryAfter = 0) {
    super(detail || title);
    Object.assign(this, { status, title, detail: detail || title, retryAfter });
  }
}

/** Ask the server. path: without a slash in front, so that it works under a prefix. Gives the Response, ok or 304. */
export async function ask(path, options = {}) {
  for (;;) {
    const headers = new Headers(options.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      serverGone();
      throw new ApiError(0, "The server does not answer", "The server does not answer. It may have been stopped.");
    }
    serverBack();
    if (response.ok || response.status === 304) return response;
    const problem = await response.json().catch(() => ({}));
    if (response.status === 401 && (await askForToken(Boolean(token)))) continue;
    throw new ApiError(
      response.status,
      problem.title || `Error ${response.status}`,
      problem.detail ? sentence(problem.detail) : "",
      Number(response.headers.get("Retry-After")) || 0,
    );
  }
}

/** The same, for JSON. */
export async function json(path, options) {
  return (await ask(path, options)).json();
}

function serverGone() {
  if (gone) return;
  gone = true;
  const banner = document.getElementById("gone");
  if (banner) {
    banner.textContent = "The server does not answer. Trying again…";
    banner.hidden = false;
  }
  const timer = setInterval(async () => {
    try {
      if ((await fetch("healthz", { cache: "no-store" })).ok) {
        clearInterval(timer);
        serverBack();
      }
    } catch {
      // Still gone.
    }
  }, 2000);
}

function serverBack() {
  if (!gone) return;
  gone = false;
  const banner = document.getElementById("gone");
  if (banner) banner.hidden = true;
  document.dispatchEvent(new CustomEvent("server-back"));
}

let asking = null;

function askForToken(wrong) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token");
    const input = document.getElementById("token-input");
    const text = document.getElementById("token-text");
    if (wrong) text.textContent = "That was not the right one. Try again.";
    input.value = "";
    document.getElementById("token-cancel").onclick = () => dialog.close("cancel");
    dialog.onclose = () => {
      asking = null;
      const given = dialog.returnValue === "ok" ? input.value.trim() : "";
      if (given) {
        token = given;
        write("mien-token", given);
      }
      dialog.returnValue = "";
      resolve(Boolean(given));
    };
    dialog.showModal();
  });
  return asking;
}

function read(key) {
  try {
    return sessionStorage.getItem(key) || "";
  } catch {
    return "";
  }
}

function write(key, value) {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // Then it is asked for again after a reload.
  }
}
