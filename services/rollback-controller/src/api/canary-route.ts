import { ScbeError } from "@scbe/contracts";
import { z } from "zod";
import type { CanaryPort, CanaryStatus } from "../canary/canary-port.ts";
import { flagWarnings } from "../domain/flag-warnings.ts";
import type { ApiPorts } from "./api-ports.ts";
import { type ApiRoute, apiRoute, type RouteSpec } from "./api-route.ts";
import { inForce } from "./in-force.ts";

const CanaryView = z
  .object({
    leading: z.boolean().describe("Whether this controller is the one that goes on from step to step"),
    warnings: z.array(z.string()).describe("What becomes of traffic outside of the shares, among others"),
    canaries: z.array(z.looseObject({ provider: z.string(), state: z.string(), share: z.number() })),
  })
  .meta({ id: "Canaries" });

type CanarySpec<B> = Pick<RouteSpec<B, undefined>, "method" | "path" | "summary" | "description" | "body"> & {
  readonly do: (canary: CanaryPort, call: { readonly body: B; readonly by: string }) => Promise<CanaryStatus>;
};

/** A route that is there where there are canaries, and answers how they stand. */
export function canaryRoute<B = undefined>({ do: act, ...spec }: CanarySpec<B>): ApiRoute {
  return apiRoute<B>({
    ...spec,
    access: ["admin"],
    answer: CanaryView,
    refuses: spec.method === "POST" ? [409, 503] : [503],
    isThere: ({ canary }) => canary !== undefined,
    handle: async ({ body, by }, ports) => {
      const status = await act(canaryOf(ports), { body, by });
      const { providers, plane } = ports;
      return {
        ...status,
        warnings: flagWarnings(inForce(ports), { providers, verifiers: plane.verifiers() }),
      };
    },
  });
}

function canaryOf({ canary }: ApiPorts): CanaryPort {
  if (canary === undefined) throw new ScbeError("NOT_READY", "there are no canaries at this controller");
  return canary;
}
