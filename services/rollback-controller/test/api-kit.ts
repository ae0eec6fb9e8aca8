import { type ControlState, type Kill, MODE_OF_CAUSE, ScbeError } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import { systemClock } from "@scbe/service-kit";
import { collectLogs } from "@scbe/testkit";
import { fastify } from "fastify";
import type { ApiPorts } from "../src/api/api-ports.ts";
import { controlApi } from "../src/api/control-api.ts";
import { tokens } from "../src/api/tokens.ts";
import type {
  Actor,
  AuditEntry,
  Change,
  Changed,
  ControlPlane,
  KillOrder,
  VerifierReport,
} from "../src/ports.ts";

export const ADMIN = "admin-token-of-a-test";
export const EMERGENCY = "emergency-token-of-a-test";
export const ALERTS = "alertmanager-token-of-a-test";
export const PROVIDERS = ["openai", "anthropic", "google", "groq", "perplexity", "xai"];

/** A control plane whose store is a variable: every change goes through it as through the real one, a turn later. */
export class ApiPlane implements ControlPlane {
  state: ControlState | undefined = {
    v: 1,
    env: "dev",
    generation: 1,
    issued_at: 1_700_000_000_000,
    kill_switch: { all: null, providers: {} },
    scbe_envelope_verification: { enabled: true, providers: {} },
    skew_window: null,
  };
  readonly actors: Actor[] = [];
  reports: VerifierReport[] = [];
  /** What others do between the reading and the writing. */
  meanwhile: () => void = () => undefined;
  /** The store takes nothing. */
  isAway = false;

  get current(): ControlDocument | undefined {
    return this.state && { state: this.state, digest: "", signed: { v: 1, payload: "", signature: "" } };
  }

  async change(change: Change, actor: Actor): Promise<Changed> {
    await Promise.resolve();
    if (this.isAway) throw new ScbeError("NOT_READY", "the store does not answer");
    for (;;) {
      const before = this.#read();
      const next = change(before);
      const { meanwhile } = this;
      this.meanwhile = () => undefined;
      meanwhile();
      if (this.#read() !== before) continue;
      if (next === before) return { before, after: before };
      return this.#write(next, actor);
    }
  }

  async kill(order: KillOrder, actor: Actor): Promise<Changed> {
    await Promise.resolve();
    return this.killNow(order, actor);
  }

  killNow({ provider, cause }: KillOrder, actor: Actor): Changed {
    const before = this.#read();
    const { all, providers } = before.kill_switch;
    const held = provider === undefined ? all : (providers[provider] ?? null);
    if (held !== null && (held.cause === cause || held.cause === "integrity"))
      return { before, after: before };
    const kill: Kill = { mode: MODE_OF_CAUSE[cause], cause, ...actor, since: before.generation + 1 };
    const kill_switch =
      provider === undefined
        ? { all: kill, providers }
        : { all, providers: { ...providers, [provider]: kill } };
    return this.#write({ ...before, kill_switch }, actor);
  }

  onChange(): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }

  verifiers(): readonly VerifierReport[] {
    return this.reports;
  }

  #read(): ControlState {
    if (this.state === undefined) throw new ScbeError("NOT_READY", "nothing was read yet");
    return this.state;
  }

  #write(next: ControlState, actor: Actor): Changed {
    const before = this.#read();
    this.actors.push(actor);
    this.state = { ...next, generation: before.generation + 1 };
    return { before, after: this.state };
  }
}

/** A control API on a port of its own on 127.0.0.1. */
export async function startApi(more: Partial<ApiPorts> & { readonly entries?: AuditEntry[] } = {}) {
  const plane = new ApiPlane();
  const logs = collectLogs();
  const { entries = [], ...ports } = more;
  const server = fastify({ logger: false, forceCloseConnections: true });
  controlApi(server, {
    plane,
    audit: {
      read: async ({ limit, before = Number.POSITIVE_INFINITY }) =>
        entries.filter(({ seq }) => seq < before).slice(0, limit),
    },
    clock: systemClock,
    log: logs.log,
    tokens: tokens({ ADMIN_TOKEN: ADMIN, EMERGENCY_TOKEN: EMERGENCY, SCBE_ALERTMANAGER_TOKEN: ALERTS }),
    providers: PROVIDERS,
    fallbackPermitted: false,
    currentKeyId: () => "k2",
    ...ports,
  });
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  return {
    plane,
    logs,
    url,
    /** What a request is answered. */
    async ask(path: string, { token, body, type = "application/json" }: Asking = {}): Promise<Asked> {
      const headers = {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "content-type": type }),
      };
      const response = await fetch(`${url}${path}`, {
        headers,
        ...(body !== undefined && {
          method: "POST",
          body: typeof body === "string" ? body : JSON.stringify(body),
        }),
      });
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

export type TestApi = Awaited<ReturnType<typeof startApi>>;

interface Asking {
  readonly token?: string;
  readonly body?: unknown;
  readonly type?: string;
}

interface Asked {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects in it
  readonly body: any;
}
