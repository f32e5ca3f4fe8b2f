// node run.mjs CLIENT [PART OF A NAME]: the scenarios of one client.
import { play } from "./harness.mjs";

const [client, only] = process.argv.slice(2);
await import(`./${client}.mjs`);
await play(only);
process.exit(0); // whatever keeps connections open
