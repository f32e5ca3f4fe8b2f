// npm openai.
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { at, calls, daemon, fault, idle, record, scenario, site, spare } from "./harness.mjs";
import { completion, events, png, says, twoChoices, words } from "./samples.mjs";

const open = (model, options = {}) => {
  const { base, key } = at(model);
  return new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0, ...options });
};
const chat = (model, content, more) => open(model).chat.completions.create({ model, messages: says(content), ...more });

async function collect(stream) {
  const got = { text: "", chunks: [], usage: undefined };
  for await (const chunk of stream) {
    got.chunks.push(chunk);
    got.text += chunk.choices[0]?.delta?.content ?? "";
    got.usage = chunk.usage ?? got.usage;
  }
  return got;
}

// refused runs something that has to fail with the client's own class of error.
async function refused(promise, type, status, code) {
  let caught;
  await assert.rejects(promise, (err) => {
    caught = err;
    assert.ok(err instanceof type, `${err?.constructor?.name}: ${err}`);
    if (status) assert.equal(err.status, status);
    if (code) assert.equal(err.code, code);
    return true;
  });
  return caught;
}

scenario("chat", async () => {
  const got = await chat("echo-1", "Hello, 0G!");
  assert.equal(got.object, "chat.completion");
  assert.equal(got.model, "echo-1");
  assert.equal(got.choices[0].message.content, "Hello, 0G!");
  assert.equal(got.choices[0].finish_reason, "stop");
  assert.equal(got.usage.total_tokens, got.usage.prompt_tokens + got.usage.completion_tokens);
});

scenario("chat, system and developer messages", async () => {
  const messages = [{ role: "system", content: "Be brief." }, { role: "developer", content: "Be kind." }, ...says("Well?")];
  const got = await open("echo-1").chat.completions.create({ model: "echo-1", messages });
  assert.equal(got.choices[0].message.content, "Well?");
});

scenario("chat, history of turns", async () => {
  const messages = [...says("first"), { role: "assistant", content: "first" }, ...says("second")];
  const got = await open("echo-1").chat.completions.create({ model: "echo-1", messages });
  assert.equal(got.choices[0].message.content, "second");
});

scenario("chat, parts with a picture", async () => {
  const content = [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${png.toString("base64")}` } }];
  const got = await chat("echo-1", content);
  assert.equal(got.choices[0].message.content, "What is it?");
  assert.ok(got.usage.prompt_tokens > 85, "the picture was not counted");
});

scenario("chat, all of Unicode", async () => {
  const text = "Ωmega 🌄 — “quotes” \u2028 <b>&amp;</b> \\u00e9 é e\u0301 \u0000 \ud83d\udc69\u200d\ud83d\ude80 日本語 עברית";
  assert.equal((await chat("echo-1", text)).choices[0].message.content, text);
});

scenario("chat, limit of tokens", async () => {
  const got = await chat("echo-1", "one two three four five", { max_completion_tokens: 3 });
  assert.equal(got.choices[0].message.content, "one two three");
  assert.equal(got.choices[0].finish_reason, "length");
});

scenario("chat, parameters that nobody here knows", async () => {
  const got = await chat("echo-1", "hi", { temperature: 0.7, top_p: 1.0, seed: 2 ** 53 - 1, user: "u", logit_bias: { 50256: -100 }, x_vendor: { a: [1e-7] } });
  assert.equal(got.choices[0].message.content, "hi");
});

scenario("chat, several choices", async () => {
  const model = await spare();
  await fault(model, { kind: "raw", n: 1, raw: { type: "application/json", pieces: [JSON.stringify(twoChoices(model))] } });
  const got = await chat(model, "twice", { n: 2 });
  assert.deepEqual(got.choices.map((c) => c.message.content), ["one", "two"]);
});

scenario("chat, fields that this client does not know", async () => {
  const model = await spare();
  const answer = completion(model, { role: "assistant", content: "42", reasoning_content: "six times seven" });
  await fault(model, { kind: "raw", n: 1, raw: { type: "application/json", pieces: [JSON.stringify(answer)] } });
  const got = await chat(model, "think");
  assert.deepEqual(JSON.parse(JSON.stringify(got)), answer);
});

scenario("chat, headers of the answer", { only: "daemon" }, async () => {
  const { data, response, request_id: id } = await chat("echo-1", "how much?").withResponse();
  assert.match(id, /^req_[0-9a-f]+$/);
  assert.equal(data._request_id, id);
  assert.match(response.headers.get("x-zgproxy-fee-neuron"), /^[1-9][0-9]*$/);
  assert.equal(response.headers.get("x-zgproxy-fee-basis"), "exact");
  assert.match(response.headers.get("x-zgproxy-verdict"), /^(pending|verified)$/);
  assert.match(response.headers.get("provider"), /^0x[0-9a-fA-F]{40}$/);
  const booked = await record(id);
  assert.equal(booked.verdict, "verified");
  assert.equal(booked.fee_neuron, response.headers.get("x-zgproxy-fee-neuron"));
});

scenario("stream", async () => {
  const got = await collect(await chat("echo-1", "one two three", { stream: true }));
  assert.equal(got.text, "one two three");
  if (daemon) assert.equal(got.usage, undefined, "nobody asked for the usage");
  assert.ok(got.chunks.length >= 4, "the words did not come one by one");
});

scenario("stream with usage", async () => {
  const got = await collect(await chat("echo-1", "four five", { stream: true, stream_options: { include_usage: true } }));
  assert.equal(got.text, "four five");
  assert.equal(got.usage.completion_tokens, 2);
  assert.deepEqual(got.chunks.at(-1).choices, []);
});

scenario("stream, all of Unicode", async () => {
  const text = "Ωmega 🌄 日本語 \u2028 \u0000 \ud83d\udc69\u200d\ud83d\ude80".repeat(50);
  assert.equal((await collect(await chat("echo-1", text, { stream: true }))).text, text);
});

scenario("stream of 5,000 words", async () => {
  assert.equal(words((await collect(await chat("lorem-1", "lorem:5000", { stream: true }))).text), 5000);
});

scenario("stream, several choices", async () => {
  const model = await spare();
  await fault(model, { kind: "raw", n: 1, raw: { type: "text/event-stream", pieces: events(model, [[0, "a"], [1, "x"], [0, "b"], [1, "y"]]) } });
  const text = ["", ""];
  for await (const chunk of await chat(model, "twice", { n: 2, stream: true, stream_options: { include_usage: true } })) {
    for (const c of chunk.choices) text[c.index] += c.delta.content ?? "";
  }
  assert.deepEqual(text, ["ab", "xy"]);
});

scenario("stream, gathered by the client", async () => {
  const runner = open("echo-1").chat.completions.stream({ model: "echo-1", messages: says("gather me"), stream_options: { include_usage: true } });
  const got = await runner.finalChatCompletion();
  assert.equal(got.choices[0].message.content, "gather me");
  assert.equal((await runner.totalUsage()).completion_tokens, 2);
});

scenario("stream, left in the middle", { differs: "how much arrives before a caller leaves is chance" }, async () => {
  const model = await spare();
  await fault(model, { kind: "stall", after: 3, n: 1 });
  const stream = await chat(model, "lorem:50", { stream: true });
  let n = 0;
  for await (const _ of stream) if (++n === 3) break; // which tells the server
  assert.equal(n, 3);
  await idle(model);
  assert.equal(words((await chat(model, "lorem:7")).choices[0].message.content), 7);
});

scenario("stream, aborted by a signal", { differs: "how much arrives before a caller leaves is chance" }, async () => {
  const model = await spare();
  await fault(model, { kind: "stall", after: 2, n: 1 });
  const abort = new AbortController();
  const stream = await open(model).chat.completions.create({ model, messages: says("lorem:50"), stream: true }, { signal: abort.signal });
  let n = 0;
  for await (const _ of stream) if (++n === 2) abort.abort();
  assert.ok(abort.signal.aborted);
  await idle(model);
  assert.equal(words((await chat(model, "lorem:7")).choices[0].message.content), 7);
});

scenario("stream that breaks off", { differs: "a bare provider ends it as if it were whole; zgproxy tells" }, async () => {
  const model = await spare();
  await fault(model, { kind: "truncate", after: 4, n: 1 });
  const stream = await chat(model, "lorem:50", { stream: true });
  if (daemon) await refused(collect(stream), OpenAI.APIError, undefined, "truncated");
  else await collect(stream);
});

scenario("stream that ends in a bare error", { differs: "a bare provider's line is no event, so that clients see nothing but an end; zgproxy tells" }, async () => {
  const model = await spare();
  await fault(model, { kind: "mid-stream-error", after: 4, n: 1 });
  const stream = await chat(model, "lorem:50", { stream: true });
  if (daemon) await refused(collect(stream), OpenAI.APIError, undefined, "truncated");
  else await collect(stream);
});

scenario("stream that is cut off", { differs: "a bare provider's connection just ends; zgproxy tells first" }, async () => {
  const model = await spare();
  await fault(model, { kind: "reset-mid-stream", after: 4, n: 1 });
  const stream = await chat(model, "lorem:50", { stream: true });
  if (daemon) await refused(collect(stream), OpenAI.APIError, undefined, "truncated");
  else await assert.rejects(collect(stream));
});

const weather = { type: "function", function: { name: "get_weather", description: "Weather of a place", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } } };

scenario("tools, one call", async () => {
  const got = await chat("echo-1", "What is the weather in Zug?", { tools: [weather], tool_choice: "auto" });
  const [call] = got.choices[0].message.tool_calls;
  assert.equal(got.choices[0].finish_reason, "tool_calls");
  assert.equal(call.function.name, "get_weather");
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Zug" });
});

scenario("tools, calls in parallel", async () => {
  const model = await spare();
  const call = (i) => ({ id: `call_${i}`, type: "function", function: { name: "get_weather", arguments: `{"city":"${i}"}` } });
  const answer = completion(model, { role: "assistant", content: null, tool_calls: [call(1), call(2), call(3)] }, "tool_calls");
  await fault(model, { kind: "raw", n: 1, raw: { type: "application/json", pieces: [JSON.stringify(answer)] } });
  const got = await chat(model, "everywhere", { tools: [weather], parallel_tool_calls: true });
  assert.deepEqual(got.choices[0].message.tool_calls, [call(1), call(2), call(3)]);
});

scenario("tools, streamed", async () => {
  const runner = open("echo-1").chat.completions.stream({ model: "echo-1", messages: says("What is the weather in Zug?"), tools: [weather] });
  const [call] = (await runner.finalChatCompletion()).choices[0].message.tool_calls;
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Zug" });
});

scenario("tools, run by the client", async () => {
  const seen = [];
  const tool = {
    type: "function",
    function: { ...weather.function, parse: JSON.parse, function: ({ city }) => { seen.push(city); return `It rains in ${city}.`; } },
  };
  const runner = open("echo-1").chat.completions.runTools({ model: "echo-1", messages: says("What is the weather in Zug?"), tools: [tool] });
  assert.equal(await runner.finalContent(), "It rains in Zug.");
  assert.deepEqual(seen, ["Zug"]);
});

scenario("JSON mode", async () => {
  const got = await chat("echo-1", "plain words", { response_format: { type: "json_object" } });
  assert.deepEqual(JSON.parse(got.choices[0].message.content), { echo: "plain words" });
});

scenario("JSON schema, parsed by the client", async () => {
  const shape = z.object({ name: z.string(), steps: z.array(z.string()), count: z.number() });
  const got = await open("echo-1").chat.completions.parse({ model: "echo-1", messages: says("fill in"), response_format: zodResponseFormat(shape, "thing") });
  assert.ok(shape.parse(got.choices[0].message.parsed));
});

scenario("prompt of 2 MB", async () => {
  const text = "0123456789abcdef".repeat(1 << 17) + " end";
  const got = await chat("lorem-1", text, { max_tokens: 3 });
  assert.equal(words(got.choices[0].message.content), 3);
  assert.ok(got.usage.prompt_tokens > 1 << 17);
});

scenario("answer of 2 MB", async () => {
  const text = "fedcba9876543210".repeat(1 << 17);
  assert.equal((await chat("echo-1", text)).choices[0].message.content, text);
});

scenario("20 at a time", async () => {
  const texts = Array.from({ length: 20 }, (_, i) => `number ${i} of twenty`);
  const client = open("echo-1");
  const got = await Promise.all(texts.map((t) => client.chat.completions.create({ model: "echo-1", messages: says(t) })));
  assert.deepEqual(got.map((g) => g.choices[0].message.content), texts);
});

scenario("20 streams at a time", async () => {
  const client = open("lorem-1");
  const ask = async () => words((await collect(await client.chat.completions.create({ model: "lorem-1", messages: says("lorem:100"), stream: true }))).text);
  assert.deepEqual(await Promise.all(Array.from({ length: 20 }, ask)), Array(20).fill(100));
});

scenario("images", async () => {
  const got = await open("picture-1").images.generate({ model: "picture-1", prompt: "an otter", response_format: "b64_json" });
  assert.equal(got.data.length, 1);
  assert.ok(Buffer.from(got.data[0].b64_json, "base64").subarray(0, 4).equals(png.subarray(0, 4)));
});

scenario("images, two of them", async () => {
  const got = await open("picture-1").images.generate({ model: "picture-1", prompt: "two otters", n: 2 });
  assert.equal(new Set(got.data.map((d) => d.b64_json)).size, 2);
});

scenario("images by URL", async () => {
  const got = await open("picture-1").images.generate({ model: "picture-1", prompt: "an otter", n: 2, response_format: "url" });
  for (const { url } of got.data) {
    if (daemon) assert.ok(url.startsWith(site.root), `${url} is not ours`);
    const r = await fetch(url);
    assert.equal(r.status, 200);
    assert.match(r.headers.get("content-type"), /^image\/png/);
    assert.ok(Buffer.from(await r.arrayBuffer()).subarray(0, 4).equals(png.subarray(0, 4)));
  }
});

scenario("image edits", async () => {
  const image = await toFile(png, "a.png", { type: "image/png" });
  const got = await open("retouch-1").images.edit({ model: "retouch-1", image, mask: await toFile(png, "m.png", { type: "image/png" }), prompt: "a hat" });
  assert.ok(Buffer.from(got.data[0].b64_json, "base64").subarray(0, 4).equals(png.subarray(0, 4)));
});

scenario("image edits of several pictures", async () => {
  const image = [await toFile(png, "a.png", { type: "image/png" }), await toFile(png, "b.png", { type: "image/png" })];
  const got = await open("retouch-1").images.edit({ model: "retouch-1", image, prompt: "both", n: 2 });
  assert.equal(got.data.length, 2);
});

const sound = () => toFile(Buffer.alloc(48_000, "sound"), "speech.wav", { type: "audio/wav" });
const transcribe = async (more) => open("speech-1").audio.transcriptions.create({ model: "speech-1", file: await sound(), ...more });

scenario("transcription, JSON", async () => {
  const got = await transcribe({ response_format: "json", language: "en" });
  assert.match(got.text, /^Received 48000 bytes/);
});

scenario("transcription, verbose JSON", async () => {
  const got = await transcribe({ response_format: "verbose_json", timestamp_granularities: ["segment"] });
  assert.equal(got.duration, 3);
  assert.equal(got.segments.length, 1);
});

scenario("transcription, text", async () => assert.match(await transcribe({ response_format: "text" }), /^Received 48000 bytes.*\n$/));
scenario("transcription, SRT", async () => assert.match(await transcribe({ response_format: "srt" }), /^1\n00:00:00,000 --> 00:00:03,000\n/));
scenario("transcription, VTT", async () => assert.match(await transcribe({ response_format: "vtt" }), /^WEBVTT\n\n00:00:00\.000 --> 00:00:03\.000\n/));

scenario("transcription, streamed", async () => {
  // Providers write one JSON object a line where this client expects events, so it is asked for the bare answer.
  const r = await open("speech-1").audio.transcriptions.create({ model: "speech-1", file: await sound(), stream: true }).asResponse();
  const lines = (await r.text()).trim().split("\n").map((l) => JSON.parse(l));
  assert.ok(lines.length > 2);
  assert.equal(lines.at(-1).type, "transcript.text.done");
});

scenario("speech", async () => {
  const r = await open("voice-1").audio.speech.create({ model: "voice-1", voice: "alloy", input: "A short sentence to be spoken.", response_format: "wav" });
  const audio = Buffer.from(await r.arrayBuffer());
  assert.match(r.headers.get("content-type"), /^audio\//);
  assert.equal(audio.subarray(0, 4).toString(), "RIFF");
});

scenario("embeddings, base64 as this client asks for by itself", async () => {
  const got = await open("vectors-1").embeddings.create({ model: "vectors-1", input: "some text" });
  assert.ok(got.data[0].embedding.length > 0 && got.data[0].embedding.every(Number.isFinite));
});

scenario("embeddings, floats of a list", async () => {
  const got = await open("vectors-1").embeddings.create({ model: "vectors-1", input: ["a", "b", "a"], encoding_format: "float" });
  assert.deepEqual(got.data.map((d) => d.index), [0, 1, 2]);
  assert.deepEqual(got.data[0].embedding, got.data[2].embedding);
  assert.notDeepEqual(got.data[0].embedding, got.data[1].embedding);
});

scenario("videos, made, looked at and fetched", async () => {
  const client = open("film-1");
  let video = await client.videos.create({ model: "film-1", prompt: "an otter swims", seconds: "4", size: "1280x720" });
  assert.equal(video.object, "video");
  for (let i = 0; i < 20 && video.status !== "completed"; i++) video = await client.videos.retrieve(video.id);
  assert.equal(video.status, "completed");
  const film = await client.videos.downloadContent(video.id);
  assert.match(film.headers.get("content-type"), /^video\/mp4/);
  assert.ok((await film.arrayBuffer()).byteLength > 0);
});

scenario("videos, one that fails", async () => {
  const client = open("film-1");
  let video = await client.videos.create({ model: "film-1", prompt: "fail: too many otters", seconds: "4" });
  for (let i = 0; i < 20 && video.status !== "failed"; i++) video = await client.videos.retrieve(video.id);
  assert.equal(video.status, "failed");
  assert.ok(video.error);
});

scenario("decisions", async () => {
  const question = { type: "predicate", name: "otter", instructions: "Is it about an otter?" };
  const got = await open("judge-1").decisions.create({ model: "judge-1", input: "an otter swims", questions: [question] });
  assert.ok(Array.isArray(got.answers));
  assert.ok(got.usage);
});

scenario("models", { only: "daemon" }, async () => {
  const ids = [];
  for await (const model of open("echo-1").models.list()) {
    assert.equal(model.object, "model");
    assert.equal(typeof model.created, "number");
    assert.equal(typeof model.owned_by, "string");
    ids.push(model.id);
  }
  for (const id of ["echo-1", "lorem-1", "picture-1", "speech-1"]) assert.equal(ids.filter((i) => i === id).length, 1, id);
});

scenario("models, one of them", { only: "daemon" }, async () => {
  assert.equal((await open("echo-1").models.retrieve("echo-1")).id, "echo-1");
  await refused(open("echo-1").models.retrieve("no-such-model"), OpenAI.NotFoundError, 404, "model_not_found");
});

scenario("error: BadRequestError of the model server", async () => {
  const err = await refused(open("echo-1").chat.completions.create({ model: "echo-1", messages: [] }), OpenAI.BadRequestError, 400);
  assert.match(err.message, /messages must not be empty/);
});

scenario("error: BadRequestError of zgproxy", { only: "daemon" }, async () => {
  await refused(open("echo-1").chat.completions.create({ messages: says("to whom?") }), OpenAI.BadRequestError, 400, "missing_model");
});

scenario("error: AuthenticationError with a wrong key", { only: "daemon" }, async () => {
  const client = open("echo-1", { apiKey: "wrong" });
  await refused(client.chat.completions.create({ model: "echo-1", messages: says("hi") }), OpenAI.AuthenticationError, 401, "invalid_api_key");
  await refused(client.models.list(), OpenAI.AuthenticationError, 401);
});

scenario("error: PermissionDeniedError for a provider that the owner does not allow", { only: "daemon" }, async () => {
  await refused(chat(site.forbidden, "hi"), OpenAI.PermissionDeniedError, 403);
});

scenario("error: NotFoundError for an unknown model", { only: "daemon" }, async () => {
  const err = await refused(chat("gpt-5", "hi"), OpenAI.NotFoundError, 404, "model_not_found");
  assert.equal(err.param, "model");
});

scenario("error: NotFoundError for routes that are not served", { only: "daemon" }, async () => {
  const client = open("echo-1");
  await refused(client.responses.create({ model: "echo-1", input: "hi" }), OpenAI.NotFoundError, 404, "unknown_url");
  await refused(client.completions.create({ model: "echo-1", prompt: "hi" }), OpenAI.NotFoundError, 404, "unknown_url");
  await refused(client.files.list(), OpenAI.NotFoundError, 404, "unknown_url");
  await refused(client.moderations.create({ input: "hi" }), OpenAI.NotFoundError, 404, "unknown_url");
});

scenario("error: ConflictError and UnprocessableEntityError of the model server", async () => {
  for (const [status, type] of [[409, OpenAI.ConflictError], [422, OpenAI.UnprocessableEntityError]]) {
    const model = await spare();
    const body = JSON.stringify({ error: { message: `status ${status}`, type: "invalid_request_error", param: null, code: "odd" } });
    await fault(model, { kind: "reply", n: 1, status, body });
    await refused(chat(model, "hi"), type, status, "odd");
  }
});

scenario("error: RateLimitError with Retry-After", async () => {
  const model = await spare();
  await fault(model, { kind: "rate-limited", n: 1 });
  const err = await refused(chat(model, "hi"), OpenAI.RateLimitError, 429);
  if (daemon) assert.match(err.headers.get("retry-after"), /^[12]$/);
});

scenario("error: InternalServerError of the model server", async () => {
  const model = await spare();
  await fault(model, { kind: "server-error", n: 1 });
  const err = await refused(chat(model, "hi"), OpenAI.InternalServerError);
  assert.ok(err.status >= 500);
});

scenario("error: InternalServerError for a page of HTML", { differs: "pages are put into OpenAI's envelope" }, async () => {
  const model = await spare();
  await fault(model, { kind: "ingress-error", n: 1, status: 502 });
  const err = await refused(chat(model, "hi"), OpenAI.InternalServerError, 502);
  if (daemon) assert.ok(!/<html/i.test(err.message), err.message);
});

scenario("error: APIConnectionTimeoutError, and the next one is served", { differs: "nothing arrives" }, async () => {
  const model = await spare();
  await fault(model, { kind: "slow-first-byte", n: 1, delay_ms: 1500 });
  const client = open(model, { timeout: 300 });
  await refused(client.chat.completions.create({ model, messages: says("lorem:3") }), OpenAI.APIConnectionTimeoutError);
  await idle(model);
  assert.equal(words((await chat(model, "lorem:3")).choices[0].message.content), 3);
});

scenario("error: APIConnectionError where nobody listens", async () => {
  const client = new OpenAI({ baseURL: "http://127.0.0.1:1/v1", apiKey: "unused", maxRetries: 0 });
  await refused(client.chat.completions.create({ model: "echo-1", messages: says("hi") }), OpenAI.APIConnectionError);
});

scenario("retry after a failure of the model server", async () => {
  const model = await spare();
  await fault(model, { kind: "server-error", n: 1, status: 503 });
  const got = await open(model, { maxRetries: 2 }).chat.completions.create({ model, messages: says("lorem:4") });
  assert.equal(words(got.choices[0].message.content), 4);
  assert.equal(calls(), 2);
});

scenario("retry after a rate limit, when it was told to", async () => {
  const model = await spare();
  await fault(model, { kind: "rate-limited", n: 1 });
  const client = open(model, { maxRetries: 2 });
  const began = Date.now();
  const got = await client.chat.completions.create({ model, messages: says("lorem:4") });
  assert.equal(words(got.choices[0].message.content), 4);
  if (daemon) assert.ok(Date.now() - began >= 1900, "it did not wait for as long as Retry-After says");
});

scenario("retry after a cut connection", { differs: "zgproxy answers 502 where a bare provider's connection is cut" }, async () => {
  const model = await spare();
  await fault(model, { kind: "reset-before-headers", n: 1 });
  const got = await open(model, { maxRetries: 2 }).chat.completions.create({ model, messages: says("lorem:4") });
  assert.equal(words(got.choices[0].message.content), 4);
});

scenario("another provider answers where one fails", { only: "daemon" }, async () => {
  const client = open("echo-1");
  for (const kind of ["reset-before-headers", "ingress-error", "server-error", "too-many-concurrent", "busy"]) {
    if (kind === "busy") await fault("echo-1", { first: true, kind: "reply", status: 503, body: '{"error":"Server is currently processing too many requests. Please try again later."}' });
    else await fault("echo-1", { first: true, kind });
    try {
      for (let i = 0; i < 5; i++) {
        const got = await client.chat.completions.create({ model: "echo-1", messages: says(`${kind} ${i}`) });
        assert.equal(got.choices[0].message.content, `${kind} ${i}`);
      }
    } finally {
      await fault("echo-1", { kind: "" });
    }
  }
});

scenario("no retry of a caller's mistake", async () => {
  const client = open("echo-1", { maxRetries: 2 });
  await refused(client.chat.completions.create({ model: "echo-1", messages: [] }), OpenAI.BadRequestError, 400);
  assert.equal(calls(), 1);
});

// A daemon that withholds answers which are not shown to be the signer's.
const strict = () => new OpenAI({ baseURL: site.withheld.base, apiKey: site.withheld.key, maxRetries: 0 });
const bad = "fault:signature-other-bytes";

scenario("withheld: all is well", { only: "daemon" }, async () => {
  const { data, response } = await strict().chat.completions.create({ model: "echo-1", messages: says("checked") }).withResponse();
  assert.equal(data.choices[0].message.content, "checked");
  assert.equal(response.headers.get("x-zgproxy-verdict"), "verified");
});

scenario("withheld: a chat", { only: "daemon" }, async () => {
  await refused(strict().chat.completions.create({ model: "lorem-2", messages: says(bad) }), OpenAI.APIError, 502, "answer_not_verified");
});

scenario("withheld: the end of a stream", { only: "daemon" }, async () => {
  let text = "";
  await refused((async () => {
    for await (const chunk of await strict().chat.completions.create({ model: "lorem-3", messages: says(`lorem:5 ${bad}`), stream: true })) {
      assert.equal(chunk.choices[0]?.finish_reason ?? null, null, "the end got out");
      text += chunk.choices[0]?.delta?.content ?? "";
    }
  })(), OpenAI.APIError, undefined, "answer_not_verified");
  assert.equal(words(text), 5);
});
