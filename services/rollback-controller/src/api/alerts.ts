import { AlertFirings, ClearOrder } from "../alerts/firings.ts";
import { apiRoute } from "./api-route.ts";

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
