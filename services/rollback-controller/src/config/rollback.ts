import { choice, integer } from "@scbe/runtime";

/** What alerts and events lead to. */
export const rollbackVariables = {
  SCBE_NONCE_REUSE_SCOPE: choice(["all", "provider"], {
    default: "all",
    doc: "What a reuse of a nonce takes out of the path: everything, as the runbook says, or the provider where it was seen. A gateway that lies about its admits can cause it.",
  }),
  SCBE_ALERT_REPEAT_SECONDS: integer({
    default: 60,
    min: 1,
    max: 86_400,
    unit: "s",
    doc: "How often Alertmanager repeats a safety alert that goes on, as its `repeat_interval` for the webhook says. A firing switches off once; one that is not repeated for twice as long is forgotten, and switches off anew when it comes again.",
  }),
};
