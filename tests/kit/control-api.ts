import type { FallbackCause } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { type System, TOKENS } from "./system.ts";

/** A row of `GET /metrics/scbe/trust-scores`. */
export interface TrustRow {
  readonly provider: string;
  readonly trust_score: number;
  /** Percent of the traffic. */
  readonly share: number;
  readonly samples: number;
  readonly latch: { readonly event: string } | null;
  readonly quorum: { readonly needs: number; readonly of: number };
  readonly missing: { readonly exclusion: number; readonly latch: number };
  readonly tellers: readonly TellerRow[];
}

export interface TellerRow {
  readonly teller: string;
  readonly share: number;
  readonly latch: { readonly event: string } | null;
}

/** An entry of `GET /audit`. */
export interface AuditRow {
  readonly action: string;
  readonly by: string;
  readonly reason: string;
  readonly after: unknown;
}

/** The control API of a system. Each change resolves when all live verifiers obey it. */
export class ControlApi {
  readonly #system: Pick<System, "controller">;

  constructor(system: Pick<System, "controller">) {
    this.#system = system;
  }

  async kill(cause: "availability" | "integrity", more: object = {}): Promise<void> {
    const kill = { enabled: true, reason: "a test", cause, ...more };
    await this.#set({ scbe_kill_switch: kill }, TOKENS.EMERGENCY_TOKEN);
  }

  async release(more: object = {}): Promise<void> {
    await this.#set({ scbe_kill_switch: { enabled: false, reason: "a test", ...more } }, TOKENS.ADMIN_TOKEN);
  }

  async flags(flags: object): Promise<void> {
    await this.#set({ scbe_envelope_verification: flags }, TOKENS.ADMIN_TOKEN);
  }

  /** Chooses the causes for which traffic travels unsealed instead of being refused. */
  async chooseFallback(...causes: FallbackCause[]): Promise<void> {
    await this.#set({ scbe_fallback: { causes, reason: "a test" } }, TOKENS.ADMIN_TOKEN);
  }

  /** @returns the skew window in force */
  async skewWindow(window: { readonly seconds: number; readonly duration: number | string }) {
    const body = { reason: "a test", ...window };
    const answer = await this.#post("/admin/scbe/skew-window", body, TOKENS.ADMIN_TOKEN);
    await this.#untilObeyed();
    return (answer as { skew_window: unknown }).skew_window;
  }

  /** The trust in a provider. */
  async trustScores(provider: string): Promise<TrustRow> {
    const { providers } = (await this.#get("/metrics/scbe/trust-scores")) as { providers: TrustRow[] };
    const row = providers.find((it) => it.provider === provider);
    if (row === undefined) throw new Error(`there is no row of ${provider}`);
    return row;
  }

  /** An administrator's override for a provider. */
  async trust(override: {
    readonly provider: string;
    readonly trust_score?: number;
    readonly clears?: string;
  }) {
    await this.#post("/admin/scbe/trust", { reason: "a test", ...override }, TOKENS.ADMIN_TOKEN);
  }

  /** The newest entries of the audit, newest first. */
  async audit(): Promise<readonly AuditRow[]> {
    const headers = { authorization: `Bearer ${TOKENS.ADMIN_TOKEN}` };
    const answer = await fetch(this.#url("/audit?limit=50"), { headers });
    return ((await answer.json()) as { entries: AuditRow[] }).entries;
  }

  /** The mode of all traffic, by `GET /health/orchestrator`. */
  async mode(): Promise<unknown> {
    const { envelope_mode: mode } = (await this.#get("/health/orchestrator")) as { envelope_mode: unknown };
    return mode;
  }

  async #set(body: object, token: string): Promise<void> {
    await this.#post("/feature-flags", body, token);
    await this.#untilObeyed();
  }

  async #post(path: string, body: object, token: string): Promise<unknown> {
    const answer = await fetch(this.#url(path), {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.json();
  }

  async #untilObeyed(): Promise<void> {
    await eventually(async () => {
      const { verifiers } = (await this.#get("/health/scbe")) as {
        verifiers: { total: number; converged: number; stale: number };
      };
      return verifiers.converged > 0 && verifiers.converged === verifiers.total - verifiers.stale;
    });
  }

  async #get(path: string): Promise<unknown> {
    return (await fetch(this.#url(path))).json();
  }

  #url(path: string): string {
    return `${this.#system.controller?.apiUrl}${path}`;
  }
}
