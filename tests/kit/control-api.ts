import { eventually } from "@scbe/testkit";
import { type Spine, TOKENS } from "./spine.ts";

/** The control API of a spine, as its users call it: each call comes back when all verifiers that can be heard have obeyed. */
export class ControlApi {
  readonly #spine: Pick<Spine, "controller">;

  constructor(spine: Pick<Spine, "controller">) {
    this.#spine = spine;
  }

  async kill(cause: "availability" | "integrity", more: object = {}): Promise<void> {
    const kill = { enabled: true, reason: "a test", cause, ...more };
    await this.#post({ scbe_kill_switch: kill }, TOKENS.EMERGENCY_TOKEN);
  }

  async release(more: object = {}): Promise<void> {
    await this.#post({ scbe_kill_switch: { enabled: false, reason: "a test", ...more } }, TOKENS.ADMIN_TOKEN);
  }

  async flags(flags: object): Promise<void> {
    await this.#post({ scbe_envelope_verification: flags }, TOKENS.ADMIN_TOKEN);
  }

  /** What `GET /health/orchestrator` says of everything. */
  async mode(): Promise<unknown> {
    const { envelope_mode: mode } = (await this.#get("/health/orchestrator")) as { envelope_mode: unknown };
    return mode;
  }

  async #post(body: object, token: string): Promise<void> {
    const answer = await fetch(this.#url("/feature-flags"), {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    await this.#obeyed();
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
    return `${this.#spine.controller?.opsUrl}${path}`;
  }
}
