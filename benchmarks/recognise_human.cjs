// @vladmandic/human's process for recognise.py: node recognise_human.cjs NODE_MODULES [cold]
// It runs on tfjs with WebAssembly, one thread. Faces already cropped go to its emotion graph as human itself sends
// them: 64x64, gray, -1..1. The photo is given as pixels; human decodes none in node without further packages.
const fs = require("fs");
const http = require("http");
const path = require("path");
const readline = require("readline");

const [modules, mode] = process.argv.slice(2);
const models = path.join(modules, "@vladmandic/human/models");
const inputs = process.env.INPUTS;

// human fetches its models: serve them from the disk.
const server = http.createServer((request, response) => {
  const file = path.join(models, path.basename(request.url));
  if (!fs.existsSync(file)) response.writeHead(404).end();
  else response.end(fs.readFileSync(file));
});

function readFaces(name) {
  const data = fs.readFileSync(path.join(inputs, `${name}.npy`));
  const header = 10 + data.readUInt16LE(8);
  return { data: new Uint8Array(data.subarray(header)), count: (data.length - header) / 2304 };
}

async function main() {
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const wasm = require(path.join(modules, "@tensorflow/tfjs-backend-wasm"));
  wasm.setThreadsCount(1);
  const { Human } = require(path.join(modules, "@vladmandic/human/dist/human.node-wasm.js"));
  const off = { enabled: false };
  const human = new Human({
    backend: "wasm",
    wasmPath: path.join(modules, "@tensorflow/tfjs-backend-wasm/dist/"),
    modelBasePath: `http://127.0.0.1:${server.address().port}/`,
    cacheSensitivity: 0,
    face: { iris: off, description: off, mesh: off, emotion: { enabled: true, minConfidence: 0, skipFrames: 0, skipTime: 0 },
      detector: { skipFrames: 0, skipTime: 0, return: true } },
    body: off, hand: off, gesture: off, object: off,
  });
  await human.load();
  const tf = human.tf;
  const emotion = await tf.loadGraphModel(`http://127.0.0.1:${server.address().port}/emotion.json`);
  const { width, height } = JSON.parse(fs.readFileSync(path.join(inputs, "photo.json")));
  const pixels = new Uint8Array(fs.readFileSync(path.join(inputs, "photo.rgb")));

  async function classify(data, count) {
    const output = tf.tidy(() => {
      const faces = tf.image.resizeBilinear(tf.tensor4d(data, [count, 48, 48, 1], "float32"), [64, 64]);
      return emotion.execute(tf.mul(tf.sub(tf.div(faces, 255), 0.5), 2));
    });
    const result = await output.array();
    output.dispose();
    return result;
  }

  async function photo() {
    const image = tf.tensor4d(pixels, [1, height, width, 3], "float32");
    const result = await human.detect(image);
    image.dispose();
    return result;
  }

  // As in recognise_worker.py.
  async function timed(work, parts, least) {
    const times = [];
    let sum = 0;
    do {
      for (const part of parts) {
        const started = process.hrtime.bigint();
        await work(part);
        times.push(Number(process.hrtime.bigint() - started) / 1e9);
        sum += times.at(-1);
      }
    } while (least && (sum < least || times.length < 10));
    return times;
  }

  function split(faces, size) {
    const starts = Array.from({ length: faces.count / size }, (_, i) => i * size * 2304);
    return starts.map((start) => faces.data.subarray(start, start + size * 2304));
  }

  if (mode === "cold") {
    const result = await photo();
    console.log(JSON.stringify(result.face.map((face) => face.emotion)));
    process.exit(0);
  }
  const faces = readFaces("faces");
  const tasks = {
    face: () => timed((face) => classify(face, 1), split(faces, 1), 0),
    batch: () => timed((batch) => classify(batch, 64), split(faces, 64), 1),
    photo: () => timed(photo, [null], 1),
  };
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const result = { task: line };
    if (tasks[line]) {
      result.seconds = await tasks[line]();
    } else {
      const all = readFaces(line);
      result.probabilities = [];
      for (let start = 0; start < all.count; start += 64) {
        const part = all.data.subarray(start * 2304, (start + 64) * 2304);
        result.probabilities.push(...(await classify(part, part.length / 2304)));
      }
    }
    console.log(JSON.stringify(result));
  }
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
