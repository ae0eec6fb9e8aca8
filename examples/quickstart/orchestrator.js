import { connect } from "@scbe/client";

const client = await connect({ name: "orchestrator" });
const answer = await client.request({
  provider: process.argv[2] ?? "openai",
  model: "gpt-5",
  intent: "chat",
  body: Buffer.from(JSON.stringify({ messages: [{ role: "user", content: "Hello" }] })),
});
process.stdout.write(`${Buffer.from(answer.body).toString("utf8")}\n`);
await client[Symbol.asyncDispose]();
