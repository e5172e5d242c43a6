import { pathToFileURL } from "node:url";
const place = process.argv[3] + "/node_modules/h5wasm/dist/node/hdf5_hl.js";
const h5wasm = (await import(pathToFileURL(place))).default;
await h5wasm.ready;
const held = new h5wasm.File(process.argv[2], "r");
const error = held.get("ode/generalization_error");
console.log("ERROR " + error.value[error.value.length - 1]);
console.log("SHAPE " + held.get("ode/R_1").shape.join(" "));
console.log("LABEL " + error.attrs.long_name.value);
