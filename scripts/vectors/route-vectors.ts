import {
  type Change,
  choosing,
  type Document,
  documentOf,
  flagging,
  KILL,
  killing,
  SOFT,
} from "./control-reference.ts";
import { REQUEST_ID } from "./fixed.ts";

/** A request inside a share of 26 %, and outside a share of 25 %. */
export const ON_EDGE = "00000000-0000-4000-8000-0000b8f47e01";

export interface Asked {
  readonly document?: Document | null;
  readonly lease?: "none" | "standing" | "over";
  readonly policy?: "hold" | "refuse";
  readonly provider?: string;
  readonly request_id?: string;
  readonly permitted?: boolean;
}

export const SEALED = { outcome: "sealed" };
export const UNSEALED = { outcome: "fallback" };
export const refused = (why: string, error = "SWITCHED_OFF") => ({ outcome: "refused", why, error });
export const KILLED = refused("kill_switch");
export const FLAGGED = refused("flag");

export const AVAILABILITY = choosing("availability");
export const FLAGS = choosing("flags");
export const BOTH = choosing("availability", "flags");
export const OFF = flagging(false);
export const ITS_OFF = flagging(true, { openai: { enabled: false, traffic_percentage: 100 } });
export const shared = (traffic_percentage: number) =>
  flagging(true, { openai: { enabled: true, traffic_percentage } });
/** Goes unsealed as a whole. */
export const UNSEALING = { ...killing(SOFT), ...AVAILABILITY };

export function vector(rules: string, name: string, asked: Asked, does: object, outcome: object): object {
  const { document = documentOf(), lease = "standing", policy = "hold", permitted = true } = asked;
  const { provider = "openai", request_id = REQUEST_ID } = asked;
  return {
    ...{ name, rules: rules.split(" "), document: document?.message ?? null, lease, policy, permitted },
    ...{ provider, request_id, ...does, ...outcome },
  };
}

/** A request is to be sent. */
export function send(
  rules: string,
  name: string,
  change: Change | null,
  outcome: object,
  asked: Asked = {},
): object {
  const document = change === null ? null : documentOf(change);
  return vector(rules, name, { ...asked, document }, { does: "send" }, outcome);
}

/** The route of a request, by every setting of a document. */
export function routes(): object[] {
  return [
    send("RT10", "nothing is off, and no flag names the provider", {}, SEALED),
    send("RT10", "no flag names a provider that JavaScript's objects have", {}, SEALED, {
      provider: "constructor",
    }),
    send("RT2 RT10", "nor does a kill", killing(null, { openai: KILL }), SEALED, { provider: "constructor" }),
    send("RT1", "a kill of everything for integrity", killing(KILL), KILLED),
    send(
      "RT1 RT4",
      "a kill of everything for integrity, whatever was chosen",
      { ...killing(KILL), ...BOTH },
      KILLED,
    ),
    send("RT1 RT4", "a kill of everything for availability, and no choice", killing(SOFT), KILLED),
    send(
      "RT1 RT4",
      "a kill of everything for availability, and flags chosen",
      { ...killing(SOFT), ...FLAGS },
      KILLED,
    ),
    send("RT1 RT4 FB1", "a kill of everything for availability, which was chosen", UNSEALING, UNSEALED),
    send("RT2", "its own kill for integrity", killing(null, { openai: KILL }), KILLED),
    send(
      "RT2 RT4",
      "its own kill for availability, which was chosen",
      { ...killing(null, { openai: SOFT }), ...AVAILABILITY },
      UNSEALED,
    ),
    send("RT2", "another provider's kill", killing(null, { openai: KILL }), SEALED, { provider: "xai" }),
    send(
      "RT3",
      "everything for availability, itself for integrity",
      { ...killing(SOFT, { openai: KILL }), ...BOTH },
      KILLED,
    ),
    send(
      "RT3",
      "everything for integrity, itself for availability",
      { ...killing(KILL, { openai: SOFT }), ...BOTH },
      KILLED,
    ),
    send("RT3", "both for availability", { ...killing(SOFT, { openai: SOFT }), ...BOTH }, UNSEALED),
    send(
      "RT3",
      "everything for availability, another one for integrity",
      { ...killing(SOFT, { xai: KILL }), ...BOTH },
      UNSEALED,
    ),
    send(
      "RT5",
      "a kill for integrity, and flags that are off, which were chosen",
      { ...killing(KILL), ...OFF, ...FLAGS },
      KILLED,
    ),
    send(
      "RT5",
      "a kill for availability, which was chosen, and flags that are off",
      { ...killing(SOFT), ...OFF, ...AVAILABILITY },
      UNSEALED,
    ),
    send("RT6", "flags that are off", OFF, FLAGGED),
    send(
      "RT6",
      "flags that are off for all, and on for it",
      flagging(false, { openai: { enabled: true, traffic_percentage: 100 } }),
      FLAGGED,
    ),
    send("RT6 RT9", "flags that are off, which was chosen", { ...OFF, ...FLAGS }, UNSEALED),
    send("RT9", "flags that are off, and availability chosen", { ...OFF, ...AVAILABILITY }, FLAGGED),
    send("RT7", "its flag that is off", ITS_OFF, FLAGGED),
    send("RT7 RT9", "its flag that is off, which was chosen", { ...ITS_OFF, ...FLAGS }, UNSEALED),
    send("RT7", "the flag of another provider that is off", ITS_OFF, SEALED, { provider: "xai" }),
    send("RT8", "outside of its share", shared(25), FLAGGED, { request_id: ON_EDGE }),
    send("RT8", "inside of its share", shared(26), SEALED, { request_id: ON_EDGE }),
    send("RT8 RT9", "outside of its share, which was chosen", { ...shared(25), ...FLAGS }, UNSEALED, {
      request_id: ON_EDGE,
    }),
    send("RT8", "a share of 0", shared(0), FLAGGED),
    send("RT8", "a share of 100", shared(100), SEALED),
  ];
}
