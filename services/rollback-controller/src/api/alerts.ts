import { Readable } from "node:stream";
import { z } from "zod";
import { AlertFirings, ClearOrder } from "../alerts/firings.ts";
import { Answer, apiRoute } from "./route.ts";

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
  // Alertmanager does not retry after a 429; the receiver has limits of its own, and answers 503.
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

/** `GET /alerts` */
export const getAlerts = apiRoute({
  method: "GET",
  path: "/alerts",
  summary: "Which firings of triggers were acted on: each acts once, until it resolves or is forgotten",
  access: ["admin", "emergency"],
  answer: AlertFirings,
  isThere: ({ firings }) => firings !== undefined,
  handle: (_call, { firings }) => ({ firings: firings?.list() ?? [] }),
});

/** `POST /alerts/clear` */
export const postAlertsClear = apiRoute({
  method: "POST",
  path: "/alerts/clear",
  summary: "Forgets a firing that was acted on: it acts again when Alertmanager tells it again",
  access: ["admin"],
  body: ClearOrder,
  answer: AlertFirings,
  refuses: [409, 503],
  isThere: ({ firings }) => firings !== undefined,
  handle: async ({ body, by }, { firings }) => ({ firings: (await firings?.clear(body, by)) ?? [] }),
});
