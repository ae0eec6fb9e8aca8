import assert from "node:assert/strict";
import { isInside } from "@scbe/envelope/control";
import { readVectors } from "./read-vectors.ts";
import type { SpecCase } from "./spec-case.ts";

interface ShareVector {
  readonly name: string;
  readonly provider: string;
  readonly request_id: string;
  readonly percentage: number;
  readonly inside: boolean;
}

export function cases(): SpecCase[] {
  const { vectors } = readVectors<{ vectors: readonly ShareVector[] }>("shares");
  return vectors.map((it) => ({ file: "shares", name: it.name, run: () => isWhereItIsSaid(it) }));
}

function isWhereItIsSaid({ provider, request_id, percentage, inside }: ShareVector): void {
  assert.equal(isInside(provider, request_id, percentage), inside);
}
