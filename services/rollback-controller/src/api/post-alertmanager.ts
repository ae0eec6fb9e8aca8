import { z } from "zod";
import { Answer, apiRoute } from "./api-route.ts";

/** A post of a thousand alerts. */
const BODY_BYTES_MAX = 256 * 1024;

/** `POST /webhooks/alertmanager` */
export const postAlertmanager = apiRoute<string>({
  method: "POST",
  path: "/webhooks/alertmanager",
  summary: "Takes Alertmanager's alerts (webhook version 4), which can switch off and never on",
  access: ["SCBE_ALERTMANAGER_TOKEN", "ADMIN_TOKEN"],
  body: "text",
  bodyBytesMax: BODY_BYTES_MAX,
  answer: z.record(z.string(), z.unknown()),
  refuses: [503],
  // Alertmanager does not come again after a 429; the receiver has bounds of its own, and says 503.
  isUncounted: () => true,
  isThere: ({ webhook }) => webhook !== undefined,
  handle: async ({ body }, { webhook }) => {
    const answer = await webhook?.receive(body);
    return answer && new Answer(answer.status, answer.body);
  },
});
