import { randomBytes } from "node:crypto";
import { ACCESS, ROLES } from "@scbe/contracts";
import type { Msg, NatsConnection, Subscription } from "nats";
import type { ServiceDefinition } from "../bus.ts";
import type { Endpoint, EndpointPorts } from "./endpoint.ts";

const VERBS = ["PING", "INFO", "STATS"] as const;
type Verb = (typeof VERBS)[number];

const ID_BYTES = 12;
/** The inboxes of the roles that may inspect services; an answer goes to no other subject. */
const INBOXES = ROLES.filter((role) => ACCESS[role].inspects === true).map((role) => `_INBOX.${role}.`);

/**
 * Answers `$SRV.{PING,INFO,STATS}[.<name>[.<id>]]` as the NATS services framework does (ADR-32), so that `nats micro` finds a service. Unlike the
 * framework, it answers only to inboxes of users that may inspect services: the sender chooses the reply subject, and the answer would be
 * published to it with the service's own rights.
 */
export class ServiceDiscovery {
  readonly #definition: ServiceDefinition;
  readonly #endpoints: readonly Endpoint[];
  readonly #ports: Pick<EndpointPorts, "log" | "respond">;
  readonly #id = randomBytes(ID_BYTES).toString("hex");
  readonly #started = new Date().toISOString();

  constructor(
    definition: ServiceDefinition,
    endpoints: readonly Endpoint[],
    ports: Pick<EndpointPorts, "log" | "respond">,
  ) {
    this.#definition = definition;
    this.#endpoints = endpoints;
    this.#ports = ports;
  }

  /** @param onRefused the server refuses a subscription of this user */
  subscribe(connection: NatsConnection, onRefused: (error: Error) => void): Subscription[] {
    const { name } = this.#definition;
    return VERBS.flatMap((verb) => {
      const callback = (error: Error | null, message: Msg): void =>
        error === null ? this.#answer(verb, message) : onRefused(error);
      return [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${this.#id}`].map((subject) =>
        connection.subscribe(subject, { callback }),
      );
    });
  }

  #answer(verb: Verb, { reply = "" }: Msg): void {
    if (!INBOXES.some((inbox) => reply.startsWith(inbox))) return;
    try {
      this.#ports.respond(reply, Buffer.from(JSON.stringify(this.#describe(verb))), undefined);
    } catch (error) {
      this.#ports.log.debug({ verb, err: error }, "a description of the service could not be sent");
    }
  }

  #describe(verb: Verb): object {
    const { name, version, description } = this.#definition;
    const common = {
      type: `io.nats.micro.v1.${verb.toLowerCase()}_response`,
      name,
      id: this.#id,
      version,
      metadata: {},
    };
    if (verb === "PING") return common;
    if (verb === "INFO")
      return { ...common, description, endpoints: this.#endpoints.map((it) => this.#endpoint(it)) };
    const endpoints = this.#endpoints.map((it) => ({ ...this.#endpoint(it), ...statsOf(it) }));
    return { ...common, started: this.#started, endpoints };
  }

  #endpoint({ definition }: Endpoint): object {
    return {
      name: definition.name,
      subject: definition.subject,
      queue_group: this.#definition.queue,
      metadata: {},
    };
  }
}

/** Durations are in nanoseconds, as in the framework. */
function statsOf({ stats }: Endpoint): object {
  const { requests, errors, lastError, processingMs } = stats;
  const processing = Math.round(processingMs * NS_PER_MS);
  return {
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: processing,
    average_processing_time: requests === 0 ? 0 : Math.round(processing / requests),
  };
}

const NS_PER_MS = 1e6;
