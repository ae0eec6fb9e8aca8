/** The examples of the README and of the doc comments. They are compiled, not run. */

import type { Client, RequestOptions } from "@scbe/client";
import { connect, type Handler, isScbeError } from "@scbe/client";

export async function send(): Promise<void> {
  await using client = await connect({ name: "orchestrator" });
  const { body } = await client.request({
    provider: "openai",
    model: "gpt-5",
    intent: "chat",
    body: Buffer.from(JSON.stringify({ messages: [{ role: "user", content: "Grüß Gott" }] })),
    timeoutMs: 30_000,
  });
  process.stdout.write(body);
}

export async function sendToFirstOf(client: Client): Promise<void> {
  const { body, provider, passedOver } = await client.request({
    providers: ["openai", { provider: "anthropic", model: "claude-sonnet-4-5" }],
    model: "gpt-5",
    intent: "chat",
    body: Buffer.from(JSON.stringify({ messages: [{ role: "user", content: "Grüß Gott" }] })),
    timeoutMs: 30_000,
  });
  process.stdout.write(`${provider}, not ${passedOver.map(({ code }) => code)}: ${body}\n`);
}

export async function serve(): Promise<void> {
  await using client = await connect({ name: "gateway-openai", role: "gateway", providers: ["openai"] });
  await using gateway = await client.serve({
    provider: "openai",
    handler: async ({ body, signal }) => {
      const answer = await fetch("https://api.openai.com/v1/responses", { method: "POST", body, signal });
      return { body: await answer.bytes(), contentType: "application/json" };
    },
  });
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  process.stdout.write(`${gateway.inFlight} requests are still at work\n`);
}

export async function sendWithFallback(request: () => Promise<Uint8Array>): Promise<Uint8Array | undefined> {
  try {
    return await request();
  } catch (error) {
    if (isScbeError(error, "BUSY") || isScbeError(error, "NO_RESPONDERS")) return undefined; // nothing was opened
    throw error;
  }
}

export const echo: Handler = ({ body, header }) => ({ body, contentType: header.content_type });

export async function sendExpecting(
  client: Client,
  request: RequestOptions,
  isReply: (body: Uint8Array) => boolean,
): Promise<void> {
  await client.request({
    ...request,
    expects: {
      contentType: "application/json",
      bytesMax: 1_000_000,
      withinMs: 10_000,
      check: ({ body }) => isReply(body),
    },
  });
}
