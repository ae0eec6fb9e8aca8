import { cutText } from "@scbe/contracts";
import { z } from "zod";
import { boundedText, fetchFailure, targetOf } from "./http.ts";

/** A silence: expired, active or pending. */
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

/** Alertmanager's own API. Never throws: a failure is a value. */
export interface Alertmanager {
  /** The silences in force now. */
  activeSilences(options: { readonly timeoutMs: number }): Promise<SilencesResult>;
}

/** @param url may include a user and a password */
export function alertmanager(url: string): Alertmanager {
  const { address, headers } = targetOf(url, "/api/v2/silences");
  return {
    activeSilences: async ({ timeoutMs }) => {
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        const response = await fetch(address, { headers, signal, redirect: "error" });
        if (!response.ok) return failed(`it answers with HTTP status ${response.status}`);
        const all = z.array(Silence).parse(JSON.parse(await boundedText(response, ANSWER_BYTES_MAX)));
        return { ok: true, silences: all.filter(({ status }) => status.state === "active") };
      } catch (error) {
        return failed(signal.aborted ? `no answer in ${timeoutMs} ms` : reasonOf(error));
      }
    },
  };
}

/** Alertmanager keeps expired silences for some days. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const REASON_LENGTH_MAX = 200;

function failed(reason: string): SilencesResult {
  return { ok: false, reason: cutText(reason, REASON_LENGTH_MAX) };
}

function reasonOf(error: unknown): string {
  const isUnreadable = error instanceof z.ZodError || error instanceof SyntaxError;
  return isUnreadable ? "an unreadable answer" : fetchFailure(error);
}
