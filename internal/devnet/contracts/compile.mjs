// Compiles the devnet's contracts into artefacts/: the ABI, from which the bindings are made, and the creation code. The same sources give the same bytes.
//
//   npm ci --no-audit --no-fund && node compile.mjs
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import solc from "solc";

const files = ["Shared.sol", "LedgerManager.sol", "InferenceServing.sol"];
const input = {
  language: "Solidity",
  sources: Object.fromEntries(files.map((f) => [f, { content: readFileSync(new URL(f, import.meta.url), "utf8") }])),
  settings: {
    viaIR: true,
    optimizer: { enabled: true, runs: 200 },
    evmVersion: "paris",
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const out = JSON.parse(solc.compile(JSON.stringify(input)));
const problems = (out.errors ?? []).map((e) => e.formattedMessage);
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
mkdirSync(new URL("artefacts/", import.meta.url), { recursive: true });
for (const name of ["LedgerManager", "InferenceServing"]) {
  const c = out.contracts[`${name}.sol`][name];
  writeFileSync(new URL(`artefacts/${name}.abi`, import.meta.url), `${JSON.stringify(c.abi, null, 1)}\n`);
  writeFileSync(new URL(`artefacts/${name}.bin`, import.meta.url), `${c.evm.bytecode.object}\n`);
  console.log(name, c.evm.bytecode.object.length / 2, "bytes");
}
