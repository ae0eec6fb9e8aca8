import { cutText } from "@scbe/contracts";
import { z } from "zod";
import { boundedText } from "./bounded-text.ts";

/** A silence that is in force, or will be. */
const Silence = z.object({
  id: z.string().max(200),
  status: z.object({ state: z.string() }),
  matchers: z.array(
    z.object({
      name: z.string(),
      value: z.string(),
      isRegex: z.boolean(),
      /** Alertmanager before 0.22 has none. */
      isEqual: z.boolean().default(true),
    }),
  ),
});
export type Silence = z.infer<typeof Silence>;

export type SilencesResult =
  | { readonly ok: true; readonly silences: readonly Silence[] }
  | { readonly ok: false; readonly reason: string };

/** Alertmanager's own API. Never throws: that it is away is a value like any other. */
export interface Alertmanager {
  /** Those in force now. */
  activeSilences(options: { readonly timeoutMs: number }): Promise<SilencesResult>;
}

/** The Alertmanager at `url`, a user and password in it included. */
export function alertmanager(url: string): Alertmanager {
  const { username, password, origin, pathname } = new URL(url);
  const address = `${origin}${pathname.replace(/\/+$/, "")}/api/v2/silences`;
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers = login === ":" ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` };
  return {
    activeSilences: async ({ timeoutMs }) => {
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        const response = await fetch(address, { headers, signal, redirect: "error" });
        if (!response.ok) return failed(`it answers with HTTP status ${response.status}`);
        const all = z.array(Silence).parse(JSON.parse(await boundedText(response, ANSWER_BYTES_MAX)));
        return { ok: true, silences: all.filter(({ status }) => status.state === "active") };
      } catch (error) {
        return failed(signal.aborted ? `no answer in ${timeoutMs} ms` : whyOf(error));
      }
    },
  };
}

/** Alertmanager keeps those that are over for some days. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const REASON_LENGTH_MAX = 200;

function failed(reason: string): SilencesResult {
  return { ok: false, reason: cutText(reason, REASON_LENGTH_MAX) };
}

function whyOf(error: unknown): string {
  if (error instanceof z.ZodError || error instanceof SyntaxError) return "an answer that cannot be read";
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : "no answer";
}
