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
import { ReceivedReports } from "./received-reports.ts";
import { replies } from "./replies.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";

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

export interface TrustFixtureOptions {
  /** False: no trust scorer receives the reports; default true. */
  readonly scorer?: boolean;
  /** Options of the client. */
  readonly options?: Partial<ConnectOptions>;
}

/** A client, three providers with scripted gateways, and a publisher of trust documents. */
export class TrustFixture implements AsyncDisposable {
  readonly deployment: Deployment;
  readonly client: Client;
  readonly openai: ScriptedGateway;
  readonly anthropic: ScriptedGateway;
  readonly xai: ScriptedGateway;
  readonly metrics: Registry;
  /** Creation time of the trust stream. */
  readonly created = "2027-01-15T08:00:00Z";
  readonly #bus: Bus;
  readonly #reports: ReceivedReports | undefined;
  readonly #marks = new Set<string>();
  #seq = 100;

  private constructor(
    deployment: Deployment,
    bus: Bus,
    client: Client,
    metrics: Registry,
    reports: ReceivedReports | undefined,
  ) {
    this.#reports = reports;
    const gateway = (provider: string) => new ScriptedGateway(bus, deployment.keyring, provider);
    this.deployment = deployment;
    this.client = client;
    this.metrics = metrics;
    this.#bus = bus;
    this.openai = gateway("openai");
    this.anthropic = gateway("anthropic");
    this.xai = gateway("xai");
  }

  static async start({ scorer = true, options = {} }: TrustFixtureOptions = {}): Promise<TrustFixture> {
    const deployment = await startDeployment(VARIABLES);
    const reports = scorer ? new ReceivedReports(deployment.bus) : undefined;
    await deployment.bus.flush();
    const metrics = new Registry();
    const client = await deployment.orchestrator({ providers: PROVIDERS, metrics, ...options });
    const fixture = new TrustFixture(
      deployment,
      await deployment.connect("fixture"),
      client,
      metrics,
      reports,
    );
    await fixture.#bus.flush();
    return fixture;
  }

  /** Every gateway answers `of <provider>` again, and no provider is distrusted, globally or by this client. */
  async reset(): Promise<void> {
    this.deployment.guard.tells = true;
    for (const provider of ["openai", "anthropic", "xai"] as const)
      this[provider].reset(({ answer }) => answer(`of ${provider}`));
    await this.clear();
  }

  /** Once all outcomes are reported, publishes a document without distrusted providers, which ends the client's own latches. */
  async clear(): Promise<void> {
    if (this.#reports !== undefined) await eventually(async () => (await this.#waiting()) === 0, LONG);
    await this.publishTrust({});
  }

  /** Publishes the next document. Resolves when the client has applied it. */
  async publishTrust(providers: Providers): Promise<void> {
    this.#seq += 1;
    if (this.#reports !== undefined) this.#reports.seq = this.#seq + 1;
    const before = await this.countDocuments("applied");
    await this.broadcast({ v: 1, stream: { created: this.created, seq: this.#seq }, providers });
    await this.awaitDocument("applied", before);
  }

  /** Resolves when the client has counted more documents with this result than `before`. */
  async awaitDocument(result: "applied" | "old", before: number): Promise<void> {
    await eventually(async () => (await this.countDocuments(result)) > before, LONG);
  }

  async broadcast(document: TrustDocument): Promise<void> {
    this.#bus.publish(SUBJECTS.trustState, writeMessage(document));
    await this.#bus.flush();
  }

  /** How many documents with this result the client has counted. */
  async countDocuments(result: "applied" | "old"): Promise<number> {
    const counted = await this.metrics.getSingleMetric("scbe_trust_documents_total")?.get();
    return counted?.values.find(({ labels }) => labels.result === result)?.value ?? 0;
  }

  /** The events that a trust scorer gets during `run`: provider by provider, each in order. */
  async eventsDuring(run: () => Promise<unknown>): Promise<ReportedEvent[]> {
    const before = await this.#eventsSoFar();
    for (const gateway of [this.openai, this.anthropic, this.xai]) gateway.reset(gateway.script);
    await run();
    const events = (await this.#eventsSoFar()).slice(before.length);
    return PROVIDERS.flatMap((provider) => events.filter((it) => it.provider === provider));
  }

  /** Resolves when the client has reconnected. */
  async awaitReconnect(): Promise<void> {
    await eventually(() => this.#bus.connected && this.client.readiness.ready, LONG);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.deployment[Symbol.asyncDispose]();
  }

  /** All events except those of {@link #mark}. */
  async #eventsSoFar(): Promise<ReportedEvent[]> {
    const marks = await Promise.all((["openai", "anthropic", "xai"] as const).map((it) => this.#mark(it)));
    const isIn = (events: readonly ReportedEvent[]) => (mark: string) =>
      events.some((it) => idOf(it) === mark);
    const events = await eventually(async () => {
      const all = this.#reports?.events ?? [];
      return marks.every(isIn(all)) && (await this.#waiting()) === 0 && all;
    }, LONG);
    for (const mark of marks) this.#marks.add(mark);
    return events.filter((it) => !this.#marks.has(idOf(it) ?? ""));
  }

  async #waiting(): Promise<number | undefined> {
    const gauge = await this.metrics.getSingleMetric("scbe_outcome_reports_waiting")?.get();
    return gauge?.values[0]?.value;
  }

  /** Sends a failing request: its event is reported at once, after all earlier successes. */
  async #mark(provider: "openai" | "anthropic" | "xai"): Promise<string> {
    const requestId = randomUUID();
    const gateway = this[provider];
    const { script } = gateway;
    gateway.script = (arrived, nth) =>
      (arrived.header.request_id === requestId ? replies.problem("HANDLER_FAILED") : script)(arrived, nth);
    await this.client.request({ ...REQUEST, provider, requestId }).catch(() => undefined);
    gateway.script = script;
    return requestId;
  }
}

function idOf(event: ReportedEvent): string | undefined {
  return "request_id" in event ? event.request_id : undefined;
}

/** A request without its provider. */
export const REQUEST = { model: "gpt-5", intent: "chat", body: Buffer.from("Grüß Gott"), timeoutMs: 20_000 };

/** An event as text: `openai ok 3`, `openai timeout`, `openai bound_response_fails`. */
export function summaryOf(event: ReportedEvent): string {
  if (event.kind === "integrity") return `${event.provider} ${event.cause}`;
  const { provider, result, count } = event;
  return result === "ok" ? `${provider} ok ${count}` : `${provider} ${result}`;
}

/** The error that a request fails with. */
export function failureOf(request: Promise<unknown>): Promise<ScbeError> {
  return request.then(
    () => Promise.reject(new Error("the request succeeded")),
    (error: ScbeError) => error,
  );
}
