import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { API_REFUSED_STATUSES, type ApiClosedWhy } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, type Logger } from "@scbe/runtime";

/** Counts what the API refuses, by status, and the connections that it closes. */
export interface ApiMetrics {
  closed(why: ApiClosedWhy): void;
  /** Counts the answer of a request, once it is sent. */
  follow(request: IncomingMessage, response: ServerResponse): void;
  refused(status: number): void;
  /** True while an answer is on its way on that connection. */
  isAnswering(socket: Duplex): boolean;
}

const TELL_EVERY_MS = 10_000;

export function apiMetrics(registry: MetricsRegistry, log: Logger): ApiMetrics {
  const refusals = counter(registry, "scbe_control_api_refused_total");
  const closings = counter(registry, "scbe_control_api_connections_closed_total");
  const answers = new WeakMap<Duplex, ServerResponse>();
  let toldAt = Number.NEGATIVE_INFINITY;
  const refused = (status: number): void => {
    if (status < 400) return;
    refusals.inc({ status: API_REFUSED_STATUSES.find((it) => it === `${status}`) ?? "another" });
  };
  return {
    refused,
    closed: (why) => {
      closings.inc({ why });
      const now = performance.now();
      if (now - toldAt < TELL_EVERY_MS) return;
      toldAt = now;
      log.warn({ why }, "the control API closes connections, since there are too many");
    },
    follow: (request, response) => {
      answers.set(request.socket, response);
      response.once("finish", () => refused(response.statusCode));
    },
    isAnswering: (socket) => {
      const answer = answers.get(socket);
      return answer?.headersSent === true && !answer.writableFinished;
    },
  };
}
