import { type ControlState, type Kill, ScbeError } from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import type { ChainEnd } from "../src/audit/chain.ts";
import type { Actor, AuditRecord, Changed, ControlPlane, KillOrder } from "../src/ports.ts";

/** A control plane without a store: its orders, in order, and the document in force. */
export interface MemoryPlane
  extends Pick<ControlPlane, "kill" | "current" | "onChange" | "change" | "verifiers" | "audience"> {
  readonly orders: readonly (KillOrder & Actor)[];
  /** {@link kill} waits for it first, and fails with it. */
  before: () => Promise<void>;
  /** A person switches everything back on. */
  release(): void;
}

export function memoryPlane(): MemoryPlane {
  const orders: (KillOrder & Actor)[] = [];
  const listeners = new Set<(document: ControlDocument) => void>();
  let state: ControlState = {
    v: 1,
    env: "dev",
    generation: 1,
    issued_at: 0,
    kill_switch: { all: null, providers: {} },
    scbe_envelope_verification: { enabled: true, providers: {} },
    fallback: { causes: [] },
    skew_window: null,
  };
  const documentOf = (): ControlDocument => ({
    state,
    digest: "",
    signed: { v: 1, payload: "", signature: "" },
  });
  const put = (kill_switch: ControlState["kill_switch"]): Changed => {
    const before = state;
    state = { ...state, generation: state.generation + 1, kill_switch };
    for (const listener of listeners) listener(documentOf());
    return { before, after: state };
  };
  const plane: MemoryPlane = {
    orders,
    before: () => Promise.resolve(),
    get current() {
      return documentOf();
    },
    kill: async (order, actor) => {
      await plane.before();
      orders.push({ ...order, ...actor });
      const { cause, provider } = order;
      const kill: Kill = { cause, ...actor, since: Date.now() };
      const { all, providers } = state.kill_switch;
      const held = provider === undefined ? all : providers[provider];
      if (held !== null && held !== undefined && held.cause === cause) return { before: state, after: state };
      return put(
        provider === undefined
          ? { all: kill, providers }
          : { all, providers: { ...providers, [provider]: kill } },
      );
    },
    change: () => Promise.reject(new ScbeError("INTERNAL", "not here")),
    release: () => void put({ all: null, providers: {} }),
    onChange: (listener) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    verifiers: () => [],
    audience: () => ({ hears: "none", expected: [], crowded: [], unnamed: [], recalls: true }),
  };
  return plane;
}

/** An audit that keeps its records. */
export function memoryAudit() {
  const records: AuditRecord[] = [];
  return {
    records,
    /** The last known entry; set by tests. */
    end: undefined as ChainEnd | undefined,
    append: (record: AuditRecord) => void records.push(record),
    read: () => Promise.resolve([]),
  };
}
