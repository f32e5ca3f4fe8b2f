// npm @anthropic-ai/sdk. The base URL has no /v1, and a bare provider takes the key as a bearer token.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { at, calls, daemon, fault, idle, record, scenario, site, spare } from "./harness.mjs";
import { says, words } from "./samples.mjs";

const open = (model, options = {}) => {
  const { base, root, key } = at(model);
  const who = daemon ? { apiKey: key } : { apiKey: null, authToken: key };
  return new Anthropic({ baseURL: daemon ? root : base, maxRetries: 0, ...who, ...options });
};
const ask = (model, content, more) => open(model).messages.create({ model, max_tokens: 1000, messages: says(content), ...more });
const text = (message) => message.content.filter((c) => c.type === "text").map((c) => c.text).join("");

async function refused(promise, type, status, kind) {
  let caught;
  await assert.rejects(promise, (err) => {
    caught = err;
    assert.ok(err instanceof type, `${err?.constructor?.name}: ${err}`);
    if (status) assert.equal(err.status, status);
    if (kind) assert.equal(err.error?.error?.type, kind, JSON.stringify(err.error));
    return true;
  });
  return caught;
}

scenario("chat", async () => {
  const got = await ask("echo-1", "Hello, 0G!");
  assert.equal(got.type, "message");
  assert.equal(got.role, "assistant");
  assert.equal(text(got), "Hello, 0G!");
  assert.equal(got.stop_reason, "end_turn");
  assert.ok(got.usage.input_tokens > 0 && got.usage.output_tokens > 0);
});

scenario("chat, system and developer messages", async () => {
  assert.equal(text(await ask("echo-1", "Well?", { system: "Be brief." })), "Well?");
  assert.equal(text(await ask("echo-1", "Well?", { system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }] })), "Well?");
});

scenario("chat, history of turns", async () => {
  const messages = [...says("first"), { role: "assistant", content: "first" }, ...says([{ type: "text", text: "second" }])];
  assert.equal(text(await open("echo-1").messages.create({ model: "echo-1", max_tokens: 100, messages })), "second");
});

scenario("chat, all of Unicode", async () => {
  const all = "Ωmega 🌄 — “quotes” \u2028 <b>&amp;</b> é e\u0301 \ud83d\udc69\u200d\ud83d\ude80 日本語 עברית";
  assert.equal(text(await ask("echo-1", all)), all);
});

scenario("chat, limit of tokens", async () => {
  const got = await ask("echo-1", "one two three four five", { max_tokens: 3 });
  assert.equal(text(got), "one two three");
  assert.equal(got.stop_reason, "max_tokens");
});

scenario("chat, headers of the answer", { only: "daemon" }, async () => {
  const { data, response, request_id: id } = await open("echo-1").messages.create({ model: "echo-1", max_tokens: 100, messages: says("how much?") }).withResponse();
  assert.match(id ?? "", /^req_/, "the client found no request id");
  assert.equal(data._request_id, id);
  assert.match(response.headers.get("x-zgproxy-fee-neuron"), /^[1-9][0-9]*$/);
  const booked = await record(response.headers.get("x-request-id"));
  assert.equal(booked.verdict, "verified");
  assert.equal(booked.input_tokens, data.usage.input_tokens);
  assert.equal(booked.output_tokens, data.usage.output_tokens);
});

scenario("stream", async () => {
  const seen = new Set();
  let all = "";
  for await (const event of await ask("echo-1", "one two three", { stream: true })) {
    seen.add(event.type);
    if (event.type === "content_block_delta") all += event.delta.text;
  }
  assert.equal(all, "one two three");
  for (const type of ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]) assert.ok(seen.has(type), type);
});

scenario("stream with usage", async () => {
  const got = await open("echo-1").messages.stream({ model: "echo-1", max_tokens: 100, messages: says("four five") }).finalMessage();
  assert.equal(text(got), "four five");
  assert.equal(got.usage.output_tokens, 2);
  assert.ok(got.usage.input_tokens > 0);
});

scenario("stream, all of Unicode", async () => {
  const all = "Ωmega 🌄 日本語 \u2028 \ud83d\udc69\u200d\ud83d\ude80".repeat(50);
  assert.equal(await open("echo-1").messages.stream({ model: "echo-1", max_tokens: 10_000, messages: says(all) }).finalText(), all);
});

scenario("stream of 5,000 words", async () => {
  const got = await open("lorem-1").messages.stream({ model: "lorem-1", max_tokens: 10_000, messages: says("lorem:5000") }).finalText();
  assert.equal(words(got), 5000);
});

scenario("stream, left in the middle", { differs: "how much arrives before a caller leaves is chance" }, async () => {
  const model = await spare();
  await fault(model, { kind: "stall", after: 4, n: 1 });
  let n = 0;
  for await (const _ of await ask(model, "lorem:50", { stream: true })) if (++n === 2) break;
  await idle(model);
  assert.equal(words(text(await ask(model, "lorem:7"))), 7);
});

scenario("stream that breaks off", { differs: "a bare provider ends it as if it were whole; zgproxy tells" }, async () => {
  const model = await spare();
  await fault(model, { kind: "truncate", after: 6, n: 1 });
  const stream = open(model).messages.stream({ model, max_tokens: 100, messages: says("lorem:50") });
  if (daemon) await refused(stream.finalMessage(), Anthropic.APIError);
  else await stream.done().catch(() => {});
});

scenario("stream that ends in a bare error", { differs: "a bare provider's line is no event, so that clients see nothing but an end; zgproxy tells" }, async () => {
  const model = await spare();
  await fault(model, { kind: "mid-stream-error", after: 6, n: 1 });
  const stream = open(model).messages.stream({ model, max_tokens: 100, messages: says("lorem:50") });
  if (daemon) await refused(stream.finalMessage(), Anthropic.APIError);
  else await stream.done().catch(() => {});
});

const weather = { name: "get_weather", description: "Weather of a place", input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } };
const question = "What is the weather in Zug?";

scenario("tools, one call", async () => {
  const got = await ask("echo-1", question, { tools: [weather], tool_choice: { type: "auto" } });
  const use = got.content.find((c) => c.type === "tool_use");
  assert.equal(got.stop_reason, "tool_use");
  assert.equal(use.name, "get_weather");
  assert.deepEqual(use.input, { city: "Zug" });
});

scenario("tools, streamed", async () => {
  const got = await open("echo-1").messages.stream({ model: "echo-1", max_tokens: 100, messages: says(question), tools: [weather] }).finalMessage();
  assert.deepEqual(got.content.find((c) => c.type === "tool_use").input, { city: "Zug" });
});

scenario("tools, the result of one", async () => {
  const use = { type: "tool_use", id: "toolu_1", name: "get_weather", input: { city: "Zug" } };
  const messages = [...says(question), { role: "assistant", content: [use] }, ...says([{ type: "tool_result", tool_use_id: "toolu_1", content: "It rains." }])];
  const got = await open("echo-1").messages.create({ model: "echo-1", max_tokens: 100, messages, tools: [weather] });
  assert.equal(got.type, "message");
});

scenario("prompt of 2 MB", async () => {
  const got = await ask("lorem-1", "0123456789abcdef".repeat(1 << 17) + " end", { max_tokens: 3 });
  assert.equal(words(text(got)), 3);
});

scenario("20 at a time", async () => {
  const client = open("echo-1");
  const texts = Array.from({ length: 20 }, (_, i) => `number ${i} of twenty`);
  const got = await Promise.all(texts.map((t) => client.messages.create({ model: "echo-1", max_tokens: 100, messages: says(t) })));
  assert.deepEqual(got.map(text), texts);
});

scenario("error: BadRequestError of the model server", async () => {
  await refused(open("echo-1").messages.create({ model: "echo-1", max_tokens: 100, messages: [] }), Anthropic.BadRequestError, 400);
});

scenario("error: BadRequestError of zgproxy", { only: "daemon" }, async () => {
  const err = await refused(open("echo-1").messages.create({ max_tokens: 100, messages: says("hi") }), Anthropic.BadRequestError, 400, "invalid_request_error");
  assert.match(err.requestID ?? "", /^req_/);
});

scenario("error: AuthenticationError with a wrong key", { only: "daemon" }, async () => {
  await refused(open("echo-1", { apiKey: "wrong" }).messages.create({ model: "echo-1", max_tokens: 1, messages: says("hi") }), Anthropic.AuthenticationError, 401, "authentication_error");
});

scenario("error: PermissionDeniedError for a provider that the owner does not allow", { only: "daemon" }, async () => {
  await refused(ask(site.forbidden, "hi"), Anthropic.PermissionDeniedError, 403, "permission_error");
});

scenario("error: NotFoundError for an unknown model", { only: "daemon" }, async () => {
  await refused(ask("claude-opus", "hi"), Anthropic.NotFoundError, 404, "not_found_error");
});

scenario("error: NotFoundError for routes that are not served", { only: "daemon" }, async () => {
  await refused(open("echo-1").messages.countTokens({ model: "echo-1", messages: says("hi") }), Anthropic.NotFoundError, 404);
});

scenario("error: RateLimitError with Retry-After", async () => {
  const model = await spare();
  await fault(model, { kind: "rate-limited", n: 1 });
  const err = await refused(ask(model, "hi"), Anthropic.RateLimitError, 429, "rate_limit_error");
  if (daemon) assert.match(err.headers.get("retry-after"), /^[12]$/);
});

scenario("error: InternalServerError of the model server", async () => {
  const model = await spare();
  await fault(model, { kind: "server-error", n: 1 });
  const err = await refused(ask(model, "hi"), Anthropic.InternalServerError);
  assert.ok(err.status >= 500);
});

scenario("error: APIConnectionTimeoutError, and the next one is served", { differs: "nothing arrives" }, async () => {
  const model = await spare();
  await fault(model, { kind: "slow-first-byte", n: 1, delay_ms: 1500 });
  await refused(open(model, { timeout: 300 }).messages.create({ model, max_tokens: 9, messages: says("lorem:3") }), Anthropic.APIConnectionTimeoutError);
  await idle(model);
  assert.equal(words(text(await ask(model, "lorem:3"))), 3);
});

scenario("retry after a failure of the model server", async () => {
  const model = await spare();
  await fault(model, { kind: "server-error", n: 1, status: 503 });
  const got = await open(model, { maxRetries: 2 }).messages.create({ model, max_tokens: 9, messages: says("lorem:4") });
  assert.equal(words(text(got)), 4);
});

scenario("no retry of a caller's mistake", async () => {
  await refused(open("echo-1", { maxRetries: 2 }).messages.create({ model: "echo-1", max_tokens: 9, messages: [] }), Anthropic.BadRequestError, 400);
  assert.equal(calls(), 1);
});

// A daemon that withholds answers which are not shown to be the signer's.
const strict = () => new Anthropic({ baseURL: site.withheld.root, apiKey: site.withheld.key, maxRetries: 0 });
const bad = "fault:signature-other-bytes";

scenario("withheld: all is well", { only: "daemon" }, async () => {
  const { data, response } = await strict().messages.create({ model: "echo-1", max_tokens: 100, messages: says("checked") }).withResponse();
  assert.equal(text(data), "checked");
  assert.equal(response.headers.get("x-zgproxy-verdict"), "verified");
  assert.equal(await strict().messages.stream({ model: "echo-1", max_tokens: 100, messages: says("checked too") }).finalText(), "checked too");
});

scenario("withheld: a chat", { only: "daemon" }, async () => {
  const err = await refused(strict().messages.create({ model: "lorem-4", max_tokens: 100, messages: says(bad) }), Anthropic.APIError, 502, "api_error");
  assert.equal(err.headers.get("x-zgproxy-error"), "answer_not_verified");
});

scenario("withheld: the end of a stream", { only: "daemon" }, async () => {
  let all = "";
  const err = await refused((async () => {
    for await (const event of await strict().messages.create({ model: "lorem-5", max_tokens: 100, messages: says(`lorem:5 ${bad}`), stream: true })) {
      assert.notEqual(event.type, "message_stop", "the end got out");
      if (event.type === "content_block_delta") all += event.delta.text;
    }
  })(), Anthropic.APIError);
  assert.match(String(err), /verif|sign/);
  assert.equal(words(all), 5);
});
