import { type Answer, type Client, connect, isScbeError } from "@scbe/client";

const client: Client = await connect({ name: "orchestrator" });
try {
  const answer: Answer = await client.request({
    providers: [process.argv[2] ?? "openai", "anthropic"],
    model: "gpt-5",
    intent: "chat",
    body: Buffer.from(JSON.stringify({ messages: [{ role: "user", content: "Hello" }] })),
    timeoutMs: 30_000,
  });
  process.stdout.write(`${answer.provider}: ${Buffer.from(answer.body).toString("utf8")}\n`);
} catch (error) {
  if (!isScbeError(error)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await client[Symbol.asyncDispose]();
}
