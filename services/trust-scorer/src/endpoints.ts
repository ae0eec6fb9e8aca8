import { performance } from "node:perf_hooks";
import {
  documentEndpoint,
  type EndpointAnswer,
  type EndpointRequest,
  READ_RATE,
  type ServiceDefinition,
  type StoreBus,
} from "@scbe/bus";
import {
  HeldPlace,
  isScbeError,
  OUTCOME_REPORT_BYTES_MAX,
  type OutcomeReceipt,
  OutcomeReport,
  QUEUES,
  type ReportedEvent,
  readMessage,
  ScbeError,
  servedAs,
  subjectOf,
  TOLD_MAX,
  type TrustDocument,
  type TrustEvent,
  writeMessage,
} from "@scbe/contracts";
import { type Rate, UserRates } from "@scbe/runtime";
import { readEvent } from "./domain/apply.ts";
import { isTeller, type Tellers } from "./domain/tellers.ts";

export interface EndpointsOptions {
  readonly events: Pick<StoreBus, "publishAcknowledged">;
  /** The document in force, or the one that the leading scorer has published. */
  readonly document: () => Promise<TrustDocument | undefined>;
  readonly providers: ReadonlySet<string>;
  /** By the present list of users. */
  readonly tellers: () => Tellers;
  readonly version: string;
}

const PUBLISH_TIMEOUT_MS = 1500;
/** Of each user and provider, at once. */
const CONCURRENCY = 16;

/**
 * The events that each user may report. A client at 2,000 requests a second of which 5 % fail reports 200 a second, because a run of
 * successes is one event. The burst is applied in less than the 3 s that the controller waits for an override.
 */
const REPORT_RATE: Rate = { burst: 4096, perSecond: 1000 };

/**
 * `scbe.v1.trust.tell.<user>.<provider>`: an outcome report in, a receipt out once the trust stream has all of it; BUSY above the user's rate.
 * Each event is stored with its teller, the user of the subject: the server lets a user publish under its own name alone, so a client
 * cannot claim another. `scbe.v1.trust.word.<user>`: an operator's calibration or clearing in, its number in the stream out.
 * `scbe.v1.trust.get.<user>`: the trust document.
 */
export function trustEndpoints({
  events,
  document,
  providers,
  tellers,
  version,
}: EndpointsOptions): ServiceDefinition {
  const store = async (event: TrustEvent & { readonly teller: string }): Promise<number> => {
    const { provider, teller, id } = event;
    const data = writeMessage(event);
    // The same id of two tellers or of two providers is two events.
    const options = { id: `${teller}.${provider}.${id}`, timeoutMs: PUBLISH_TIMEOUT_MS };
    const subject = subjectOf("outcome", { user: teller, provider });
    return (await events.publishAcknowledged(subject, data, options)).seq;
  };
  const limit = new ReportLimit();
  const report = async ({ data, provider, user }: EndpointRequest): Promise<EndpointAnswer> => {
    if (!providers.has(provider)) throw new ScbeError("BAD_REQUEST", "this provider is not served");
    // NOT_READY, so that a client tries again: a user that was just added will be on the list soon.
    if (!isTeller(tellers(), provider, user))
      throw new ScbeError("NOT_READY", "this user is not on the list of tellers");
    const read = limit.read(user, data.length, () => readReport(data, provider));
    const results = await Promise.allSettled(read.map((event) => store({ ...event, teller: user })));
    const failed = results.find((it) => it.status === "rejected");
    if (failed === undefined) {
      const numbers = results.flatMap((it) => (it.status === "fulfilled" ? [it.value] : []));
      const receipt: OutcomeReceipt = { v: 1, seq: Math.max(...numbers) };
      return { data: writeMessage(receipt) };
    }
    const code = isScbeError(failed.reason) ? failed.reason.code : "INTERNAL";
    throw new ScbeError("NOT_READY", `the trust stream has not stored all events (${code}); send them again`);
  };
  const override = async ({ data, user }: EndpointRequest): Promise<EndpointAnswer> => {
    const subject = subjectOf("trustWord", { user });
    const event = readEvent({ subject, data }, providers);
    if (event === undefined)
      throw new ScbeError("BAD_REQUEST", "this is neither a calibration nor a clearing");
    const options = { id: event.id, timeoutMs: PUBLISH_TIMEOUT_MS };
    const { seq } = await events.publishAcknowledged(subject, data, options);
    return { data: writeMessage({ v: 1, seq }) };
  };
  const get = documentEndpoint(HeldPlace, async ({ stream }) => {
    const held = await document();
    if (held === undefined) return undefined;
    const isSame = stream?.created === held.stream.created && stream.seq === held.stream.seq;
    return isSame ? "same" : writeMessage(held);
  });
  return {
    name: "trust-scorer",
    version,
    description: "Takes reports of request outcomes by provider, and serves the trust document",
    queue: QUEUES.trustScorer,
    endpoints: [
      {
        name: "tell",
        ...servedAs("trustTell"),
        handler: report,
        concurrency: CONCURRENCY,
        placesOf: "user",
        // A report has at least one event.
        userRate: REPORT_RATE,
        trace: "none",
      },
      { name: "word", ...servedAs("trustWord"), handler: override, placesOf: "user", trace: "none" },
      {
        name: "get",
        ...servedAs("trustGet"),
        handler: get,
        placesOf: "user",
        userRate: READ_RATE,
        trace: "none",
      },
    ],
  };
}

/** @throws ScbeError BAD_REQUEST that names the invalid part */
function readReport(data: Uint8Array, provider: string): readonly ReportedEvent[] {
  if (data.length > OUTCOME_REPORT_BYTES_MAX)
    throw new ScbeError("BAD_REQUEST", `an outcome report has ${OUTCOME_REPORT_BYTES_MAX} bytes at most`);
  const report = readMessage(data, OutcomeReport, OUTCOME_REPORT_BYTES_MAX);
  if (report === undefined)
    throw new ScbeError(
      "BAD_REQUEST",
      'an outcome report is canonical JSON: {"events":[...],"v":1}, with 1 to 256 events',
    );
  const { events } = report;
  const bad = events.findIndex((event) => event.provider !== provider);
  if (bad !== -1) throw new ScbeError("BAD_REQUEST", `event ${bad + 1} is not of the provider ${provider}`);
  return events;
}

/** The average bytes of an event in the largest report; no event exceeds it on average. */
const EVENT_BYTES = OUTCOME_REPORT_BYTES_MAX / TOLD_MAX;

/** Limits reports by their events, and unreadable ones by their bytes. */
class ReportLimit {
  readonly #rates = new UserRates(REPORT_RATE);

  /**
   * Reads a report of a user. It costs its bytes before it is read, and its events afterwards.
   * @throws ScbeError BUSY: none of it is stored, and the client may send it again later; what `read` throws
   */
  read<T>(user: string, bytes: number, read: () => readonly T[]): readonly T[] {
    const beforehand = Math.min(TOLD_MAX, Math.max(1, Math.ceil(bytes / EVENT_BYTES)));
    this.#take(user, beforehand);
    const events = read();
    if (events.length > beforehand) this.#take(user, events.length - beforehand);
    return events;
  }

  #take(user: string, count: number): void {
    if (this.#rates.take(user, performance.now(), count)) return;
    throw new ScbeError(
      "BUSY",
      `a user may report ${REPORT_RATE.perSecond} events a second; send them again later`,
    );
  }
}
