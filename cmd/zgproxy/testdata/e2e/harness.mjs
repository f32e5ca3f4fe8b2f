// What all scenarios share: where to ask, how to make a provider fail, and the record of what came back. The Go test that
// starts this says in ZG_E2E (JSON) where things are, and reads one line of JSON per scenario from standard output.
import { spawn } from "node:child_process";

// site: {target: "daemon" or "bare", base, root, key, models: {NAME: {base, root, key}}, spare: [NAME], forbidden: NAME,
// withheld: {base, key}, control}. base is what clients call the base URL; root is where /v1/... begins.
export const site = JSON.parse(process.env.ZG_E2E);
export const daemon = site.target === "daemon";

// at says where a model is asked for: the daemon for all of them, the provider of each where there is no daemon.
export const at = (model) => (daemon ? site : site.models[model]);

// spare is a model that nobody else asks for, from the only provider of it: what goes wrong there disturbs nothing else.
export async function spare() {
  const model = site.spare.shift();
  site.spare.push(model);
  await control("/heal", { model }); // from what an earlier scenario did to it
  return model;
}

async function control(path, body) {
  const r = await plainFetch(site.control + path, { method: "POST", body: JSON.stringify(body) });
  const text = await r.text();
  if (!r.ok) throw new Error(`control ${path}: ${r.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

// fault makes the providers of a model fail, or the first of them: {first, kind, n, after, delay_ms, status, body, raw: {type,
// pieces}}.
export const fault = (model, f) => control("/fault", { model, ...f });

// idle waits until nothing is under way at the providers of a model.
export const idle = (model) => control("/idle", { model });

// record waits for what the daemon books about a request, with its verdict.
export const record = (id) => control("/record", { id });

const plainFetch = globalThis.fetch;
let answers = [];
let playing;

// All clients fetch through this; it keeps what came back, byte for byte, and changes nothing.
globalThis.fetch = async (input, init) => {
  if (!/^http/.test(input.url ?? input)) return plainFetch(input, init); // a client finding out what fetch can do
  const answer = { method: init?.method ?? input.method ?? "GET", path: new URL(input.url ?? input).pathname };
  answer.usage = /"include_usage"\s*:\s*true/.test(typeof init?.body === "string" ? init.body : "");
  answers.push(answer);
  const r = await plainFetch(input, init);
  answer.status = r.status;
  answer.type = r.headers.get("content-type") ?? "";
  if (playing.differs) return r; // a copy would keep a client from leaving
  answer.copy = r
    .clone()
    .arrayBuffer()
    .then((b) => Buffer.from(b).toString("base64"))
    .catch(() => undefined); // broken off, by either side
  return r;
};

// calls is how many requests this scenario has made so far.
export const calls = () => answers.length;

// curl runs the real one and keeps what it printed like any other answer. It asks model's place for a path below the base
// URL, or for a whole URL. stdin is sent as the standard input; plain leaves out what else is known of the answer, unkept keeps
// nothing.
export async function curl(model, path, args = [], { stdin, keyless, plain, unkept } = {}) {
  const { base, key } = at(model);
  const url = /^https?:/.test(path) ? path : base + path;
  const told = "%{stderr}\n@@%{header_json}\n@@%{json}";
  const auth = keyless ? [] : ["-H", `Authorization: Bearer ${key}`];
  const child = spawn("curl", ["--silent", "--show-error", "--max-time", "30", ...(plain ? [] : ["--write-out", told]), ...auth, ...args, url]);
  const [out, err] = [[], []];
  child.stdout.on("data", (b) => out.push(b));
  child.stderr.on("data", (b) => err.push(b));
  child.stdin.on("error", () => {}); // curl need not read it
  child.stdin.end(stdin);
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  const [errors, headers, figures] = Buffer.concat(err).toString().split("\n@@");
  const body = Buffer.concat(out);
  if (plain) return { code, errors, body, text: body.toString() };
  const got = { code, errors, headers: JSON.parse(headers), ...JSON.parse(figures), body, text: body.toString() };
  got.status = got.http_code;
  got.type = got.content_type ?? "";
  const usage = args.some((a) => /"include_usage"\s*:\s*true/.test(a));
  if (!unkept) answers.push({ method: got.method, path: new URL(url).pathname, status: got.status, type: got.type, usage, body: body.toString("base64") });
  return got;
}

const scenarios = [];

// scenario names one thing that a client does. only: "daemon" leaves it out where there is none; differs says why its answers
// are not compared byte by byte.
export function scenario(name, options, run) {
  if (!run) [options, run] = [{}, options];
  scenarios.push({ name, ...options, run });
}

const patience = 60_000;

async function bounded(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${patience / 1000} s`)), patience);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// play runs all scenarios, one after the other.
export async function play(only) {
  for (const s of scenarios) {
    if (only && !s.name.includes(only)) continue;
    const line = { scenario: s.name, differs: s.differs };
    if (s.only && s.only !== site.target) continue;
    answers = [];
    playing = s;
    try {
      await bounded(s.run(), "the scenario");
      line.ok = true;
      line.answers = [];
      for (const { copy, ...rest } of answers) line.answers.push({ ...rest, body: rest.body ?? (await bounded(copy ?? Promise.resolve(), "an answer")) });
    } catch (err) {
      line.ok = false;
      line.error = String(err?.stack ?? err) + (err?.cause ? `\ncaused by ${err.cause.stack ?? err.cause}` : "");
    }
    await new Promise((resolve) => process.stdout.write(JSON.stringify(line) + "\n", resolve));
  }
}
