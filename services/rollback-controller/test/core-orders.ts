import { type ControlState, isScbeError, type Kill } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import fc from "fast-check";
import { mergeFlags } from "../src/api/flag-state.ts";
import { releaseSeen } from "../src/api/kill.ts";
import type { KillOrder } from "../src/ports.ts";
import type { CoreModel, ModelController } from "./core-model.ts";

/** An order to a controller, or a crash of it. */
export type Act =
  | { readonly do: "kill"; readonly order: KillOrder }
  | { readonly do: "share" }
  | { readonly do: "release"; readonly provider: string | undefined }
  | { readonly do: "reconcile" }
  | { readonly do: "crash" };

const provider = fc.constantFrom(undefined, "openai", "xai");
const cause = fc.constantFrom("availability" as const, "integrity" as const);

export const acts: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    do: fc.constant("kill" as const),
    order: fc
      .tuple(provider, cause)
      .map(([it, why]) => ({ cause: why, ...(it !== undefined && { provider: it }) })),
  }),
  fc.constant({ do: "share" as const }),
  fc.record({ do: fc.constant("release" as const), provider }),
  fc.constant({ do: "reconcile" as const }),
  fc.constant({ do: "crash" as const }),
);

/** A kill that was sent, and its document. */
export interface SentKill {
  readonly order: KillOrder;
  readonly document: ControlDocument;
  readonly by: ModelController;
  /** The number of the order. */
  readonly at: number;
}

interface Release {
  readonly provider: string | undefined;
  /** The kill in force when it was ordered. */
  readonly seen: Kill;
  readonly seenGeneration: number;
  /** The number of orders when it was done. */
  doneAt: number;
}

/** The orders of one run. */
export class Orders {
  readonly kills: SentKill[] = [];
  readonly #model: CoreModel;
  readonly #releases = new Set<Release>();
  #count = 0;

  constructor(model: CoreModel) {
    this.#model = model;
  }

  /** Kills without those that a person has released after seeing them. */
  get standing(): readonly SentKill[] {
    return this.kills.filter(({ order: { provider }, document: { state } }) =>
      this.#releasesOf(provider).every((it) => it.seenGeneration < state.generation),
    );
  }

  /**
   * True if a person that had seen a kill of the same scope and at least the same strength released it at the same time: two kills of the
   * same scope are one, and this one came first.
   */
  isReleasedWithItsTwin({ order: { provider, cause }, at }: SentKill): boolean {
    const isTwin = ({ seen }: Release) => seen.cause === "integrity" || seen.cause === cause;
    return this.#releasesOf(provider).some((it) => it.doneAt >= at && isTwin(it));
  }

  #releasesOf(provider: string | undefined): readonly Release[] {
    return [...this.#releases].filter((it) => it.provider === provider);
  }

  async give(act: Act, controller: ModelController): Promise<void> {
    if (!controller.isAlive) return;
    if (act.do === "reconcile") await controller.reconcile();
    else if (act.do === "kill") await this.#kill(act.order, controller);
    else if (act.do === "share") await this.#share(controller);
    else if (act.do === "release") await this.#release(act.provider, controller);
    // At least one controller must remain.
    else if (this.#model.controllers.every(({ isAlive }) => isAlive)) controller.crash();
  }

  async #kill(order: KillOrder, by: ModelController): Promise<void> {
    this.#count += 1;
    const at = this.#count;
    const reason = `kill ${at}`;
    const before = this.#model.sent.length;
    await by.plane.kill(order, { by: "alert", reason });
    const isIts = ({ state }: ControlDocument) => killIn(state, order.provider)?.reason === reason;
    const document = this.#model.sent.slice(before).find(isIts);
    if (document !== undefined) this.kills.push({ order, document, by, at });
  }

  /** To a share that was not ordered before. */
  async #share({ plane }: ModelController): Promise<void> {
    this.#count += 1;
    const patch = { providers: { openai: { traffic_percentage: this.#count } } };
    await plane.change((state) => mergeFlags(state, patch), { by: "admin", reason: "a share" });
  }

  async #release(provider: string | undefined, { plane }: ModelController): Promise<void> {
    const state = plane.current?.state;
    const seen = state && killIn(state, provider);
    if (state === undefined || seen === undefined) return;
    const order = { enabled: false, reason: "over", ...(provider !== undefined && { provider }) };
    const release = { provider, seen, seenGeneration: state.generation, doneAt: Number.POSITIVE_INFINITY };
    this.#releases.add(release);
    try {
      await plane.change(releaseSeen(order, state), { by: "admin", reason: "over" });
      release.doneAt = this.#count;
    } catch (error) {
      this.#releases.delete(release);
      if (!isScbeError(error, "CONFLICT")) throw error;
    }
  }
}

export function shareOf({ state }: ControlDocument): number | undefined {
  return state.scbe_envelope_verification.providers.openai?.traffic_percentage;
}

/** True if a state kills the ordered scope for a cause that is at least as strong. */
export function isKilled({ kill_switch: { all, providers } }: ControlState, order: KillOrder): boolean {
  const own = order.provider === undefined ? undefined : providers[order.provider];
  return [all, own].some((it) => it?.cause === "integrity" || it?.cause === order.cause);
}

function killIn(
  { kill_switch: { all, providers } }: ControlState,
  provider: string | undefined,
): Kill | undefined {
  return (provider === undefined ? all : providers[provider]) ?? undefined;
}
