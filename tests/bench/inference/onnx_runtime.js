// node onnx_runtime.js MODEL.onnx INPUT.f32 SHAPE THREADS CALLS: milliseconds of each call and the logits, as JSON.
"use strict";
const fs = require("fs");
const ort = require("onnxruntime-node");

async function main() {
  const [model, inputFile, shape, threads, calls] = process.argv.slice(2);
  const n = Number(shape);
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ["cpu"],
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
  });
  const bytes = fs.readFileSync(inputFile);
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const input = new ort.Tensor("float32", values, [1, 3, n, n, n]);
  const ms = [];
  let logits = [];
  for (let i = 0; i < Number(calls) + 1; ++i) {
    const start = process.hrtime.bigint();
    const result = await session.run({ input });
    const spent = Number(process.hrtime.bigint() - start) / 1e6;
    if (i > 0) ms.push(spent); // the first call lays out memory
    logits = Array.from(result.logits.data);
  }
  console.log(JSON.stringify({ ms, logits, version: require("onnxruntime-node/package.json").version }));
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
