import assert from "node:assert/strict";
import {
  ANSWERED_BY,
  isAnswerPermitted,
  type ResolvedRoute,
  resolveRoute,
  unsealedRefusal,
} from "@scbe/client/route";
import { isScbeError } from "@scbe/contracts";
import type { StalePolicy } from "@scbe/verifier";
import { type LeaseOf, type Reader, SpecReader } from "./control.ts";
import { readVectors, type SpecCase } from "./vectors.ts";

type Does =
  | { readonly does: "send" | "serve" }
  | { readonly does: "open"; readonly phase: "request" | "response" }
  | { readonly does: "answer"; readonly way: ResolvedRoute; readonly status: string };

type FallbackVector = Does & {
  readonly name: string;
  readonly document: string | null;
  readonly lease: LeaseOf;
  readonly policy: StalePolicy;
  readonly permitted: boolean;
  readonly provider: string;
  readonly request_id: string;
  readonly outcome: string;
  readonly why?: string;
  readonly error?: string;
};

interface FallbackFile extends Reader {
  readonly vectors: readonly FallbackVector[];
}

const FILE = readVectors<FallbackFile>("fallback");

export function cases(): SpecCase[] {
  return FILE.vectors.map((it) => ({ file: "fallback", name: it.name, run: () => decides(it) }));
}

function decides(vector: FallbackVector): void {
  const reader = SpecReader.having(FILE, vector);
  const { provider, request_id: requestId, permitted: fallbackAllowed } = vector;
  const asked = { provider, requestId, fallbackAllowed };
  const { outcome, why, error } = vector;
  assert.deepEqual(outcomeOf(reader, vector, asked), { outcome, why, error });
}

interface Asked {
  readonly provider: string;
  readonly requestId: string;
  readonly fallbackAllowed: boolean;
}

interface Outcome {
  readonly outcome: string;
  readonly why: string | undefined;
  readonly error: string | undefined;
}

function result(outcome: string, error?: string, why?: string): Outcome {
  return { outcome, why, error };
}

function sending({ rules }: SpecReader, asked: Asked): Outcome {
  const route = rules.route(asked.provider, asked.requestId);
  const why = "why" in route ? route.why : undefined;
  try {
    return result(resolveRoute(rules, asked));
  } catch (error) {
    assert(isScbeError(error));
    return result("refused", error.code, why);
  }
}

function serving({ rules }: SpecReader, asked: Asked): Outcome {
  const refusal = unsealedRefusal(rules, asked);
  return refusal === undefined ? result("taken") : result("refused", refusal.code);
}

function outcomeOf(reader: SpecReader, does: Does, asked: Asked): Outcome {
  const { rules } = reader;
  switch (does.does) {
    case "send":
      return sending(reader, asked);
    case "serve":
      return serving(reader, asked);
    case "open":
      return result(rules.permits(does.phase, asked.provider, asked.requestId) ? "opened" : "refused");
    case "answer": {
      const isTaken = ANSWERED_BY[does.way] === does.status && isAnswerPermitted(rules, does.way, asked);
      return result(isTaken ? "taken" : "ignored");
    }
  }
}
