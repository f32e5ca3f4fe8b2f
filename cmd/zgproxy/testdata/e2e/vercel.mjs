// npm ai with @ai-sdk/openai-compatible.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany, generateImage, generateText, isStepCount, Output, RetryError, streamText, tool } from "ai";
import { z } from "zod";
import { at, calls, daemon, fault, idle, scenario, site, spare } from "./harness.mjs";
import { png, words } from "./samples.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const open = (model, options = {}) => {
  const { base, key } = at(model);
  return createOpenAICompatible({ name: "zgproxy", baseURL: base, apiKey: key, ...options });
};
const ask = (model, prompt, more) => generateText({ model: open(model)(model), prompt, maxRetries: 0, ...more });

// read takes a stream to its end; this client reports errors in it as parts.
async function read(result) {
  let text = "";
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "text-delta") text += part.text;
  }
  return text;
}

async function refused(promise, status, retryable) {
  let caught;
  await assert.rejects(promise, (err) => {
    caught = err;
    assert.ok(APICallError.isInstance(err), `${err?.constructor?.name}: ${err}`);
    if (status) assert.equal(err.statusCode, status);
    if (retryable !== undefined) assert.equal(err.isRetryable, retryable);
    return true;
  });
  return caught;
}

scenario("chat", async () => {
  const got = await ask("echo-1", "Hello, 0G!");
  assert.equal(got.text, "Hello, 0G!");
  assert.equal(got.finishReason, "stop");
  assert.ok(got.usage.inputTokens > 0 && got.usage.outputTokens > 0);
});

scenario("chat, system and developer messages", async () => {
  assert.equal((await ask("echo-1", "Well?", { instructions: "Be brief." })).text, "Well?");
});

scenario("chat, parts with a picture", async () => {
  const content = [{ type: "text", text: "What is it?" }, { type: "image", image: png }];
  const got = await generateText({ model: open("echo-1")("echo-1"), messages: [{ role: "user", content }], maxRetries: 0 });
  assert.equal(got.text, "What is it?");
});

scenario("chat, all of Unicode", async () => {
  const text = "Ωmega 🌄 — “quotes” \u2028 <b>&amp;</b> é e\u0301 \ud83d\udc69\u200d\ud83d\ude80 日本語 עברית";
  assert.equal((await ask("echo-1", text)).text, text);
});

scenario("chat, limit of tokens", async () => {
  const got = await ask("echo-1", "one two three four five", { maxOutputTokens: 3 });
  assert.equal(got.text, "one two three");
  assert.equal(got.finishReason, "length");
});

scenario("chat, headers of the answer", { only: "daemon" }, async () => {
  const { response } = await ask("echo-1", "how much?");
  assert.match(response.headers["x-request-id"], /^req_/);
  assert.match(response.headers["x-zgproxy-fee-neuron"], /^[1-9][0-9]*$/);
});

scenario("stream", async () => {
  const result = streamText({ model: open("echo-1")("echo-1"), prompt: "one two three", maxRetries: 0 });
  assert.equal(await read(result), "one two three");
});

scenario("stream with usage", async () => {
  const result = streamText({ model: open("echo-1", { includeUsage: true })("echo-1"), prompt: "four five", maxRetries: 0 });
  assert.equal(await read(result), "four five");
  assert.equal((await result.usage).outputTokens, 2);
});

scenario("stream of 5,000 words", async () => {
  assert.equal(words(await read(streamText({ model: open("lorem-1")("lorem-1"), prompt: "lorem:5000", maxRetries: 0 }))), 5000);
});

scenario("stream, aborted by a signal", { differs: "how much arrives before a caller leaves is chance" }, async () => {
  const model = await spare();
  await fault(model, { kind: "stall", after: 3, n: 1 });
  const abort = new AbortController();
  const result = streamText({ model: open(model)(model), prompt: "lorem:50", abortSignal: abort.signal, maxRetries: 0 });
  let aborted = false;
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") abort.abort();
    aborted ||= part.type === "abort";
  }
  assert.ok(aborted);
  await idle(model);
  assert.equal(words((await ask(model, "lorem:7")).text), 7);
});

scenario("stream that breaks off", { differs: "a bare provider ends it as if it were whole; zgproxy tells" }, async () => {
  const model = await spare();
  await fault(model, { kind: "truncate", after: 4, n: 1 });
  const reading = read(streamText({ model: open(model)(model), prompt: "lorem:50", maxRetries: 0, onError() {} }));
  await assert.rejects(reading, daemon ? /broke off/ : undefined);
});

const weather = (seen) => tool({
  description: "Weather of a place",
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => { seen.push(city); return `It rains in ${city}.`; },
});

scenario("tools, one call", async () => {
  const got = await ask("echo-1", "What is the weather in Zug?", { tools: { get_weather: tool({ inputSchema: z.object({ city: z.string() }) }) } });
  assert.equal(got.finishReason, "tool-calls");
  assert.deepEqual(got.toolCalls[0].input, { city: "Zug" });
});

scenario("tools, run by the client", async () => {
  const seen = [];
  const got = await ask("echo-1", "What is the weather in Zug?", { tools: { get_weather: weather(seen) }, stopWhen: isStepCount(3) });
  assert.deepEqual(seen, ["Zug"]);
  assert.match(got.text, /It rains in Zug\./);
});

scenario("tools, streamed", async () => {
  const seen = [];
  const result = streamText({ model: open("echo-1")("echo-1"), prompt: "What is the weather in Zug?", tools: { get_weather: weather(seen) }, stopWhen: isStepCount(3), maxRetries: 0 });
  assert.match(await read(result), /It rains in Zug\./);
  assert.deepEqual(seen, ["Zug"]);
});

scenario("JSON schema, parsed by the client", async () => {
  const schema = z.object({ name: z.string(), count: z.number() });
  const got = await generateText({
    model: open("echo-1", { supportsStructuredOutputs: true })("echo-1"), prompt: "fill in", output: Output.object({ schema }), maxRetries: 0,
  });
  assert.ok(schema.parse(got.output));
});

scenario("20 at a time", async () => {
  const texts = Array.from({ length: 20 }, (_, i) => `number ${i} of twenty`);
  const got = await Promise.all(texts.map((t) => ask("echo-1", t)));
  assert.deepEqual(got.map((g) => g.text), texts);
});

scenario("embeddings, floats", async () => {
  const got = await embed({ model: open("vectors-1").embeddingModel("vectors-1"), value: "some text", maxRetries: 0 });
  assert.ok(got.embedding.length > 0 && got.embedding.every(Number.isFinite));
});

scenario("embeddings, floats of a list", async () => {
  const got = await embedMany({ model: open("vectors-1").embeddingModel("vectors-1"), values: ["a", "b", "a"], maxRetries: 0 });
  assert.deepEqual(got.embeddings[0], got.embeddings[2]);
  assert.notDeepEqual(got.embeddings[0], got.embeddings[1]);
});

scenario("images, two of them", async () => {
  const got = await generateImage({ model: open("picture-1").imageModel("picture-1"), prompt: "two otters", n: 2, maxRetries: 0 });
  assert.equal(got.images.length, 2);
  for (const { uint8Array } of got.images) assert.ok(Buffer.from(uint8Array).subarray(0, 4).equals(png.subarray(0, 4)));
});

scenario("image edits", async () => {
  const got = await generateImage({ model: open("retouch-1").imageModel("retouch-1"), prompt: { text: "a hat", images: [png] }, maxRetries: 0 });
  assert.equal(got.images.length, 1);
});

scenario("error: APICallError of the model server", async () => {
  const model = await spare();
  await fault(model, { kind: "reply", n: 1, status: 400, body: JSON.stringify({ error: { message: "no such thing", type: "invalid_request_error", param: null, code: "odd" } }) });
  const err = await refused(ask(model, "hi"), 400, false);
  assert.equal(err.message, "no such thing");
});

scenario("error: APICallError for a wrong key", { only: "daemon" }, async () => {
  await refused(generateText({ model: open("echo-1", { apiKey: "wrong" })("echo-1"), prompt: "hi", maxRetries: 0 }), 401, false);
});

scenario("error: APICallError for an unknown model", { only: "daemon" }, async () => {
  const err = await refused(ask("gpt-5", "hi"), 404, false);
  assert.match(err.message, /gpt-5/);
});

scenario("error: APICallError for a provider that the owner does not allow", { only: "daemon" }, async () => {
  await refused(ask(site.forbidden, "hi"), 403, false);
});

scenario("error: APICallError for a rate limit, to be tried again", async () => {
  const model = await spare();
  await fault(model, { kind: "rate-limited", n: 1 });
  const err = await refused(ask(model, "hi"), 429, true);
  if (daemon) assert.match(err.responseHeaders["retry-after"], /^[12]$/);
});

scenario("error: RetryError when every attempt fails", async () => {
  const model = await spare();
  await fault(model, { kind: "server-error", n: 2 });
  await assert.rejects(ask(model, "hi", { maxRetries: 1 }), (err) => {
    assert.ok(RetryError.isInstance(err), String(err));
    return true;
  });
  await fault(model, { kind: "" });
});

scenario("retry after a failure of the model server", async () => {
  const model = await spare();
  await fault(model, { kind: "server-error", n: 1, status: 503 });
  assert.equal(words((await ask(model, "lorem:4", { maxRetries: 2 })).text), 4);
});

scenario("no retry of a caller's mistake", async () => {
  const model = await spare();
  await fault(model, { kind: "reply", n: 1, status: 400, body: JSON.stringify({ error: { message: "no", type: "invalid_request_error" } }) });
  await refused(ask(model, "hi", { maxRetries: 2 }), 400, false);
  assert.equal(calls(), 1);
});
