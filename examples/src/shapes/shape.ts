import type { Chat, Reply } from "../chat.ts";

/** How one family of providers speaks HTTP. */
export interface Shape {
  /** After the API's base URL, which ends in its version. */
  path(model: string): string;
  /** Who calls, and which version of the API is meant. */
  headers(key: string): Readonly<Record<string, string>>;
  /** The body, to be sent as JSON. @throws ScbeError BAD_REQUEST for what this provider cannot be asked */
  request(chat: Chat, model: string): unknown;
  /** Reads the body of an answer with status 200. @throws ZodError when it is none */
  answer(body: unknown): Reply;
  /** True for an error that means the key, where the status alone does not say so. */
  meansTheKey?(status: number, body: string): boolean;
}
