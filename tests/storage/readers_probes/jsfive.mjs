import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const jsfive = createRequire(process.argv[3] + "/package.json")("jsfive");
const bytes = readFileSync(process.argv[2]);
const held = new jsfive.File(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), "run.h5");
const error = held.get("ode/generalization_error");
console.log("SHAPE " + held.get("ode/R_1").shape.join(" "));
console.log("LABEL " + error.attrs.long_name);
console.log("ERROR " + error.value[error.value.length - 1]);
