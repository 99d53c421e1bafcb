// Who is who from frame to frame, and probabilities that do not flicker. Simpler and quicker than
// mien.inference.tracker, which does it for film: a live picture comes many times a second.

const SETTLE = 400; // milliseconds in which a smoothed probability makes up 63 % of a change
const FORGET = 1500; // milliseconds after which a face that is gone is forgotten

/** Follows faces by where they are. `update(faces, now)` gives them with an `id` and smoothed probabilities. */
export function tracker() {
  let tracks = [];
  let next = 1;
  return {
    update(faces, now) {
      tracks = tracks.filter((track) => now - track.time <= FORGET);
      const pairs = faces
        .flatMap((face, f) => tracks.map((track, t) => ({ f, t, near: nearness(track.box, face.box) })))
        .filter((pair) => pair.near > 0)
        .sort((a, b) => b.near - a.near);
      const taken = new Map();
      const used = new Set();
      for (const { f, t } of pairs) {
        if (taken.has(f) || used.has(t)) continue;
        taken.set(f, tracks[t]);
        used.add(t);
      }
      const seen = faces.map((face, f) => {
        const before = taken.get(f);
        if (!before) return { ...face, id: next++, time: now };
        const weight = 1 - Math.exp(-Math.max(now - before.time, 1) / SETTLE);
        const probabilities = mix(before.probabilities, face.probabilities, weight);
        const [emotion, confidence] = Object.entries(probabilities).reduce((a, b) => (b[1] > a[1] ? b : a));
        return { ...face, id: before.id, time: now, probabilities, emotion, confidence };
      });
      tracks = [...seen, ...tracks.filter((_, t) => !used.has(t))];
      return [...seen].sort((a, b) => a.id - b.id);
    },
  };
}

function mix(old, now, weight) {
  return Object.fromEntries(
    Object.entries(now).map(([name, p]) => [name, weight * p + (1 - weight) * (old[name] ?? p)]),
  );
}

/** Above 0 where the second box may be the first a moment later. */
function nearness([ax, ay, aw, ah], [bx, by, bw, bh]) {
  const size = Math.sqrt(Math.sqrt(aw * ah * bw * bh));
  const moved = Math.hypot(ax + aw / 2 - bx - bw / 2, ay + ah / 2 - by - bh / 2) / size;
  const grown = Math.sqrt(Math.max(aw * ah, bw * bh) / Math.min(aw * ah, bw * bh));
  return grown < 1.8 ? Math.max(0, 1 - moved / 0.8) : 0;
}
