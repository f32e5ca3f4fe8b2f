// What the scenarios send and what providers are told to answer.
import { deflateSync } from "node:zlib";

export const says = (content) => [{ role: "user", content }];
export const words = (text) => text.trim().split(/\s+/).length;

// completion is an answer as model servers make it.
export const completion = (model, message, finish_reason = "stop") => ({
  id: "chatcmpl-1", object: "chat.completion", created: 1767225600, model,
  choices: [{ index: 0, message, finish_reason, logprobs: null }],
  usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
});

export const twoChoices = (model) => {
  const c = completion(model, { role: "assistant", content: "one" });
  c.choices.push({ index: 1, message: { role: "assistant", content: "two" }, finish_reason: "stop", logprobs: null });
  return c;
};

// events are a stream of [choice, text], each event in a piece of its own.
export function events(model, deltas) {
  const chunk = (rest) => `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1767225600, model, ...rest })}\n\n`;
  return [
    ...deltas.map(([index, content]) => chunk({ choices: [{ index, delta: { content }, finish_reason: null }] })),
    ...[...new Set(deltas.map(([index]) => index))].map((index) => chunk({ choices: [{ index, delta: {}, finish_reason: "stop" }] })),
    chunk({ choices: [], usage: { prompt_tokens: 5, completion_tokens: deltas.length, total_tokens: 5 + deltas.length } }),
    "data: [DONE]\n\n",
  ];
}

// png is a picture of one pixel.
export const png = (() => {
  const crc = (b) => {
    let c = ~0;
    for (const byte of b) for (let i = 0, x = byte; i < 8; i++, x >>>= 1) c = (c >>> 1) ^ ((c ^ x) & 1 ? 0xedb88320 : 0);
    return ~c >>> 0;
  };
  const part = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc(body));
    return Buffer.concat([size, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(1, 0);
  head.writeUInt32BE(1, 4);
  head[8] = 8; // bits, of grey
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), part("IHDR", head), part("IDAT", deflateSync(Buffer.from([0, 128]))), part("IEND", Buffer.alloc(0))]);
})();
