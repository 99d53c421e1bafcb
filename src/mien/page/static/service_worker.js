// Keeps the page for the time without a network: its files are stored once, and answered from the store.

const { cache: NAME, prefix: PREFIX, files: FILES } = self.PAGE;

self.addEventListener("install", (event) => {
  event.waitUntil(keepFiles());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOlder());
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  event.respondWith(answer(event.request));
});

/** What the page has stored itself, the large files among it, is not loaded again. */
async function keepFiles() {
  const cache = await caches.open(NAME);
  for (const path of FILES) if (!(await cache.match(path))) await cache.add(path);
}

async function forgetOlder() {
  const names = await caches.keys();
  const older = names.filter((name) => name.startsWith(PREFIX) && name !== NAME);
  await Promise.all(older.map((name) => caches.delete(name)));
}

async function answer(request) {
  const cache = await caches.open(NAME);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}
