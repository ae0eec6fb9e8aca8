import type { z } from "zod";
import type { ApiPorts } from "./api-ports.ts";
import type { Role } from "./tokens.ts";

/** Who may ask: anyone, or holders of a token with one of these roles. */
export type Access = "open" | readonly Role[];

/** One request, with all that was checked. */
export interface Call<B, Q> {
  readonly body: B;
  readonly query: Q;
  /** The name of the token that it came with; "" of an open route. */
  readonly by: string;
  /** What that token may do; undefined of an open route. */
  readonly role: Role | undefined;
}

/** Anything but 200 with JSON. */
export class Answer {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    this.status = status;
    this.body = body;
  }
}

/** One route: what it takes, what it answers, and what its documentation says. */
export interface RouteSpec<B, Q> {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** One line, for the documentation. */
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  /** Of the JSON body; "stream": the handler reads it, with limits of its own. */
  readonly body?: z.ZodType<B> | "stream";
  readonly query?: z.ZodType<Q>;
  /** Of the answer with status 200. */
  readonly answer: z.ZodType;
  /** True: with status 202 the same answer says that it was taken, and is not done yet. */
  readonly mayBeLate?: true;
  /** Statuses beside 200 and those that follow from its access and its body. */
  readonly refuses?: readonly number[];
  /** Runs with the status of each answer, from any part of the server. */
  readonly onAnswered?: (status: number, ports: ApiPorts) => void;
  /** True: this request is not counted against its token's rate. */
  readonly isUncounted?: (body: B) => boolean;
  /** False: there is no such route here. */
  readonly isThere?: (ports: ApiPorts) => boolean;
  /** @throws Refusal or ScbeError, which is answered as such */
  readonly handle: (call: Call<B, Q>, ports: ApiPorts) => unknown;
}

/** A route whose body and query nobody but itself knows. */
export type ApiRoute = Omit<RouteSpec<unknown, unknown>, "isUncounted" | "handle"> & {
  readonly isUncounted: (body: unknown) => boolean;
  readonly handle: (call: Call<unknown, unknown>, ports: ApiPorts) => unknown;
};

/** Its body and query are what its own schemas made of them, whoever calls it. */
export function apiRoute<B = undefined, Q = undefined>(spec: RouteSpec<B, Q>): ApiRoute {
  const { isUncounted = () => false, handle } = spec;
  return {
    ...spec,
    isUncounted: (body) => isUncounted(body as B),
    handle: (call, ports) => handle(call as Call<B, Q>, ports),
  };
}
