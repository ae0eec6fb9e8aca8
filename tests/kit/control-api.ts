import type { FallbackCause } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { type System, TOKENS } from "./system.ts";

/** A row of `GET /metrics/scbe/trust-scores`. */
export interface TrustRow {
  readonly provider: string;
  readonly trust_score: number;
  /** Percent */
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

/** The control API of a system, as its users call it: each call comes back when all verifiers that can be heard have obeyed. */
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

  /** An administrator's choice: for which causes traffic goes unsealed instead of being refused. */
  async chooseFallback(...causes: FallbackCause[]): Promise<void> {
    await this.#set({ scbe_fallback: { causes, reason: "a test" } }, TOKENS.ADMIN_TOKEN);
  }

  /** The window that stands then. */
  async skewWindow(window: { readonly seconds: number; readonly duration: number | string }) {
    const body = { reason: "a test", ...window };
    const answer = await this.#post("/admin/scbe/skew-window", body, TOKENS.ADMIN_TOKEN);
    await this.#obeyed();
    return (answer as { skew_window: unknown }).skew_window;
  }

  /** How a provider stands. */
  async trustScores(provider: string): Promise<TrustRow> {
    const { providers } = (await this.#get("/metrics/scbe/trust-scores")) as { providers: TrustRow[] };
    const row = providers.find((it) => it.provider === provider);
    if (row === undefined) throw new Error(`nothing is shown of ${provider}`);
    return row;
  }

  /** A person's word on a provider, of which every reader has heard soon. */
  async trust(word: { readonly provider: string; readonly trust_score?: number; readonly clears?: string }) {
    await this.#post("/admin/scbe/trust", { reason: "a test", ...word }, TOKENS.ADMIN_TOKEN);
  }

  /** The newest entries of the audit, newest first. */
  async audit(): Promise<readonly AuditRow[]> {
    const headers = { authorization: `Bearer ${TOKENS.ADMIN_TOKEN}` };
    const answer = await fetch(this.#url("/audit?limit=50"), { headers });
    return ((await answer.json()) as { entries: AuditRow[] }).entries;
  }

  /** What `GET /health/orchestrator` says of everything. */
  async mode(): Promise<unknown> {
    const { envelope_mode: mode } = (await this.#get("/health/orchestrator")) as { envelope_mode: unknown };
    return mode;
  }

  async #set(body: object, token: string): Promise<void> {
    await this.#post("/feature-flags", body, token);
    await this.#obeyed();
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

  async #obeyed(): Promise<void> {
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
