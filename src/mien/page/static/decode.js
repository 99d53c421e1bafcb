// Picture files to upright pixels, as mien.data.image does it: EXIF orientation is applied, color profiles are not,
// transparency is laid over white.

const MAX_PIXELS = 80_000_000;

/** Why a picture was not read, in words fit to be shown. */
export function problem(title, detail) {
  return Object.assign(new Error(detail), { title, detail, status: 422 });
}

/** A Blob to {width, height, channels: 4, data}. Throws a problem for what the browser cannot decode. */
export async function decode(blob) {
  if (!blob.size) throw problem("Not a readable picture", "The file is empty.");
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", imageOrientation: "from-image" });
  } catch {
    const formats = "Browsers read JPEG, PNG, WebP, GIF, BMP and mostly AVIF.";
    throw problem(
      "Not a readable picture",
      `The file is damaged, or no picture that this browser can read. ${formats}`,
    );
  }
  return pixelsOf(bitmap);
}

/** The pixels of an ImageBitmap, which is closed. */
export function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) {
    bitmap.close();
    const size = `${width} × ${height} pixels`;
    throw problem("The picture is too large", `It has ${size}; up to ${MAX_PIXELS / 1e6} million are read.`);
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, channels: 4, data: context.getImageData(0, 0, width, height).data };
}

/** A part of an image, in whole pixels. */
export function cut({ width, channels, data }, left, top, right, bottom) {
  const result = new Uint8ClampedArray((right - left) * (bottom - top) * channels);
  for (let y = top; y < bottom; y += 1) {
    const row = data.subarray((y * width + left) * channels, (y * width + right) * channels);
    result.set(row, (y - top) * (right - left) * channels);
  }
  return { width: right - left, height: bottom - top, channels, data: result };
}

/** RGB to gray, ITU-R 601, as Pillow's convert("L"). */
export function toGray({ width, height, data }) {
  const gray = new Uint8ClampedArray(width * height);
  for (let i = 0, at = 0; i < gray.length; i += 1, at += 4) {
    gray[i] = (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) >> 16;
  }
  return { width, height, channels: 1, data: gray };
}

/** Gray or RGB pixels as a PNG. */
export function png({ width, height, channels, data }) {
  const pixels = new ImageData(width, height);
  for (let i = 0; i < width * height; i += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      pixels.data[4 * i + channel] = channels === 1 ? data[i] : data[4 * i + channel];
    }
    pixels.data[4 * i + 3] = 255;
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
