// curl, and with it what no client library does.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { at, curl, daemon, fault, idle, record, scenario, site, spare } from "./harness.mjs";
import { png, says, words } from "./samples.mjs";

const dir = mkdtempSync(join(tmpdir(), "zgproxy-curl-"));
const file = (name, bytes) => {
  writeFileSync(join(dir, name), bytes);
  return join(dir, name);
};
const chat = (model, content, more) => JSON.stringify({ model, messages: says(content), ...more });
const json = (body, ...more) => ["-H", "Content-Type: application/json", "--data-binary", body, ...more];
const said = (r) => JSON.parse(r.text).choices[0].message.content;

// envelope is OpenAI's, with this code.
function envelope(r, status, code) {
  assert.equal(r.status, status, r.text);
  const { error } = JSON.parse(r.text);
  assert.equal(typeof error.message, "string");
  assert.equal(typeof error.type, "string");
  assert.ok("param" in error);
  if (code) assert.equal(error.code, code);
  return error;
}

scenario("chat", async () => {
  const r = await curl("echo-1", "/chat/completions", json(chat("echo-1", "Hello, 0G!")));
  assert.equal(r.status, 200);
  assert.equal(said(r), "Hello, 0G!");
  assert.equal(r.http_version, "1.1");
});

scenario("chat, all of Unicode", async () => {
  const text = "Ωmega 🌄 <b>&amp;</b> \u2028 日本語";
  assert.equal(said(await curl("echo-1", "/chat/completions", json(chat("echo-1", text)))), text);
});

scenario("chat, JSON that is not as tidy as most", async () => {
  const body = `{ "messages" :\t[{"role":"user","content":"h\\u0069","x":[1e2, 0.70, -0]}],\r\n"model":"\\u0065cho-1" , "temperature": 1.0}\n`;
  assert.equal(said(await curl("echo-1", "/chat/completions", json(body))), "hi");
});

scenario("chat, no Content-Type of JSON", { only: "daemon" }, async () => {
  assert.equal((await curl("echo-1", "/chat/completions", ["-H", "Content-Type:", "--data-binary", chat("echo-1", "hi")])).status, 200);
  envelope(await curl("echo-1", "/chat/completions", ["-H", "Content-Type: text/csv", "--data-binary", chat("echo-1", "hi")]), 415, "unsupported_media_type");
});

scenario("chat, a slash at the end", async () => {
  assert.equal(said(await curl("echo-1", "/chat/completions/", json(chat("echo-1", "hi")))), "hi");
});

scenario("chat, headers of the answer", { only: "daemon" }, async () => {
  const r = await curl("echo-1", "/chat/completions", json(chat("echo-1", "how much?")));
  const [id] = r.headers["x-request-id"];
  const booked = await record(id);
  assert.equal(booked.fee_neuron, r.headers["x-zgproxy-fee-neuron"][0]);
  assert.equal(booked.verdict, "verified");
  for (const name of ["server", "via", "x-powered-by", "set-cookie"]) assert.equal(r.headers[name], undefined, name);
});

scenario("chat, the verdict and the fee behind a stream", { only: "daemon" }, async () => {
  const r = await curl("lorem-1", "/chat/completions", json(chat("lorem-1", "lorem:5", { stream: true }), "-N", "-H", "TE: trailers"));
  assert.equal(r.status, 200);
  assert.equal(r.headers.trailer?.length, 1);
});

scenario("the verdict looked up afterwards", { only: "daemon" }, async () => {
  const r = await curl("echo-1", "/chat/completions", json(chat("echo-1", "verify me")));
  const id = JSON.parse(r.text).id;
  await record(r.headers["x-request-id"][0]);
  const v = await curl("echo-1", "/verify", json(JSON.stringify({ id })));
  assert.equal(v.status, 200, v.text);
  assert.match(v.text, /verified/);
});

scenario("stream", async () => {
  const r = await curl("lorem-1", "/chat/completions", json(chat("lorem-1", "lorem:20", { stream: true }), "-N"));
  assert.match(r.type, /^text\/event-stream/);
  assert.ok(r.text.endsWith("data: [DONE]\n\n"));
  for (const event of r.text.trimEnd().split("\n\n")) assert.match(event, /^data: (\{.*\}|\[DONE\])$/);
});

scenario("stream with usage", async () => {
  const r = await curl("lorem-1", "/chat/completions", json(chat("lorem-1", "lorem:20", { stream: true, stream_options: { include_usage: true } }), "-N"));
  assert.match(r.text, /"choices":\[\],"usage":\{"prompt_tokens":\d+,"completion_tokens":20/);
});

scenario("stream, left in the middle", { differs: "how much arrives before a caller leaves is chance" }, async () => {
  const model = await spare();
  await fault(model, { kind: "stall", after: 3, n: 1 });
  const r = await curl(model, "/chat/completions", json(chat(model, "lorem:50", { stream: true }), "-N", "--max-time", "3"));
  assert.equal(r.code, 28, "it was not cut off by the clock");
  assert.ok(r.body.length > 0, "nothing came before the stall");
  await idle(model);
  assert.equal(words(said(await curl(model, "/chat/completions", json(chat(model, "lorem:7"))))), 7);
});

scenario("stream that is cut off", { differs: "a bare provider's connection just ends; zgproxy tells first" }, async () => {
  const model = await spare();
  await fault(model, { kind: "reset-mid-stream", after: 4, n: 1 });
  const r = await curl(model, "/chat/completions", json(chat(model, "lorem:50", { stream: true }), "-N"));
  assert.notEqual(r.code, 0, "curl took it for whole");
  if (daemon) assert.match(r.text, /data: \{"error":\{.*"code":"truncated"/);
});

scenario("--compressed", async () => {
  const r = await curl("echo-1", "/chat/completions", json(chat("echo-1", "compress me"), "--compressed"));
  assert.equal(said(r), "compress me");
  assert.equal(r.headers["content-encoding"], undefined);
});

scenario("a request that is compressed with gzip", { only: "daemon" }, async () => {
  const path = file("chat.json.gz", gzipSync(chat("echo-1", "unpack me")));
  const r = await curl("echo-1", "/chat/completions", ["-H", "Content-Type: application/json", "-H", "Content-Encoding: gzip", "--data-binary", `@${path}`]);
  assert.equal(said(r), "unpack me");
});

scenario("a request that says gzip and is not", { only: "daemon" }, async () => {
  envelope(await curl("echo-1", "/chat/completions", json(chat("echo-1", "hi"), "-H", "Content-Encoding: gzip")), 400);
  const r = await curl("echo-1", "/chat/completions", json(chat("echo-1", "hi"), "-H", "Content-Encoding: br"));
  assert.ok(r.status === 400 || r.status === 415);
  envelope(r, r.status);
});

scenario("Expect: 100-continue", async () => {
  const path = file("large.json", chat("lorem-1", "0123456789abcdef".repeat(1 << 17), { max_tokens: 2 }));
  const r = await curl("lorem-1", "/chat/completions", ["-H", "Content-Type: application/json", "-H", "Expect: 100-continue", "--expect100-timeout", "20", "--data-binary", `@${path}`]);
  assert.equal(r.status, 200);
  assert.ok(r.time_total < 15, "the 100 did not come");
});

scenario("a request in chunks", async () => {
  const r = await curl("echo-1", "/chat/completions", ["-H", "Content-Type: application/json", "-H", "Transfer-Encoding: chunked", "--data-binary", "@-"], { stdin: chat("echo-1", "in chunks") });
  assert.equal(said(r), "in chunks");
});

scenario("a request of more than 32 MiB", { only: "daemon" }, async () => {
  const path = file("huge.json", Buffer.alloc((32 << 20) + 1, "x"));
  envelope(await curl("echo-1", "/chat/completions", json(`@${path}`)), 413, "request_too_large");
});

scenario("HTTP/1.0", async () => {
  const r = await curl("echo-1", "/chat/completions", json(chat("echo-1", "old"), "--http1.0"));
  assert.equal(said(r), "old");
});

scenario("HTTP/2 without TLS", { only: "daemon" }, async () => {
  const r = await curl("echo-1", "/chat/completions", json(chat("echo-1", "new"), "--http2-prior-knowledge"));
  assert.equal(r.http_version, "2");
  assert.equal(said(r), "new");
  const stream = await curl("lorem-1", "/chat/completions", json(chat("lorem-1", "lorem:20", { stream: true }), "-N", "--http2-prior-knowledge"));
  assert.ok(stream.text.endsWith("data: [DONE]\n\n"));
});

scenario("HEAD", { only: "daemon" }, async () => {
  for (const path of ["/models", "/models/echo-1"]) {
    const r = await curl("echo-1", path, ["--head"]);
    assert.equal(r.status, 200);
    assert.ok(Number(r.headers["content-length"][0]) > 0);
  }
});

scenario("OPTIONS", { only: "daemon" }, async () => {
  const r = await curl("echo-1", "/chat/completions", ["-X", "OPTIONS"]);
  assert.equal(r.status, 204);
  assert.match(r.headers.allow?.join(", ") ?? "", /POST/);
});

scenario("pages of other origins are refused", { only: "daemon" }, async () => {
  const r = await curl("echo-1", "/chat/completions", json(chat("echo-1", "hi"), "-H", "Origin: https://evil.example", "-H", "Sec-Fetch-Site: cross-site"));
  envelope(r, 403, "cross_origin");
  assert.equal(r.headers["access-control-allow-origin"], undefined);
});

scenario("an allowed origin asks first", { only: "daemon" }, async () => {
  const origin = "https://app.example.com";
  const ask = ["-X", "OPTIONS", "-H", `Origin: ${origin}`, "-H", "Access-Control-Request-Method: POST", "-H", "Access-Control-Request-Headers: authorization,content-type"];
  const r = await curl("echo-1", "/chat/completions", ask, { keyless: true });
  assert.equal(r.status, 204);
  assert.deepEqual(r.headers["access-control-allow-origin"], [origin]);
  const then = await curl("echo-1", "/chat/completions", json(chat("echo-1", "hi"), "-H", `Origin: ${origin}`, "-H", "Sec-Fetch-Site: cross-site"));
  assert.equal(then.status, 200, then.text);
  assert.deepEqual(then.headers["access-control-allow-origin"], [origin]);
  assert.match(then.headers["access-control-expose-headers"].join(","), /x-request-id/i);
});

scenario("a Host name that is not ours", { only: "daemon" }, async () => {
  envelope(await curl("echo-1", "/models", ["-H", "Host: evil.example"]), 403, "host_not_allowed");
});

scenario("a key in X-Api-Key", { only: "daemon" }, async () => {
  const r = await curl("echo-1", "/models", ["-H", `X-Api-Key: ${site.key}`], { keyless: true });
  assert.equal(r.status, 200);
});

scenario("error: no key", { only: "daemon" }, async () => {
  const r = await curl("echo-1", "/models", [], { keyless: true });
  envelope(r, 401, "invalid_api_key");
  assert.ok(r.headers["www-authenticate"]);
});

scenario("error: an unknown model", { only: "daemon" }, async () => {
  assert.equal(envelope(await curl("echo-1", "/chat/completions", json(chat("gpt-5", "hi"))), 404, "model_not_found").param, "model");
});

scenario("error: routes that are not served", { only: "daemon" }, async () => {
  for (const path of ["/responses", "/completions", "/files", "/assistants", "/batches", "/fine_tuning/jobs", "/moderations", "/realtime", "/no/such/thing"]) {
    envelope(await curl("echo-1", path, json("{}")), 404, "unknown_url");
  }
  envelope(await curl("echo-1", site.root + "/chat/completions", json("{}")), 404, "unknown_url");
  envelope(await curl("echo-1", "/v1/chat/completions", json("{}")), 404, "unknown_url");
});

scenario("error: the wrong method", { only: "daemon" }, async () => {
  const r = await curl("echo-1", "/chat/completions");
  envelope(r, 405, "method_not_allowed");
  assert.match(r.headers.allow?.join(",") ?? "", /POST/);
});

scenario("error: bodies that are no request", { only: "daemon" }, async () => {
  for (const body of ["", "{", "[]", "null", '{"model":"echo-1"}{}', '{"model":"echo-1","model":"lorem-1"}', '{"model":7}', "\u00ff", '{"model":"echo-1",}']) {
    envelope(await curl("echo-1", "/chat/completions", json(body)), 400);
  }
});

scenario("error: a rate limit", async () => {
  const model = await spare();
  await fault(model, { kind: "too-many-concurrent", n: 1 });
  const r = await curl(model, "/chat/completions", json(chat(model, "hi")));
  assert.equal(r.status, 429);
  if (daemon) {
    envelope(r, 429);
    assert.match(r.headers["retry-after"][0], /^[1-9]\d*$/);
  }
});

const form = (fields, ...more) => fields.flatMap(([name, value]) => ["-F", `${name}=${value}`]).concat(more);
const sound = file("speech.wav", Buffer.alloc(48_000, "sound"));

scenario("transcription, JSON", async () => {
  const r = await curl("speech-1", "/audio/transcriptions", form([["file", `@${sound};type=audio/wav`], ["model", "speech-1"]]));
  assert.match(JSON.parse(r.text).text, /^Received 48000 bytes/);
});

scenario("transcription, SRT", async () => {
  const r = await curl("speech-1", "/audio/transcriptions", form([["model", "speech-1"], ["response_format", "srt"], ["file", `@${sound}`]]));
  assert.match(r.text, /^1\n00:00:00,000 --> 00:00:03,000\n/);
  assert.match(r.type, /subrip/);
});

scenario("transcription, streamed", async () => {
  const r = await curl("speech-1", "/audio/transcriptions", form([["model", "speech-1"], ["stream", "true"], ["file", `@${sound}`]], "-N"));
  assert.match(r.text, /transcript\.text\.delta/);
  assert.match(r.text.trimEnd().split("\n").at(-1), /transcript\.text\.done/);
});

scenario("transcription of 24 MiB in chunks", async () => {
  const path = file("long.wav", Buffer.alloc(24 << 20, "sound"));
  const r = await curl("speech-1", "/audio/transcriptions", form([["model", "speech-1"], ["file", `@${path}`]], "-H", "Transfer-Encoding: chunked"));
  assert.match(r.text, /Received 25165824 bytes/);
});

scenario("images by URL", async () => {
  const r = await curl("picture-1", "/images/generations", json(JSON.stringify({ model: "picture-1", prompt: "an otter", response_format: "url" })));
  const { url } = JSON.parse(r.text).data[0];
  if (daemon) assert.ok(url.startsWith(site.root), `${url} is not ours`);
  const picture = await curl("picture-1", url, [], { keyless: true });
  assert.equal(picture.status, 200);
  assert.ok(picture.body.subarray(0, 4).equals(png.subarray(0, 4)));
});

const picture = file("a.png", png);

scenario("image edits", async () => {
  const r = await curl("retouch-1", "/images/edits", form([["image", `@${picture};type=image/png`], ["prompt", "a hat"], ["model", "retouch-1"]]));
  assert.equal(r.status, 200, r.text);
  assert.equal(JSON.parse(r.text).data.length, 1);
});

scenario("speech", async () => {
  const r = await curl("voice-1", "/audio/speech", json(JSON.stringify({ model: "voice-1", input: "Spoken words.", voice: "alloy", response_format: "wav" })));
  assert.equal(r.status, 200);
  assert.match(r.type, /^audio\//);
  assert.ok(r.body.length > 44);
});

scenario("embeddings, floats", async () => {
  const r = await curl("vectors-1", "/embeddings", json(JSON.stringify({ model: "vectors-1", input: "some text" })));
  assert.equal(r.status, 200, r.text);
  assert.ok(JSON.parse(r.text).data[0].embedding.length > 0);
});

scenario("embeddings, base64", async () => {
  const r = await curl("vectors-1", "/embeddings", json(JSON.stringify({ model: "vectors-1", input: "some text", encoding_format: "base64" })));
  assert.equal(typeof JSON.parse(r.text).data[0].embedding, "string");
});

scenario("decisions", async () => {
  const questions = [{ type: "predicate", name: "otter", instructions: "Is it about an otter?" }];
  const r = await curl("judge-1", "/decisions", json(JSON.stringify({ model: "judge-1", input: "an otter swims", questions })));
  assert.equal(r.status, 200, r.text);
  assert.ok(Array.isArray(JSON.parse(r.text).answers));
});

scenario("videos, made, looked at and fetched", async () => {
  const made = JSON.parse((await curl("film-1", "/videos", form([["model", "film-1"], ["prompt", "an otter swims"], ["seconds", "4"]]))).text);
  let status = made.status;
  for (let i = 0; i < 20 && status !== "completed"; i++) status = JSON.parse((await curl("film-1", `/videos/${made.id}`)).text).status;
  assert.equal(status, "completed");
  assert.equal((await curl("film-1", `/videos/${made.id}/content`)).type, "video/mp4");
});

// Below a bare provider, jobs are not where its other routes are.
const jobs = (model) => `${at(model).root}/v1/async`;

scenario("async jobs: an image", async () => {
  const made = await curl("picture-1", `${jobs("picture-1")}/images/generations`, json(JSON.stringify({ model: "picture-1", prompt: "a slow otter" })));
  assert.equal(made.status, 202, made.text);
  const { jobId } = JSON.parse(made.text);
  let job = {};
  for (let i = 0; i < 200 && job.status !== "completed"; i++) {
    const r = await curl("picture-1", `${jobs("picture-1")}/jobs/${jobId}`, [], { unkept: true });
    assert.equal(r.status, 200, r.text);
    job = JSON.parse(r.text);
    if (job.status !== "completed") assert.equal(r.headers["retry-after"][0], "5");
  }
  assert.equal(job.status, "completed");
  await curl("picture-1", `${jobs("picture-1")}/jobs/${jobId}`);
  assert.ok(Buffer.from(job.data.data[0].b64_json, "base64").subarray(0, 4).equals(png.subarray(0, 4)));
});

scenario("async jobs: an edit", async () => {
  const made = await curl("retouch-1", `${jobs("retouch-1")}/images/edits`, form([["image", `@${picture};type=image/png`], ["prompt", "a hat"], ["model", "retouch-1"]]));
  assert.equal(made.status, 202, made.text);
  assert.equal(JSON.parse(made.text).status, "pending");
});

scenario("async jobs: one that does not exist", { only: "daemon" }, async () => {
  envelope(await curl("picture-1", "/async/jobs/no-such-job"), 404);
});

scenario("messages", async () => {
  const body = JSON.stringify({ model: "echo-1", max_tokens: 100, messages: says("Hello, 0G!") });
  const r = await curl("echo-1", "/messages", json(body, "-H", "anthropic-version: 2023-06-01"));
  assert.equal(r.status, 200, r.text);
  assert.equal(JSON.parse(r.text).content[0].text, "Hello, 0G!");
});

scenario("models", { only: "daemon" }, async () => {
  const { data } = JSON.parse((await curl("echo-1", "/models")).text);
  assert.ok(data.find((m) => m.id === "echo-1"));
  const some = JSON.parse((await curl("echo-1", "/models?type=speech-to-text")).text).data;
  assert.deepEqual(some.map((m) => m.id), ["speech-1"]);
});

// Over one connection of HTTP/2 it would be nicer, but this curl cannot open that in parallel with any server.
scenario("20 at a time", { only: "daemon" }, async () => {
  const more = Array(19).fill(`${site.base}/chat/completions`);
  const r = await curl("echo-1", "/chat/completions", json(chat("echo-1", "one of twenty"), "--parallel", "--parallel-max", "20", "--no-progress-meter", ...more), { plain: true });
  assert.equal(r.code, 0, r.errors);
  assert.equal(r.text.split('"one of twenty"').length - 1, 20);
});
