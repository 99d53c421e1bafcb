// Labels on faces: kept inside the picture, and numbers alone where whole labels would cover each other.

/** Lay the labels of a frame's boxes out, now and whenever its size changes. */
export function keepLabelsApart(frame, boxes) {
  const lay = () => layLabels(frame, boxes);
  new ResizeObserver(lay).observe(frame);
  for (const box of boxes) {
    // A number alone becomes a whole label while it is pointed at.
    for (const kind of ["pointerenter", "focus", "click"]) box.addEventListener(kind, () => inside(frame, box));
  }
}

/** Lay them out once. */
export function layLabels(frame, boxes) {
  for (const box of boxes) {
    box.classList.remove("small");
    inside(frame, box);
  }
  const labels = boxes.map((box) => box.querySelector(".chip").getBoundingClientRect());
  const crossing = labels.some((a, i) => labels.slice(i + 1).some((b) => cross(a, b)));
  if (!crossing) return;
  for (const box of boxes) {
    box.classList.add("small");
    inside(frame, box);
  }
}

/** Shift a label so that it stands within the frame's left and right edge. */
function inside(frame, box) {
  const chip = box.querySelector(".chip");
  chip.style.setProperty("--shift", "0px");
  const [outer, inner] = [frame.getBoundingClientRect(), chip.getBoundingClientRect()];
  if (!outer.width || !inner.width) return;
  const shift = Math.max(outer.left - inner.left, Math.min(0, outer.right - inner.right));
  chip.style.setProperty("--shift", `${shift}px`);
}

function cross(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
