import type { ControlState } from "@scbe/contracts";
import { killOf } from "@scbe/envelope/control";
import { z } from "zod";
import { Counts, countVerifiers, UsersView, viewUsers } from "../control/confirmation.ts";
import type { Audience, VerifierReport } from "../ports.ts";
import { flagOf } from "./flag-state.ts";
import { stateInForce } from "./flags.ts";
import {
  actualMode,
  FallbackView,
  KillSwitchView,
  SkewWindowView,
  viewFallback,
  viewKillSwitch,
  viewSkewWindow,
} from "./flags-view.ts";
import { type ApiPorts, apiRoute } from "./route.ts";

/** `enforced`: sealed and verified; `fallback`: unsealed where a verifier permits it, else refused; `disabled`: refused. */
const EnvelopeMode = z.enum(["enforced", "fallback", "disabled"]).meta({ id: "EnvelopeMode" });
type EnvelopeMode = z.infer<typeof EnvelopeMode>;

const Common = z.object({
  envelope_mode: EnvelopeMode,
  fallback: FallbackView,
  providers: z.record(z.string(), z.object({ envelope_mode: EnvelopeMode, traffic_percentage: z.int() })),
});

const ScbeHealth = z
  .object({
    envelope_verification_enabled: z.boolean().describe("false while nothing at all is sealed and verified"),
    ...Common.shape,
    kill_switch: KillSwitchView,
    skew_window: SkewWindowView,
    current_key_id: z
      .string()
      .nullable()
      .describe("The data key in use; null while the keyring has not been heard"),
    generation: z.int(),
    verifiers: Counts,
    users: UsersView,
  })
  .meta({ id: "ScbeHealth" });

const OrchestratorHealth = z
  .object({
    ...Common.shape,
    generation: z.int(),
    orchestrators: z
      .record(z.string(), Counts)
      .describe("Each verifier on the bus by its user's name, gateways and the envelope service among them"),
  })
  .meta({ id: "OrchestratorHealth" });

/** `GET /health/scbe` */
export const getScbeHealth = apiRoute({
  method: "GET",
  path: "/health/scbe",
  summary: "Whether envelopes are verified, under which key, and how many verifiers hold what is in force",
  access: "open",
  answer: ScbeHealth,
  refuses: [503],
  handle: (_call, ports) => viewScbeHealth(stateInForce(ports), factsOf(ports)),
});

/** `GET /health/orchestrator` */
export const getOrchestratorHealth = apiRoute({
  method: "GET",
  path: "/health/orchestrator",
  summary: "What becomes of traffic now, and who has taken it in",
  access: "open",
  answer: OrchestratorHealth,
  refuses: [503],
  handle: (_call, ports) => viewOrchestratorHealth(stateInForce(ports), factsOf(ports)),
});

interface HealthFacts {
  readonly verifiers: readonly VerifierReport[];
  readonly audience: Audience;
  readonly providers: readonly string[];
  readonly currentKeyId: string | undefined;
  /** ms since the Unix epoch */
  readonly now: number;
}

function factsOf({ plane, providers, currentKeyId, clock }: ApiPorts): HealthFacts {
  return {
    verifiers: plane.verifiers(),
    audience: plane.audience(),
    providers,
    currentKeyId: currentKeyId(),
    now: clock.now(),
  };
}

function viewScbeHealth(state: ControlState, facts: HealthFacts): z.infer<typeof ScbeHealth> {
  const common = viewCommon(state, facts);
  return {
    envelope_verification_enabled: common.envelope_mode === "enforced",
    ...common,
    kill_switch: viewKillSwitch(state, facts.verifiers),
    skew_window: viewSkewWindow(state, facts.now),
    current_key_id: facts.currentKeyId ?? null,
    generation: state.generation,
    verifiers: countVerifiers(facts.verifiers),
    users: viewUsers(facts.verifiers, facts.audience),
  };
}

const NAMES_MAX = 1000;

function viewOrchestratorHealth(state: ControlState, facts: HealthFacts): z.infer<typeof OrchestratorHealth> {
  const byName = Map.groupBy(facts.verifiers, ({ name }) => name);
  const orchestrators = [...byName]
    .slice(0, NAMES_MAX)
    .map(([name, reports]) => [name, countVerifiers(reports)]);
  return {
    ...viewCommon(state, facts),
    generation: state.generation,
    orchestrators: Object.fromEntries(orchestrators),
  };
}

function viewCommon(state: ControlState, { providers, verifiers }: HealthFacts): z.infer<typeof Common> {
  return {
    envelope_mode: modeOfAll(state, providers, verifiers),
    fallback: viewFallback(state, verifiers),
    providers: Object.fromEntries(
      providers.map((name) => {
        const { traffic_percentage } = flagOf(state.scbe_envelope_verification, name);
        return [name, { envelope_mode: modeOfProvider(state, name, verifiers), traffic_percentage }];
      }),
    ),
  };
}

/** `enforced` while any provider is; the answer shows each provider's own mode too. */
function modeOfAll(
  state: ControlState,
  providers: readonly string[],
  verifiers: HealthFacts["verifiers"],
): EnvelopeMode {
  const { all } = state.kill_switch;
  if (all !== null) return actualMode(state, all.cause, verifiers);
  const modes = new Set(providers.map((name) => modeOfProvider(state, name, verifiers)));
  if (modes.has("enforced")) return "enforced";
  return modes.has("fallback") ? "fallback" : "disabled";
}

function modeOfProvider(
  state: ControlState,
  provider: string,
  verifiers: HealthFacts["verifiers"],
): EnvelopeMode {
  const kill = killOf(state, provider);
  if (kill !== undefined) return actualMode(state, kill.cause, verifiers);
  const { scbe_envelope_verification: verification } = state;
  const { enabled, traffic_percentage } = flagOf(verification, provider);
  const isEnforced = verification.enabled && enabled && traffic_percentage > 0;
  return isEnforced ? "enforced" : actualMode(state, "flags", verifiers);
}
