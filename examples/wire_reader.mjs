// Fetch batches in another language: a reader of the wire format for Node.js 18 or newer, without packages.
//
//     node examples/wire_reader.mjs http://cpu-host:8000 --steps 3
//
// Decodes the messages of docs/wire-format.md and prints a table of the arrays. It checks the counts, but not the digest
// of the trailer, because Node.js has no XXH3. It does not try again; a server that is busy responds with 503.

import { parseArgs } from "node:util";

const TYPES = {
  "|u1": Uint8Array, "|i1": Int8Array, "<u2": Uint16Array, "<i2": Int16Array, "<u4": Uint32Array, "<i4": Int32Array,
  "<u8": BigUint64Array, "<i8": BigInt64Array, "<f4": Float32Array, "<f8": Float64Array,
};

/** Yield the msgpack objects of a buffer: those types that batches have. Raises RangeError at an incomplete one. */
function* messages(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const skip = (count) => (at += count) - count; // the place before `count` bytes
  const length = (size) => [view.getUint8, view.getUint16, view.getUint32][size].call(view, skip(1 << size));
  const text = (count) => new TextDecoder().decode(binary(count));
  const list = (count) => Array.from({ length: count }, next);
  const map = (count) => Object.fromEntries(Array.from({ length: count }, () => [key(next()), next()]));
  const key = (value) => (value instanceof Uint8Array ? new TextDecoder().decode(value) : value);
  const binary = (count) => {
    if (at + count > bytes.length) throw new RangeError("the response ends in the middle of a message");
    return bytes.subarray(skip(count), at);
  };
  function next() {
    const tag = view.getUint8(skip(1));
    if (tag < 0x80) return tag;
    if (tag < 0x90) return map(tag & 15);
    if (tag < 0xa0) return list(tag & 15);
    if (tag < 0xc0) return text(tag & 31);
    if (tag >= 0xe0) return tag - 256;
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: case 0xc3: return tag === 0xc3;
      case 0xc4: case 0xc5: case 0xc6: return binary(length(tag - 0xc4));
      case 0xca: return view.getFloat32(skip(4));
      case 0xcb: return view.getFloat64(skip(8));
      case 0xcc: case 0xcd: case 0xce: return length(tag - 0xcc);
      case 0xcf: return view.getBigUint64(skip(8)); // seeds do not fit a number
      case 0xd0: return view.getInt8(skip(1));
      case 0xd1: return view.getInt16(skip(2));
      case 0xd2: return view.getInt32(skip(4));
      case 0xd3: return view.getBigInt64(skip(8));
      case 0xd9: case 0xda: case 0xdb: return text(length(tag - 0xd9));
      case 0xdc: case 0xdd: return list(length(tag - 0xdb));
      case 0xde: case 0xdf: return map(length(tag - 0xdd));
      default: throw new Error(`0x${tag.toString(16)} at byte ${at - 1} is no message of this format`);
    }
  }
  while (at < bytes.length) yield next();
}

/** Return the elements of an array as a typed array. They are copied, because the data may begin at any byte. */
const elements = (array) => new TYPES[array.type](Uint8Array.from(array.data).buffer);

/** Return the samples of a complete batch. */
async function fetchBatch(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${(await response.json()).detail}`);
  const [header, ...rest] = messages(new Uint8Array(await response.arrayBuffer()));
  const [samples, end] = [rest.slice(0, -1), rest.at(-1)];
  if (end?.type === "error") throw new Error(`${url}: ${end.problem.detail}`);
  if (end?.type !== "trailer" || end.count !== header.count || samples.length !== header.count)
    throw new Error(`${url}: the batch is not complete`);
  return samples;
}

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: "string", default: "1" }, "batch-size": { type: "string", default: "4" },
    layout: { type: "string", default: "dense" }, seed: { type: "string", default: "7" },
  },
});
const [server, steps] = [positionals[0]?.replace(/\/+$/, ""), Number(given.steps)];
if (!server || !Number.isInteger(steps) || steps < 1) {
  console.error("usage: node wire_reader.mjs URL [--steps N] [--batch-size B] [--seed S] [--layout dense]; N ≥ 1");
  process.exit(2);
}
for (let step = 0; step < steps; step++) {
  const query = { seed: given.seed, step, batch_size: given["batch-size"], layout: given.layout };
  const samples = await fetchBatch(`${server}/v1/batches?${new URLSearchParams(query)}`);
  console.log(`step ${step}: ${samples.length} samples of images ${samples.map((one) => one.key.index).join(", ")}`);
  if (step > 0) continue;
  console.table(Object.entries(samples[0].arrays).map(([name, array]) => {
    const values = elements(array);
    const least = values.length ? values.reduce((a, b) => (b < a ? b : a)) : "none";
    const most = values.length ? values.reduce((a, b) => (b > a ? b : a)) : "none";
    return { name, dtype: array.type, shape: array.shape.join(" × "), least, most };
  }));
}
