import { randomUUID } from "node:crypto";
import type { Bus } from "@scbe/bus";
import {
  type ProviderTrust,
  type ReportedEvent,
  type ScbeError,
  SUBJECTS,
  type TrustDocument,
  writeMessage,
} from "@scbe/contracts";
import { type Deployment, eventually, startDeployment } from "@scbe/testkit";
import { Registry } from "prom-client";
import type { Client, ConnectOptions } from "../src/index.ts";
import { HeardOutcomes } from "./heard-outcomes.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";
import { says } from "./scripts.ts";

export type Providers = Readonly<Record<string, ProviderTrust>>;

export const VARIABLES = {
  SCBE_ADMIT_TIMEOUT_MS: "50",
  SCBE_NOISE_FLOOR_MS: "100",
  SCBE_ACCEPT_TIMEOUT_MS: "400",
  SCBE_REQUEST_TIMEOUT_MAX_MS: "30000",
  SCBE_TRUST_TIMEOUT_MIN_MS: "250",
};

/** `mistral` has no gateway. */
const PROVIDERS = ["openai", "anthropic", "xai", "mistral"];
const LONG = { timeoutMs: 20_000 };

export interface TrustStageOptions {
  /** False: no trust scorer hears what is told; default true. */
  readonly scorer?: boolean;
  /** Of the client. */
  readonly options?: Partial<ConnectOptions>;
}

/** A client, three providers whose gateways do as they are told, and whoever speaks of trust. */
export class TrustStage implements AsyncDisposable {
  readonly deployment: Deployment;
  readonly client: Client;
  readonly openai: ScriptedGateway;
  readonly anthropic: ScriptedGateway;
  readonly xai: ScriptedGateway;
  readonly metrics: Registry;
  /** When the stream was made of which the documents are. */
  readonly created = "2027-01-15T08:00:00Z";
  readonly #bus: Bus;
  readonly #heard: HeardOutcomes | undefined;
  readonly #marks = new Set<string>();
  #seq = 100;

  private constructor(
    deployment: Deployment,
    bus: Bus,
    client: Client,
    metrics: Registry,
    heard: HeardOutcomes | undefined,
  ) {
    this.#heard = heard;
    const gateway = (provider: string) => new ScriptedGateway(bus, deployment.keyring, provider);
    this.deployment = deployment;
    this.client = client;
    this.metrics = metrics;
    this.#bus = bus;
    this.openai = gateway("openai");
    this.anthropic = gateway("anthropic");
    this.xai = gateway("xai");
  }

  static async start({ scorer = true, options = {} }: TrustStageOptions = {}): Promise<TrustStage> {
    const deployment = await startDeployment(VARIABLES);
    const heard = scorer ? new HeardOutcomes(deployment.bus) : undefined;
    await deployment.bus.flush();
    const metrics = new Registry();
    const client = await deployment.orchestrator({ providers: PROVIDERS, metrics, ...options });
    const stage = new TrustStage(deployment, await deployment.connect("stage"), client, metrics, heard);
    await stage.#bus.flush();
    return stage;
  }

  /** Every gateway answers `of <provider>` again, and no provider is distrusted, for all or by this client. */
  async reset(): Promise<void> {
    this.deployment.guard.tells = true;
    for (const provider of ["openai", "anthropic", "xai"] as const)
      this[provider].reset(({ answer }) => answer(`of ${provider}`));
    await this.clear();
  }

  /** Broadcasts a document in which no provider is distrusted, once all is told: what this client latched by itself ends. */
  async clear(): Promise<void> {
    if (this.#heard !== undefined) await eventually(async () => (await this.#waiting()) === 0, LONG);
    await this.speak({});
  }

  /** Broadcasts the next document. Resolves when the client holds it. */
  async speak(providers: Providers): Promise<void> {
    this.#seq += 1;
    if (this.#heard !== undefined) this.#heard.seq = this.#seq + 1;
    const before = await this.documents("applied");
    await this.broadcast({ v: 1, stream: { created: this.created, seq: this.#seq }, providers });
    await this.heard("applied", before);
  }

  /** Resolves when the client has taken more documents so than `before`. */
  async heard(result: "applied" | "old", before: number): Promise<void> {
    await eventually(async () => (await this.documents(result)) > before, LONG);
  }

  async broadcast(document: TrustDocument): Promise<void> {
    this.#bus.publish(SUBJECTS.trustState, writeMessage(document));
    await this.#bus.flush();
  }

  /** How many documents the client has taken so. */
  async documents(result: "applied" | "old"): Promise<number> {
    const counted = await this.metrics.getSingleMetric("scbe_trust_documents_total")?.get();
    return counted?.values.find(({ labels }) => labels.result === result)?.value ?? 0;
  }

  /** What a trust scorer is told of whatever happens in `run`: provider by provider, of each in order. */
  async told(run: () => Promise<unknown>): Promise<ReportedEvent[]> {
    const before = await this.#toldUpToNow();
    for (const gateway of [this.openai, this.anthropic, this.xai]) gateway.reset(gateway.script);
    await run();
    const told = (await this.#toldUpToNow()).slice(before.length);
    return PROVIDERS.flatMap((provider) => told.filter((it) => it.provider === provider));
  }

  /** Resolves when server and client have found each other again. */
  async isBack(): Promise<void> {
    await eventually(() => this.#bus.connected && this.client.readiness.ready, LONG);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.deployment[Symbol.asyncDispose]();
  }

  /** All but the marks that tell it from what comes later. */
  async #toldUpToNow(): Promise<ReportedEvent[]> {
    const marks = await Promise.all((["openai", "anthropic", "xai"] as const).map((it) => this.#mark(it)));
    const isIn = (events: readonly ReportedEvent[]) => (mark: string) =>
      events.some((it) => idOf(it) === mark);
    const events = await eventually(async () => {
      const all = this.#heard?.events ?? [];
      return marks.every(isIn(all)) && (await this.#waiting()) === 0 && all;
    }, LONG);
    for (const mark of marks) this.#marks.add(mark);
    return events.filter((it) => !this.#marks.has(idOf(it) ?? ""));
  }

  async #waiting(): Promise<number | undefined> {
    const shown = await this.metrics.getSingleMetric("scbe_outcome_reports_waiting")?.get();
    return shown?.values[0]?.value;
  }

  /** Sends a request that fails, which is told at once, and after all successes before it. */
  async #mark(provider: "openai" | "anthropic" | "xai"): Promise<string> {
    const requestId = randomUUID();
    const gateway = this[provider];
    const { script } = gateway;
    gateway.script = (arrived, nth) =>
      (arrived.header.request_id === requestId ? says.problem("HANDLER_FAILED") : script)(arrived, nth);
    await this.client.request({ ...ASKED, provider, requestId }).catch(() => undefined);
    gateway.script = script;
    return requestId;
  }
}

function idOf(event: ReportedEvent): string | undefined {
  return "request_id" in event ? event.request_id : undefined;
}

/** A request, but for whom it is asked of. */
export const ASKED = { model: "gpt-5", intent: "chat", body: Buffer.from("Grüß Gott"), timeoutMs: 20_000 };

/** What an event says: `openai ok 3`, `openai timeout`, `openai bound_response_fails`. */
export function saying(event: ReportedEvent): string {
  if (event.kind === "integrity") return `${event.provider} ${event.cause}`;
  const { provider, result, count } = event;
  return result === "ok" ? `${provider} ok ${count}` : `${provider} ${result}`;
}

/** The error that a request ends with. */
export function failureOf(request: Promise<unknown>): Promise<ScbeError> {
  return request.then(
    () => Promise.reject(new Error("it was answered")),
    (error: ScbeError) => error,
  );
}
