// The official client for Node against a daemon that withholds answers which are not shown to be the signer's. BASE_URL
// says where it listens. Chats that name a fault get it from the simulated provider.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "unused", maxRetries: 0 });
const bad = "fault:signature-other-bytes";
const ask = (model, content) => ({ model, messages: [{ role: "user", content }] });

async function words(params) {
  let text = "";
  let usage;
  for await (const chunk of await client.chat.completions.create({ ...params, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { text, usage };
}

test("chat", async () => {
  const { data, response } = await client.chat.completions.create(ask("echo-1", "Hello, Ωmega 🌄!")).withResponse();
  assert.equal(data.choices[0].message.content, "Hello, Ωmega 🌄!");
  assert.equal(response.headers.get("x-zgproxy-verdict"), "verified");
});

test("stream", async () => {
  assert.deepEqual(await words(ask("echo-1", "one two three")), { text: "one two three", usage: undefined });
  const { text, usage } = await words({ ...ask("echo-1", "four five"), stream_options: { include_usage: true } });
  assert.equal(text, "four five");
  assert.ok(usage.total_tokens > 0);
});

test("models", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids.sort(), ["echo-1", "lorem-1", "picture-1", "speech-1"]);
});

test("image", async () => {
  const { data } = await client.images.generate({ model: "picture-1", prompt: "an otter", n: 2 });
  assert.equal(data.length, 2);
  for (const { b64_json } of data) assert.equal(Buffer.from(b64_json, "base64").subarray(1, 4).toString(), "PNG");
});

test("transcription", async () => {
  const file = new File([Buffer.from("sound")], "a.wav");
  const { text } = await client.audio.transcriptions.create({ model: "speech-1", file });
  assert.match(text, /5 bytes/);
});

test("a chat that is withheld", async () => {
  await assert.rejects(client.chat.completions.create(ask("echo-1", bad)), (err) => {
    assert.ok(err instanceof OpenAI.APIError, String(err));
    assert.equal(err.status, 502);
    assert.equal(err.code, "answer_not_verified");
    return true;
  });
});

test("a stream that is withheld", async () => {
  let text = "";
  await assert.rejects(async () => {
    for await (const chunk of await client.chat.completions.create({ ...ask("lorem-1", `lorem:5 ${bad}`), stream: true })) {
      assert.equal(chunk.choices[0]?.finish_reason ?? null, null, "the end got out");
      text += chunk.choices[0]?.delta?.content ?? "";
    }
  }, (err) => {
    assert.ok(err instanceof OpenAI.APIError, String(err));
    assert.equal(err.code, "answer_not_verified");
    return true;
  });
  assert.equal(text.trim().split(/\s+/).length, 5);
});
