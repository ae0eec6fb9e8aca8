import type { Handler } from "@scbe/client";
import { type ChatAnswer, readChat } from "../chat.ts";
import { callProvider } from "./call-provider.ts";
import type { Target } from "./target.ts";

/** The gateway's handler: reads the body as a chat, asks the provider, and answers with what it said. */
export function answerChat(target: Target): Handler {
  return async ({ body, header, signal }) => {
    const { model, content_type: contentType, request_id: requestId } = header;
    const chat = readChat(body, contentType);
    const reply = await callProvider(target, { chat, model, requestId, signal });
    const answer: ChatAnswer = { provider: target.provider, model, ...reply };
    return { body: Buffer.from(JSON.stringify(answer)) };
  };
}
