import { isScbeError } from "@scbe/contracts";
import { z } from "zod";
import { showTrustRow, TrustRow } from "../domain/show-trust.ts";
import { TrustBody, unknownProvider } from "../domain/trust-body.ts";
import { Answer, apiRoute } from "./api-route.ts";
import { Refusal } from "./refusal.ts";
import { trustOf } from "./trust-of.ts";

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
    const unknown = unknownProvider(body.provider, ports.providers);
    if (unknown !== undefined) throw Refusal.ofFields([unknown]);
    const trust = trustOf(ports);
    const { isApplied } = await trust.say(body, by).catch(refuse);
    const row = showTrustRow(trust.document, body.provider, ports.clock.now());
    const answer = { ...row, applied: isApplied, warnings: warningsOf(row, isApplied) };
    return isApplied ? answer : new Answer(202, answer);
  },
});

/** A full outbox is not the client's rate: answer 503, where BUSY is otherwise 429. */
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
          `a latch stands (${latch.cause}): nothing goes to ${provider} until it is cleared, by POST /admin/scbe/trust with ${JSON.stringify(clears)}`,
        ]),
    ...(latch === null && latching.length > 0
      ? latching.map(
          (row) =>
            `${row.teller} refuses ${provider} for itself until its event ${row.latch?.event} is cleared`,
        )
      : []),
  ];
}
