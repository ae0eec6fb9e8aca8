import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect } from "@scbe/client";
import { isScbeError } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { Registry } from "prom-client";
import type { FleetPlan, MemberPlan, MemberReport } from "./fleet.ts";

/** A process of a fleet: gateways that echo, and orchestrators that send requests without end. */
const PAUSE_MS = 100;
const TIMEOUT_MS = 25_000;
const APPLIED = "another control document is in force";

class Member {
  readonly #plan: MemberPlan;
  readonly #metrics = new Registry();
  #obeyed: { readonly atMs: number; readonly opened: Promise<number> } | undefined;
  #refusedAtMs: number | undefined;

  constructor(plan: MemberPlan) {
    this.#plan = plan;
  }

  async start(): Promise<void> {
    const { name, role, providers, transport } = this.#plan;
    const log = createLogger({ name, level: "info", destination: { write: (line) => this.#heard(line) } });
    const client = await connect({
      ...{ name, role, transport, log, metrics: this.#metrics, timeoutMs: 60_000 },
      ...(role === "gateway" && { providers }),
    });
    if (role === "orchestrator") void this.#sendRequests(client);
    else
      for (const provider of providers) await client.serve({ provider, handler: ({ body }) => ({ body }) });
  }

  async report(): Promise<MemberReport> {
    const opened = await this.#openings("opened");
    return {
      role: this.#plan.role,
      obeyedAtMs: this.#obeyed?.atMs,
      refusedAtMs: this.#refusedAtMs,
      opened,
      openedSinceObeying: this.#obeyed && opened - (await this.#obeyed.opened),
      withdrawn: await this.#openings("withdrawn"),
    };
  }

  /** Runs synchronously when a document is applied, so every later release is a violation. */
  #heard(line: string): void {
    const { msg, killed } = JSON.parse(line) as { msg: string; killed?: string[] };
    if (msg !== APPLIED || killed === undefined) return;
    this.#obeyed = killed.length > 0 ? { atMs: nowMs(), opened: this.#openings("opened") } : undefined;
    this.#refusedAtMs = undefined;
  }

  /** The counter is read synchronously. */
  async #openings(result: string): Promise<number> {
    const { values } = (await this.#metrics.getSingleMetric("scbe_envelope_openings_total")?.get()) ?? {
      values: [],
    };
    return values.filter(({ labels }) => labels.result === result).reduce((sum, { value }) => sum + value, 0);
  }

  async #sendRequests(client: Client): Promise<void> {
    const { providers } = this.#plan;
    for (let turn = 0; ; turn += 1) {
      const provider = providers[turn % providers.length] ?? "";
      const wasObeying = this.#obeyed !== undefined;
      try {
        await client.request({ provider, ...REQUEST });
      } catch (error) {
        if (isScbeError(error, "SWITCHED_OFF") && !wasObeying) this.#refusedAtMs ??= nowMs();
      }
      await delay(PAUSE_MS);
    }
  }
}

const REQUEST = { model: "m", intent: "chat", body: Buffer.alloc(1024, "a"), timeoutMs: TIMEOUT_MS };

/** The machine's monotonic clock, which all processes share. */
function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const { members: plans } = JSON.parse(process.env.FLEET_PLAN ?? "") as FleetPlan;
const members = plans.map((plan) => new Member(plan));
await Promise.all(members.map((member) => member.start()));
process.on("message", async () => process.send?.(await Promise.all(members.map((it) => it.report()))));
process.once("disconnect", () => process.exit(0));
process.stdout.write("all are connected\n");
