// Large files: loaded once with progress, unpacked, and kept for the time without a network.

import { PAGE } from "./page_data.js";

/** Load files and give their bytes. files: [{path, bytes}]; progress({done, total}) is called with bytes on the wire. */
export async function load(files, progress) {
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  const done = files.map(() => 0);
  return Promise.all(
    files.map(({ path, bytes }, i) =>
      loadOne(new URL(path, PAGE.base), bytes, (loaded) => {
        done[i] = Math.min(loaded, bytes);
        progress({ done: done.reduce((a, b) => a + b, 0), total });
      }),
    ),
  );
}

async function loadOne(url, bytes, progress) {
  const cache = await keptFiles();
  const kept = await cache?.match(url);
  if (kept) {
    progress(bytes);
    return unpacked(new Uint8Array(await kept.arrayBuffer()));
  }
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) {
    const detail = "A file of this page did not arrive. Check the connection, then reload.";
    throw Object.assign(new Error(detail), { title: "The page is not complete", detail, status: 0 });
  }
  const chunks = [];
  let loaded = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    loaded += value.length;
    progress(loaded);
  }
  progress(bytes);
  const whole = new Blob(chunks);
  await cache?.put(url, new Response(whole)).catch(() => {}); // no space: then it is loaded again next time
  return unpacked(new Uint8Array(await whole.arrayBuffer()));
}

async function keptFiles() {
  try {
    return await caches.open(PAGE.cache);
  } catch {
    return null; // pages that did not come over https may keep nothing
  }
}

/** Files lie packed, as not every server packs; some servers unpack them on the way. */
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
