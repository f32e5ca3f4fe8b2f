// Compiles the devnet's contracts into artefacts/: the ABI, from which the bindings are made, and the creation code. The same sources give the same bytes.
// Variants are made from the same sources: what an upgrade of the network's contracts may look like to who does not know of it.
//
//   npm ci --no-audit --no-fund && node compile.mjs
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import solc from "solc";

const files = ["Shared.sol", "LedgerManager.sol", "InferenceServing.sol", "Proxy.sol"];
const sources = Object.fromEntries(files.map((f) => [f, readFileSync(new URL(f, import.meta.url), "utf8")]));
const appended = "    uint256 appended;\n    string note;\n";
const grow = (struct) => ["Shared.sol", new RegExp(`(struct ${struct} \\{[^}]*)\\}`), `$1${appended}}`];
const variants = {
  // What the usual contracts say.
  "": [],
  // Each struct that is read has two more fields at its end.
  Grown: [
    grow("Ledger"), grow("ServiceInfo"), grow("Account"), grow("Service"),
    ["LedgerManager.sol", /Ledger\(user, amount, amount, info\)/, 'Ledger(user, amount, amount, info, 7, "of the ledger")'],
    ["LedgerManager.sol", /block\.timestamp\);\n(\s*byName)/, 'block.timestamp, 7, "of the contract");\n$1'],
    ["InferenceServing.sol", /s\.updatedAt = block\.timestamp;/, '$& s.note = "of the service";'],
  ],
  // Sub-accounts as they were before session tokens could be revoked.
  Older: [
    ["Shared.sol", /    uint256 generation;\n    uint256 revokedBitmap;\n/, ""],
    ["InferenceServing.sol", /    function isTokenRevoked[^]*?\n    }\n/, ""],
    ["InferenceServing.sol", /    function revokeToken\([^]*?(?=    \/\/ ---- sub-accounts: the ledger's calls)/, ""],
    ["InferenceServing.sol", /        a\.generation = memory_\[k\]\[1\];\n/, ""],
    ["InferenceServing.sol", /\[a\.nonce, a\.generation\]/, "[a.nonce, 0]"],
  ],
};

function compile(variant) {
  const changed = { ...sources };
  for (const [file, from, to] of variants[variant]) {
    if (!from.test(changed[file])) throw new Error(`${variant}: ${file} has no ${from}`);
    changed[file] = changed[file].replace(from, to);
  }
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(files.map((f) => [f, { content: changed[f] }])),
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
  return out.contracts;
}

mkdirSync(new URL("artefacts/", import.meta.url), { recursive: true });
for (const variant of Object.keys(variants)) {
  const contracts = compile(variant);
  for (const name of ["LedgerManager", "InferenceServing", "Proxy"]) {
    if (variant !== "" && (name === "Proxy" || (variant === "Older" && name === "LedgerManager"))) continue; // the same code
    const c = contracts[`${name}.sol`][name];
    if (variant === "") writeFileSync(new URL(`artefacts/${name}.abi`, import.meta.url), `${JSON.stringify(c.abi, null, 1)}\n`);
    writeFileSync(new URL(`artefacts/${name}${variant}.bin`, import.meta.url), `${c.evm.bytecode.object}\n`);
    console.log(name + variant, c.evm.bytecode.object.length / 2, "bytes");
  }
}
