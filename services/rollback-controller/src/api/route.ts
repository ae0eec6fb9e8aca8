import type { Readable } from "node:stream";
import type { Clock, Logger, Readiness } from "@scbe/runtime";
import type { z } from "zod";
import type { FiringsPort } from "../alerts/known-firings.ts";
import type { CanaryPort } from "../canary/service.ts";
import type { Prometheus } from "../edge/prometheus.ts";
import type { Audit, ControlPlane } from "../ports.ts";
import type { TrustPort } from "../trust/trust-service.ts";
import type { Role, Tokens } from "./tokens.ts";

/** One route: what it takes, what it answers, and what its documentation says. */
export interface RouteSpec<B, Q> {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** One line, for the documentation. */
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  /** Schema of the JSON body; "stream": the handler reads the body, with limits of its own. */
  readonly body?: z.ZodType<B> | "stream";
  readonly query?: z.ZodType<Q>;
  /** Schema of the answer with status 200. */
  readonly answer: z.ZodType;
  /** True: status 202 has the same answer, and means accepted but not done yet. */
  readonly mayBeLate?: true;
  /** Statuses beside 200 and those that follow from access and body. */
  readonly refuses?: readonly number[];
  /** Runs with the status of each answer, from any layer of the server. */
  readonly onAnswered?: (status: number, ports: ApiPorts) => void;
  /** True: this request does not count against the rate of its token. */
  readonly isUncounted?: (body: B) => boolean;
  /** False: this controller does not have the route. */
  readonly isThere?: (ports: ApiPorts) => boolean;
  /** @throws Refusal or ScbeError, which becomes the answer */
  readonly handle: (call: Call<B, Q>, ports: ApiPorts) => unknown;
}

/** `open`: no token is needed; otherwise a token with one of these roles. */
export type Access = "open" | readonly Role[];

/** One request after all checks. */
export interface Call<B, Q> {
  readonly body: B;
  readonly query: Q;
  /** The name of the request's token; "" on an open route. */
  readonly by: string;
  /** The role of the request's token; undefined on an open route. */
  readonly role: Role | undefined;
}

/** Any answer but 200 with JSON. */
export class Answer {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    this.status = status;
    this.body = body;
  }
}

/** A route whose types of body and query are known inside of it only. */
export type ApiRoute = Omit<RouteSpec<unknown, unknown>, "isUncounted" | "handle"> & {
  readonly isUncounted: (body: unknown) => boolean;
  readonly handle: (call: Call<unknown, unknown>, ports: ApiPorts) => unknown;
};

/** Hides the types of a route. The casts hold: body and query are always the output of the route's own schemas. */
export function apiRoute<B = undefined, Q = undefined>(spec: RouteSpec<B, Q>): ApiRoute {
  const { isUncounted = () => false, handle } = spec;
  return {
    ...spec,
    isUncounted: (body) => isUncounted(body as B),
    handle: (call, ports) => handle(call as Call<B, Q>, ports),
  };
}

/** What the control API needs from the rest of the controller. */
export interface ApiPorts {
  readonly plane: ControlPlane;
  readonly audit: Pick<Audit, "read">;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Logger;
  readonly readiness: Pick<Readiness, "set">;
  readonly tokens: Tokens;
  /** The deployment's providers; requests can name no others. */
  readonly providers: readonly string[];
  /** The kid of the active data key; `undefined` until the keyring has broadcast it. */
  readonly currentKeyId: () => string | undefined;
  /** Absent: there are no metrics to show. */
  readonly prometheus?: Prometheus;
  /** Absent: there are no canary routes. */
  readonly canary?: CanaryPort;
  /** Absent: there are no trust routes. */
  readonly trust?: TrustPort;
  /** Absent: there is no webhook for alerts. */
  readonly webhook?: AlertReceiver;
  /** Absent: there are no routes for firings. */
  readonly firings?: FiringsPort;
}

/** Takes what Alertmanager posts. */
export interface AlertReceiver {
  receive(body: Readable): Promise<AlertAnswer>;
  /** Counts a post that any layer of the server answered with that status. */
  refused(status: number): void;
}

export interface AlertAnswer {
  readonly status: 200 | 400 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}
