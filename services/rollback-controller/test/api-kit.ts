import { type ControlState, type FallbackCause, type Kill, ScbeError } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import { createReadiness, systemClock } from "@scbe/runtime";
import { collectLogs } from "@scbe/testkit";
import { Registry } from "prom-client";
import type { ApiPorts } from "../src/api/route.ts";
import { type ApiServerOptions, startApiServer } from "../src/api/server.ts";
import { TokenBook } from "../src/api/tokens.ts";
import type {
  Actor,
  Audience,
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

/** A control plane with a variable as its store. A change takes effect one turn of the event loop later, as in the real one. */
export class ApiPlane implements ControlPlane {
  state: ControlState | undefined = {
    v: 1,
    env: "dev",
    generation: 1,
    issued_at: 1_700_000_000_000,
    kill_switch: { all: null, providers: {} },
    scbe_envelope_verification: { enabled: true, providers: {} },
    fallback: { causes: [] },
    skew_window: null,
  };
  readonly actors: Actor[] = [];
  reports: VerifierReport[] = [];
  hearing: Audience = hearing("all");
  /** Runs between read and write, in place of another controller. */
  meanwhile: () => void = () => undefined;
  /** The store refuses every write. */
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
    const kill: Kill = { cause, ...actor, since: before.generation + 1 };
    const kill_switch =
      provider === undefined
        ? { all: kill, providers }
        : { all, providers: { ...providers, [provider]: kill } };
    return this.#write({ ...before, kill_switch }, actor);
  }

  chooseFallback(...causes: FallbackCause[]): void {
    this.state = { ...this.#read(), fallback: { causes } };
  }

  onChange(): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }

  verifiers(): readonly VerifierReport[] {
    return this.reports;
  }

  audience(): Audience {
    return this.hearing;
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

/** An audience with all its verifiers known. */
export function hearing(hears: Audience["hears"], change: Partial<Audience> = {}): Audience {
  return { hears, expected: [], crowded: [], unnamed: [], recalls: true, ...change };
}

/** Reports of verifiers in those states, each of a user named after the state. */
export function reportsOf(
  counts: Partial<Record<VerifierReport["state"], number>>,
  permitsFallback = true,
): VerifierReport[] {
  return Object.entries(counts).flatMap(([state, count]) =>
    Array.from({ length: count }, (_, n) => ({
      ...{ name: `${state}-${n + 1}`, generation: 1, ageMs: 1, permitsFallback },
      state: state as VerifierReport["state"],
    })),
  );
}

/** A control API on a port of its own on 127.0.0.1. */
export async function startApi(
  more: Partial<ApiPorts> & { readonly entries?: AuditEntry[] } = {},
  serving: Partial<ApiServerOptions> = {},
) {
  const plane = new ApiPlane();
  const logs = collectLogs();
  const metrics = new Registry();
  const { entries = [], ...changed } = more;
  const ports: ApiPorts = {
    plane,
    audit: {
      read: async ({ limit, before = Number.POSITIVE_INFINITY }) =>
        entries.filter(({ seq }) => seq < before).slice(0, limit),
    },
    clock: systemClock,
    log: logs.log,
    readiness: createReadiness(),
    tokens: new TokenBook({
      ...{ ADMIN_TOKEN: ADMIN, EMERGENCY_TOKEN: EMERGENCY, SCBE_ALERTMANAGER_TOKEN: ALERTS },
    }),
    providers: PROVIDERS,
    currentKeyId: () => "k2",
    ...changed,
  };
  const listener = { host: "127.0.0.1", port: 0, hosts: [] };
  const server = await startApiServer({ ...listener, ports, metrics, ...serving });
  const url = `http://127.0.0.1:${server.port}`;
  return {
    plane,
    logs,
    url,
    port: server.port,
    /** The value of a series, by its whole name. */
    async metric(series: string): Promise<number> {
      const line = (await metrics.metrics()).split("\n").find((it) => it.startsWith(`${series} `));
      return Number(line?.split(" ").at(-1));
    },
    /** Sends a request. */
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
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
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
  // biome-ignore lint/suspicious/noExplicitAny: each test states the shape it expects
  readonly body: any;
}
