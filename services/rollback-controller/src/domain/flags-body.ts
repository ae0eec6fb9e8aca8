import { CONTROL_PROVIDERS_MAX, KILL_CAUSES, Name } from "@scbe/contracts";
import { z } from "zod";
import { FallbackChoice } from "./fallback.ts";
import type { FieldProblem } from "./field-problems.ts";
import { Reason } from "./reason.ts";

const Enabled = z.boolean({ error: "expected true or false" });

const ProviderFlag = z
  .strictObject({
    enabled: Enabled.optional().describe("false: nothing of this provider's traffic is sealed"),
    traffic_percentage: z
      .int({ error: "expected an integer from 0 to 100" })
      .min(0, { error: "expected an integer from 0 to 100" })
      .max(100, { error: "expected an integer from 0 to 100" })
      .optional()
      .describe("How much of this provider's traffic is sealed and verified, in percent"),
  })
  .meta({ id: "ProviderFlagPatch" });

const VerificationPatch = z
  .strictObject({
    enabled: Enabled.optional(),
    providers: z
      .record(Name, ProviderFlag)
      .refine((it) => Object.keys(it).length <= CONTROL_PROVIDERS_MAX, { error: "names too many providers" })
      .optional(),
  })
  .meta({ id: "VerificationPatch" });
export type VerificationPatch = z.infer<typeof VerificationPatch>;

const KillSwitchOrder = z
  .strictObject({
    enabled: Enabled.describe("true engages it, false releases it"),
    reason: Reason.optional().describe("Required to engage it, and to release what is engaged"),
    cause: z
      .enum(KILL_CAUSES, { error: `expected one of ${KILL_CAUSES.join(", ")}` })
      .optional()
      .describe(
        "integrity: traffic is refused; availability (the default): likewise, unless scbe_fallback has chosen otherwise beforehand",
      ),
    provider: Name.optional().describe("This one alone; absent: everything"),
  })
  .superRefine(({ enabled, reason, cause }, context) => {
    if (enabled && (reason ?? "").trim() === "")
      context.addIssue({
        code: "custom",
        path: ["reason"],
        message: "must say why the kill switch is engaged",
      });
    if (!enabled && cause !== undefined)
      context.addIssue({ code: "custom", path: ["cause"], message: "goes with enabled: true alone" });
  })
  .meta({ id: "KillSwitchOrder" });
export type KillSwitchOrder = z.infer<typeof KillSwitchOrder>;

/** Body of `POST /feature-flags`: what is not named stays as it is. */
export const FlagsBody = z
  .strictObject({
    scbe_envelope_verification: VerificationPatch.optional(),
    scbe_kill_switch: KillSwitchOrder.optional(),
    scbe_fallback: FallbackChoice.optional().describe("Admin tokens alone"),
    reason: Reason.optional().describe("Why the flags are changed; stands in the audit"),
  })
  .meta({ id: "FeatureFlagsPatch" });
export type FlagsBody = z.infer<typeof FlagsBody>;

/** Providers in a body that this deployment does not serve. */
export function unknownProviders(
  { scbe_envelope_verification, scbe_kill_switch }: FlagsBody,
  providers: readonly string[],
): readonly FieldProblem[] {
  const problem = `is no provider of this deployment; those are ${providers.join(", ")}`;
  const flagged = Object.keys(scbe_envelope_verification?.providers ?? {})
    .filter((name) => !providers.includes(name))
    .map((name) => ({ field: `scbe_envelope_verification.providers.${name}`, problem }));
  const killed = scbe_kill_switch?.provider;
  if (killed === undefined || providers.includes(killed)) return flagged;
  return [...flagged, { field: "scbe_kill_switch.provider", problem }];
}
