// npm langchain with @langchain/openai.
import assert from "node:assert/strict";
import { createAgent, tool } from "langchain";
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { at, calls, fault, idle, scenario, site, spare } from "./harness.mjs";
import { png, words } from "./samples.mjs";

const open = (model, options = {}) => {
  const { base, key } = at(model);
  return new ChatOpenAI({ model, apiKey: key, maxRetries: 0, configuration: { baseURL: base }, useResponsesApi: false, ...options });
};

async function refused(promise, status, code) {
  let caught;
  await assert.rejects(promise, (err) => {
    caught = err;
    assert.equal(err.status, status, String(err));
    if (code) assert.equal(err.code ?? err.error?.code, code);
    return true;
  });
  return caught;
}

scenario("chat", async () => {
  const got = await open("echo-1").invoke("Hello, 0G!");
  assert.ok(AIMessage.isInstance(got));
  assert.equal(got.content, "Hello, 0G!");
  assert.equal(got.response_metadata.finish_reason, "stop");
  assert.ok(got.usage_metadata.total_tokens > 0);
});

scenario("chat, system and developer messages", async () => {
  assert.equal((await open("echo-1").invoke([new SystemMessage("Be brief."), new HumanMessage("Well?")])).content, "Well?");
});

scenario("chat, history of turns", async () => {
  const got = await open("echo-1").invoke([new HumanMessage("first"), new AIMessage("first"), new HumanMessage("second")]);
  assert.equal(got.content, "second");
});

scenario("chat, parts with a picture", async () => {
  const content = [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${png.toString("base64")}` } }];
  assert.equal((await open("echo-1").invoke([new HumanMessage({ content })])).content, "What is it?");
});

scenario("chat, all of Unicode", async () => {
  const text = "Ωmega 🌄 — “quotes” \u2028 <b>&amp;</b> é e\u0301 \ud83d\udc69\u200d\ud83d\ude80 日本語 עברית";
  assert.equal((await open("echo-1").invoke(text)).content, text);
});

scenario("chat, limit of tokens", async () => {
  const got = await open("echo-1", { maxTokens: 3 }).invoke("one two three four five");
  assert.equal(got.content, "one two three");
  assert.equal(got.response_metadata.finish_reason, "length");
});

scenario("chat, a chain with a prompt and a parser", async () => {
  const chain = ChatPromptTemplate.fromMessages([["system", "Be brief."], ["human", "Hello, {name}!"]]).pipe(open("echo-1")).pipe(new StringOutputParser());
  assert.equal(await chain.invoke({ name: "0G" }), "Hello, 0G!");
});

scenario("stream", async () => {
  let text = "";
  let n = 0;
  for await (const chunk of await open("echo-1", { streamUsage: false }).stream("one two three")) {
    text += chunk.content;
    n++;
  }
  assert.equal(text, "one two three");
  assert.ok(n >= 3);
});

scenario("stream with usage", async () => {
  let all;
  for await (const chunk of await open("echo-1").stream("four five")) all = all ? all.concat(chunk) : chunk;
  assert.equal(all.content, "four five");
  assert.equal(all.usage_metadata.output_tokens, 2);
});

scenario("stream of 5,000 words", async () => {
  let text = "";
  for await (const chunk of await open("lorem-1").stream("lorem:5000")) text += chunk.content;
  assert.equal(words(text), 5000);
});

scenario("stream, aborted by a signal", { differs: "how much arrives before a caller leaves is chance" }, async () => {
  const model = await spare();
  await fault(model, { kind: "stall", after: 3, n: 1 });
  const abort = new AbortController();
  await assert.rejects(async () => {
    for await (const chunk of await open(model).stream("lorem:50", { signal: abort.signal })) if (chunk.content) abort.abort();
  });
  assert.ok(abort.signal.aborted);
  await idle(model);
  assert.equal(words((await open(model).invoke("lorem:7")).content), 7);
});

const seen = [];
const weather = tool(({ city }) => { seen.push(city); return `It rains in ${city}.`; }, { name: "get_weather", description: "Weather of a place", schema: z.object({ city: z.string() }) });

scenario("tools, one call", async () => {
  const got = await open("echo-1").bindTools([weather]).invoke("What is the weather in Zug?");
  assert.equal(got.tool_calls.length, 1);
  assert.equal(got.tool_calls[0].name, "get_weather");
  assert.deepEqual(got.tool_calls[0].args, { city: "Zug" });
});

scenario("tools, the result of one", async () => {
  const call = { name: "get_weather", args: { city: "Zug" }, id: "call_1", type: "tool_call" };
  const got = await open("echo-1").bindTools([weather]).invoke([
    new HumanMessage("What is the weather in Zug?"), new AIMessage({ content: "", tool_calls: [call] }), new ToolMessage({ content: "It rains.", tool_call_id: "call_1" }),
  ]);
  assert.equal(got.content, "It rains.");
});

scenario("tools, streamed", async () => {
  let all;
  for await (const chunk of await open("echo-1").bindTools([weather]).stream("What is the weather in Zug?")) all = all ? all.concat(chunk) : chunk;
  assert.deepEqual(all.tool_calls[0].args, { city: "Zug" });
});

scenario("tools, run by the client", async () => {
  seen.length = 0;
  const agent = createAgent({ model: open("echo-1"), tools: [weather] });
  const { messages } = await agent.invoke({ messages: [{ role: "user", content: "What is the weather in Zug?" }] });
  assert.deepEqual(seen, ["Zug"]);
  assert.equal(messages.at(-1).content, "It rains in Zug.");
});

scenario("JSON mode", async () => {
  const got = await open("echo-1").invoke("plain words", { response_format: { type: "json_object" } });
  assert.deepEqual(JSON.parse(got.content), { echo: "plain words" });
});

scenario("JSON schema, parsed by the client", async () => {
  const shape = z.object({ name: z.string(), count: z.number() });
  assert.ok(shape.parse(await open("echo-1").withStructuredOutput(shape, { method: "jsonSchema", name: "thing" }).invoke("fill in")));
});

scenario("20 at a time", async () => {
  const texts = Array.from({ length: 20 }, (_, i) => `number ${i} of twenty`);
  const got = await open("echo-1").batch(texts, { maxConcurrency: 20 });
  assert.deepEqual(got.map((g) => g.content), texts);
});

const embeddings = () => {
  const { base, key } = at("vectors-1");
  return new OpenAIEmbeddings({ model: "vectors-1", apiKey: key, maxRetries: 0, configuration: { baseURL: base } });
};

scenario("embeddings, floats", async () => {
  const got = await embeddings().embedQuery("some text");
  assert.ok(got.length > 0 && got.every(Number.isFinite));
});

scenario("embeddings, floats of a list", async () => {
  const got = await embeddings().embedDocuments(["a", "b", "a"]);
  assert.deepEqual(got[0], got[2]);
  assert.notDeepEqual(got[0], got[1]);
});

scenario("error: of the model server", async () => {
  const model = await spare();
  await fault(model, { kind: "reply", n: 1, status: 400, body: JSON.stringify({ error: { message: "no such thing", type: "invalid_request_error", param: null, code: "odd" } }) });
  const err = await refused(open(model).invoke("hi"), 400, "odd");
  assert.match(err.message, /no such thing/);
});

scenario("error: a wrong key", { only: "daemon" }, async () => {
  await refused(open("echo-1", { apiKey: "wrong" }).invoke("hi"), 401, "invalid_api_key");
});

scenario("error: an unknown model", { only: "daemon" }, async () => {
  await refused(open("gpt-4o").invoke("hi"), 404, "model_not_found");
});

scenario("error: a provider that the owner does not allow", { only: "daemon" }, async () => {
  await refused(open(site.forbidden).invoke("hi"), 403);
});

scenario("error: a rate limit", async () => {
  const model = await spare();
  await fault(model, { kind: "rate-limited", n: 1 });
  await refused(open(model).invoke("hi"), 429);
});

scenario("retry after a failure of the model server", async () => {
  const model = await spare();
  await fault(model, { kind: "server-error", n: 1, status: 503 });
  assert.equal(words((await open(model, { maxRetries: 2 }).invoke("lorem:4")).content), 4);
});

scenario("no retry of a caller's mistake", async () => {
  const model = await spare();
  await fault(model, { kind: "reply", n: 1, status: 400, body: JSON.stringify({ error: { message: "no", type: "invalid_request_error" } }) });
  await refused(open(model, { maxRetries: 2 }).invoke("hi"), 400);
  assert.equal(calls(), 1);
});
