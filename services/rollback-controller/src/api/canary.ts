import { ScbeError } from "@scbe/contracts";
import { z } from "zod";
import { AbortOrder, PauseOrder, ResumeOrder, StartOrder } from "../canary/orders.ts";
import type { CanaryPort, CanaryStatus } from "../canary/service.ts";
import { stateInForce } from "./flags.ts";
import { flagWarnings } from "./flags-view.ts";
import { type ApiPorts, type ApiRoute, apiRoute, type RouteSpec } from "./route.ts";

const CanaryView = z
  .object({
    leading: z.boolean().describe("Whether this controller is the one that goes on from step to step"),
    warnings: z.array(z.string()).describe("What becomes of traffic outside of the shares, among others"),
    canaries: z.array(z.looseObject({ provider: z.string(), state: z.string(), share: z.number() })),
  })
  .meta({ id: "Canaries" });

/** `GET /canary` */
export const getCanary = canaryRoute({
  method: "GET",
  path: "/canary",
  summary: "Each canary, with the samples that its steps were decided on",
  run: (canary) => canary.status(),
});

/** `POST /canary` */
export const postCanary = canaryRoute({
  method: "POST",
  path: "/canary",
  summary: "Starts a provider's canary at its first step",
  body: StartOrder,
  run: (canary, { body, by }) => canary.start(body, by),
});

/** `POST /canary/pause` */
export const postCanaryPause = canaryRoute({
  method: "POST",
  path: "/canary/pause",
  summary: "Lets the share stay where it is",
  body: PauseOrder,
  run: (canary, { body, by }) => canary.pause(body, by),
});

/** `POST /canary/resume` */
export const postCanaryResume = canaryRoute({
  method: "POST",
  path: "/canary/resume",
  summary: "Goes on at the canary's own step",
  body: ResumeOrder,
  run: (canary, { body, by }) => canary.resume(body, by),
});

/** `POST /canary/abort` */
export const postCanaryAbort = canaryRoute({
  method: "POST",
  path: "/canary/abort",
  summary: "Back to the share of the step before",
  body: AbortOrder,
  run: (canary, { body, by }) => canary.abort(body, by),
});

type CanarySpec<B> = Pick<RouteSpec<B, undefined>, "method" | "path" | "summary" | "description" | "body"> & {
  readonly run: (
    canary: CanaryPort,
    call: { readonly body: B; readonly by: string },
  ) => Promise<CanaryStatus>;
};

/** A route that exists where there are canaries, and answers their state. */
function canaryRoute<B = undefined>({ run, ...spec }: CanarySpec<B>): ApiRoute {
  return apiRoute<B>({
    ...spec,
    access: ["admin"],
    answer: CanaryView,
    refuses: spec.method === "POST" ? [409, 503] : [503],
    isThere: ({ canary }) => canary !== undefined,
    handle: async ({ body, by }, ports) => {
      const status = await run(canaryOf(ports), { body, by });
      const { providers, plane } = ports;
      return {
        ...status,
        warnings: flagWarnings(stateInForce(ports), { providers, verifiers: plane.verifiers() }),
      };
    },
  });
}

function canaryOf({ canary }: ApiPorts): CanaryPort {
  if (canary === undefined) throw new ScbeError("NOT_READY", "there are no canaries at this controller");
  return canary;
}
