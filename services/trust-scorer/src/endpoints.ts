import {
  isScbeError,
  QUEUES,
  ScbeError,
  SUBJECTS,
  subjectFor,
  TELLING_BYTES_MAX,
  type ToldEvent,
  TrustTelling,
} from "@scbe/contracts";
import type { Bus, EndpointAnswer, EndpointRequest, ServiceDefinition } from "@scbe/service-kit";
import { readEvent } from "./domain/read-event.ts";

export interface EndpointsOptions {
  readonly bus: Pick<Bus, "publishAcknowledged">;
  readonly providers: ReadonlySet<string>;
  readonly version: string;
}

const PUBLISH_TIMEOUT_MS = 1500;
/** Of each provider, at once. */
const CONCURRENCY = 16;

/**
 * `scbe.v1.trust.tell.<provider>`: a telling in, nothing out once the trust stream has all of it. Clients have no right to publish into the stream: its acknowledgement goes wherever
 * they say, with the server's own rights, and is stored there if that is the subject of a bucket or a stream.
 */
export function trustEndpoints({ bus, providers, version }: EndpointsOptions): ServiceDefinition {
  const store = async (event: ToldEvent): Promise<void> => {
    const data = Buffer.from(JSON.stringify(event));
    // The same id of two providers is two events.
    const options = { id: `${event.provider}.${event.id}`, timeoutMs: PUBLISH_TIMEOUT_MS };
    await bus.publishAcknowledged(subjectFor("outcome", event.provider), data, options);
  };
  const tell = async ({ data, provider }: EndpointRequest): Promise<EndpointAnswer> => {
    if (!providers.has(provider)) throw new ScbeError("BAD_REQUEST", "this provider is not served");
    const results = await Promise.allSettled(readTelling(data, provider, providers).map(store));
    const failed = results.find((it) => it.status === "rejected");
    if (failed === undefined) return { data: new Uint8Array(0) };
    const code = isScbeError(failed.reason) ? failed.reason.code : "INTERNAL";
    throw new ScbeError("NOT_READY", `the trust stream has not taken all of it (${code}); tell it again`);
  };
  return {
    name: "trust-scorer",
    version,
    description: "Takes what requests came to, provider by provider",
    queue: QUEUES.trustScorer,
    endpoints: [
      {
        name: "tell",
        subject: `${SUBJECTS.trustTell}.*`,
        handler: tell,
        concurrency: CONCURRENCY,
        trace: "none",
      },
    ],
  };
}

/** @throws ScbeError BAD_REQUEST naming what may not be told */
function readTelling(
  data: Uint8Array,
  provider: string,
  providers: ReadonlySet<string>,
): readonly ToldEvent[] {
  if (data.length > TELLING_BYTES_MAX)
    throw new ScbeError("BAD_REQUEST", `a telling has ${TELLING_BYTES_MAX} bytes at most`);
  const { events } = parse(data);
  const subject = subjectFor("outcome", provider);
  const bad = events.findIndex((event) => {
    return readEvent({ subject, data: Buffer.from(JSON.stringify(event)) }, providers) === undefined;
  });
  if (bad !== -1) throw new ScbeError("BAD_REQUEST", `event ${bad + 1} is not to be told of ${provider}`);
  return events;
}

function parse(data: Uint8Array): TrustTelling {
  try {
    return TrustTelling.parse(JSON.parse(Buffer.from(data).toString("utf8")));
  } catch {
    throw new ScbeError("BAD_REQUEST", 'a telling is JSON: {"v":1,"events":[...]}, with 1 to 256 events');
  }
}
