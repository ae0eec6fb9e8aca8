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
  type TrustDocument,
  type TrustEvent,
  writeMessage,
} from "@scbe/contracts";
import { readEvent } from "./domain/read-event.ts";
import { isTeller, type Tellers } from "./domain/tellers.ts";
import { REPORT_RATE, ReportRate } from "./report-rate.ts";

export interface EndpointsOptions {
  readonly events: Pick<StoreBus, "publishAcknowledged">;
  /** What is in force, or what the scorer that leads has put down last. */
  readonly document: () => Promise<TrustDocument | undefined>;
  readonly providers: ReadonlySet<string>;
  /** As the list of users has them now. */
  readonly tellers: () => Tellers;
  readonly version: string;
}

const PUBLISH_TIMEOUT_MS = 1500;
/** Of each user and provider, at once. */
const CONCURRENCY = 16;

/**
 * `scbe.v1.trust.tell.<user>.<provider>`: a telling in, a receipt out once the trust stream has all of it, BUSY where the user tells too many events. Each event is stored with its teller, the user of the subject: the server
 * lets a user publish under its own name alone, and no client can say anything else. `scbe.v1.trust.word.<user>`: a person's
 * calibration or clearing in, its number in the stream out. `scbe.v1.trust.get.<user>`: the trust document.
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
  const rate = new ReportRate();
  const tell = async ({ data, provider, user }: EndpointRequest): Promise<EndpointAnswer> => {
    if (!providers.has(provider)) throw new ScbeError("BAD_REQUEST", "this provider is not served");
    // One that was just added is on the list in a moment.
    if (!isTeller(tellers(), provider, user))
      throw new ScbeError("NOT_READY", "this user is not on the list of tellers");
    const read = rate.limited(user, data.length, () => readTelling(data, provider));
    const told = read.map((event) => ({ ...event, teller: user }));
    const results = await Promise.allSettled(told.map(store));
    const failed = results.find((it) => it.status === "rejected");
    if (failed === undefined) {
      const numbers = results.flatMap((it) => (it.status === "fulfilled" ? [it.value] : []));
      const receipt: OutcomeReceipt = { v: 1, seq: Math.max(...numbers) };
      return { data: writeMessage(receipt) };
    }
    const code = isScbeError(failed.reason) ? failed.reason.code : "INTERNAL";
    throw new ScbeError("NOT_READY", `the trust stream has not taken all of it (${code}); tell it again`);
  };
  const word = async ({ data, user }: EndpointRequest): Promise<EndpointAnswer> => {
    const subject = subjectOf("trustWord", { user });
    const event = readEvent({ subject, data }, providers);
    if (event === undefined) throw new ScbeError("BAD_REQUEST", "this is no calibration and no clearing");
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
    description: "Takes what requests came to, provider by provider",
    queue: QUEUES.trustScorer,
    endpoints: [
      {
        name: "tell",
        ...servedAs("trustTell"),
        handler: tell,
        concurrency: CONCURRENCY,
        placesOf: "user",
        // A telling has one event at least.
        userRate: REPORT_RATE,
        trace: "none",
      },
      { name: "word", ...servedAs("trustWord"), handler: word, placesOf: "user", trace: "none" },
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

/** @throws ScbeError BAD_REQUEST naming what may not be told */
function readTelling(data: Uint8Array, provider: string): readonly ReportedEvent[] {
  if (data.length > OUTCOME_REPORT_BYTES_MAX)
    throw new ScbeError("BAD_REQUEST", `a telling has ${OUTCOME_REPORT_BYTES_MAX} bytes at most`);
  const telling = readMessage(data, OutcomeReport, OUTCOME_REPORT_BYTES_MAX);
  if (telling === undefined)
    throw new ScbeError(
      "BAD_REQUEST",
      'a telling is canonical JSON: {"events":[...],"v":1}, with 1 to 256 events',
    );
  const { events } = telling;
  const bad = events.findIndex((event) => event.provider !== provider);
  if (bad !== -1) throw new ScbeError("BAD_REQUEST", `event ${bad + 1} is not to be told of ${provider}`);
  return events;
}
