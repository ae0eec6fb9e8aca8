import { z } from "zod";

/** What a program of ours tells the process that started it, over its IPC channel: a port that it listens on by now. */
const Listening = z.object({
  scbe: z.literal("listening"),
  on: z.string(),
  port: z.int().min(1).max(65_535),
});

/**
 * Tells the process that started this one, where there is a channel to it, which port a listener has got. With port 0 that is the only
 * way to know it that no other program can get into.
 * @param on the listener: `ops`, `control`
 */
export function tellListening(on: string, port: number): void {
  const message: z.infer<typeof Listening> = { scbe: "listening", on, port };
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** Which listener a child's message tells of, and on which port; `undefined` for any other message. */
export function readListening(message: unknown): { readonly on: string; readonly port: number } | undefined {
  return Listening.safeParse(message).data;
}
