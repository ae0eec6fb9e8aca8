import { isScbeError, ScbeError } from "@scbe/contracts";
import { z } from "zod";
import { TrustBody } from "../trust/overrides.ts";
import type { TrustPort } from "../trust/trust-service.ts";
import { TrustRow, TrustScores, viewTrustRow, viewTrustScores } from "../trust/view.ts";
import { notOneOf } from "./fields.ts";
import { Refusal } from "./refusal.ts";
import { Answer, type ApiPorts, apiRoute } from "./route.ts";

/** `GET /metrics/scbe/trust-scores` */
export const getTrustScores = apiRoute({
  method: "GET",
  path: "/metrics/scbe/trust-scores",
  summary: "How far each provider is trusted, what keeps it down and until when",
  description:
    "Without a trust scorer every provider is at what was last known of it, or at 1; `note` says so.",
  access: "open",
  answer: TrustScores,
  isThere: ({ trust }) => trust !== undefined,
  handle: (_call, ports) =>
    viewTrustScores(trustOf(ports), { providers: ports.providers, now: ports.clock.now() }),
});

const TrustAnswer = TrustRow.extend({
  applied: z.boolean().describe("False, with 202: the word is kept, and no trust scorer has applied it yet"),
  warnings: z.array(z.string()).describe("What a person should know of how it stands now"),
}).meta({ id: "TrustAnswer" });

/** `POST /admin/scbe/trust` */
export const postTrust = apiRoute({
  method: "POST",
  path: "/admin/scbe/trust",
  summary: "Sets a provider's quality, or clears its latch",
  description:
    "Answers how the provider stands then. 202: no trust scorer has applied it in 3 s; it is kept, and holds as soon as one has. 503: the word was not kept, or the store did not confirm it; the title says which.",
  access: ["admin"],
  body: TrustBody,
  answer: TrustAnswer,
  mayBeLate: true,
  refuses: [409, 503],
  isThere: ({ trust }) => trust !== undefined,
  handle: async ({ body, by }, ports) => {
    const { provider } = body;
    if (!ports.providers.includes(provider))
      throw Refusal.ofFields([{ field: "provider", problem: notOneOf(ports.providers) }]);
    const trust = trustOf(ports);
    const { isApplied } = await trust.override(body, by).catch(refuse);
    const row = viewTrustRow(trust.document, provider, ports.clock.now());
    const answer = { ...row, applied: isApplied, warnings: warningsOf(row, isApplied) };
    return isApplied ? answer : new Answer(202, answer);
  },
});

/** @throws ScbeError NOT_READY without a trust port */
function trustOf({ trust }: Pick<ApiPorts, "trust">): TrustPort {
  if (trust === undefined) throw new ScbeError("NOT_READY", "this controller does not follow trust");
  return trust;
}

/** A full outbox says nothing about the client's rate, so its BUSY becomes a 503 and not a 429. */
function refuse(error: unknown): never {
  if (isScbeError(error, "BUSY")) throw new Refusal(503, { code: "BUSY", title: error.message });
  throw error;
}

function warningsOf({ provider, latch, tellers }: TrustRow, isApplied: boolean): readonly string[] {
  const latching = tellers.filter((row) => row.latch !== null);
  const late =
    "it is kept, and holds as soon as a trust scorer has applied it; this is how things stood before";
  const clears = { provider, clears: latch?.event, reason: "..." };
  return [
    ...(isApplied ? [] : [late]),
    ...(latch === null
      ? []
      : [
          `${provider} is latched (${latch.cause}): it gets no request until the latch is cleared, by POST /admin/scbe/trust with ${JSON.stringify(clears)}`,
        ]),
    ...(latch === null && latching.length > 0
      ? latching.map(
          (row) =>
            `${row.teller} refuses ${provider} for itself until its event ${row.latch?.event} is cleared`,
        )
      : []),
  ];
}
