import { choice } from "@scbe/service-kit";

/** What alerts and events lead to. */
export const rollbackVariables = {
  SCBE_NONCE_REUSE_SCOPE: choice(["all", "provider"], {
    default: "all",
    doc: "What a reuse of a nonce takes out of the path: everything, as the runbook says, or the provider where it was seen. A gateway that lies about its admits can cause it.",
  }),
};
