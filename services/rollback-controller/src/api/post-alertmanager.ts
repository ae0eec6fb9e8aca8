import { Readable } from "node:stream";
import { z } from "zod";
import { Answer, apiRoute } from "./api-route.ts";

/** `POST /webhooks/alertmanager` */
export const postAlertmanager = apiRoute<Readable | undefined>({
  method: "POST",
  path: "/webhooks/alertmanager",
  summary: "Takes Alertmanager's alerts (webhook version 4), which can switch off and never on",
  description: "A post that is too long is read as far as the limit, and acted on as far as it was read.",
  access: ["alertmanager", "admin"],
  body: "stream",
  answer: z.record(z.string(), z.int()).describe("How many alerts had each result"),
  refuses: [503],
  // Alertmanager does not come again after a 429; the receiver has bounds of its own, and says 503.
  isUncounted: () => true,
  isThere: ({ webhook }) => webhook !== undefined,
  onAnswered: (status, { webhook }) => {
    if (status >= 400) webhook?.refused(status);
  },
  handle: async ({ body = Readable.from([]) }, { webhook }) => {
    const answer = await webhook?.receive(body);
    return answer && new Answer(answer.status, answer.body);
  },
});
