import type { ControlState, Kill } from "@scbe/contracts";
import fc from "fast-check";
import { createUser } from "nkeys.js";
import { describe, expect, test } from "vitest";
import type { Identity } from "../grant/index.ts";
import {
  answerLease,
  type ControlDocument,
  encodeControl,
  isInside,
  killOf,
  readControl,
  readLease,
  readSigned,
  routeOf,
  sign,
  signControl,
  supersedes,
} from "./index.ts";

function identity(): Identity {
  const pair = createUser();
  return { publicKey: pair.getPublicKey(), sign: (bytes) => pair.sign(bytes) };
}

const controller = identity();
const stranger = identity();
const EXPECTED = { env: "dev", publicKey: controller.publicKey } as const;
const NONCE = "AAECAwQFBgcICQoLDA0ODw";
const KILL: Kill = { mode: "disabled", cause: "integrity", reason: "nonce reuse", by: "test", since: 1 };
const REQUEST = "0189dcd5-1111-4222-8333-444455556666";

function state(change: Partial<ControlState> = {}): ControlState {
  return {
    v: 1,
    env: "dev",
    generation: 7,
    issued_at: 7,
    kill_switch: { all: null, providers: {} },
    scbe_envelope_verification: {
      enabled: true,
      providers: { openai: { enabled: true, traffic_percentage: 100 } },
    },
    skew_window: null,
    ...change,
  };
}

const killed = (all: Kill | null, providers: Record<string, Kill> = {}) =>
  state({ kill_switch: { all, providers } });

describe("a control document", () => {
  test("is read as it was signed", () => {
    const document = signControl(state(), controller);
    expect(readControl(encodeControl(document), EXPECTED)).toEqual(document);
  });

  const bytesOf = (document: ControlDocument, change: object) =>
    Buffer.from(JSON.stringify({ ...document.signed, ...change }));

  test.each([
    ["that a stranger has signed", () => encodeControl(signControl(state(), stranger))],
    ["of another environment", () => encodeControl(signControl(state({ env: "prod" }), controller))],
    [
      "with a word changed",
      () => {
        const document = signControl(state(), controller);
        return bytesOf(document, {
          payload: document.signed.payload.replace('"enabled":true', '"enabled":false'),
        });
      },
    ],
    [
      "signed as a lease",
      () => Buffer.from(JSON.stringify({ v: 1, ...sign("lease", "dev", state(), controller) })),
    ],
    [
      "signed, but in no canonical form",
      () => {
        const payload = JSON.stringify(state(), null, 1);
        const signature = sign("state", "dev", state(), controller).signature;
        return Buffer.from(JSON.stringify({ v: 1, payload, signature }));
      },
    ],
    [
      "with a member that this version does not know",
      () =>
        Buffer.from(JSON.stringify({ v: 1, ...sign("state", "dev", { ...state(), more: 1 }, controller) })),
    ],
    ["of a megabyte", () => Buffer.alloc(1_000_000, "a")],
    ["that is no JSON", () => Buffer.from("{")],
    ["of nothing", () => new Uint8Array(0)],
  ])("%s is none", (_, bytes) => {
    expect(readControl(bytes(), EXPECTED)).toBeUndefined();
  });

  test("of a higher generation supersedes, whatever it says; of a lower one never", () => {
    const older = signControl(killed(KILL), controller);
    const newer = signControl(state({ generation: 8 }), controller);
    expect(supersedes(newer, older)).toBe(true);
    expect(supersedes(older, newer)).toBe(false);
    expect(supersedes(older, undefined)).toBe(true);
  });

  test("of the same generation wins by how much it kills, and all who have seen any of them agree", () => {
    const documents = [
      killed(KILL),
      killed(null, { openai: KILL }),
      killed(null, { openai: KILL, xai: KILL }),
      state(),
      state({ issued_at: 9 }),
    ].map((it) => signControl(it, controller));
    const last = (seen: readonly ControlDocument[]) =>
      seen.reduce((held, next) => (supersedes(next, held) ? next : held));
    fc.assert(
      fc.property(fc.shuffledSubarray(documents, { minLength: documents.length }), (seen) => {
        expect(last(seen)).toBe(documents[0]);
      }),
    );
    for (const document of documents) expect(supersedes(document, document)).toBe(false);
    const [, ofOne, ofTwo, plain, other] = documents;
    expect(last([ofOne, ofTwo, plain] as ControlDocument[])).toBe(ofTwo);
    expect(last([plain, other] as ControlDocument[])).toBe(last([other, plain] as ControlDocument[]));
  });
});

describe("a lease", () => {
  const document = signControl(state(), controller);
  const held = { generation: 7, digest: document.digest };
  const question = (change = {}) => ({
    v: 1 as const,
    nonce: NONCE,
    verifier: "0189dcd5-1111-4222-8333-444455556666",
    name: "gateway-openai",
    held,
    ...change,
  });
  const answer = (asked = question(), by = controller) =>
    Buffer.from(JSON.stringify(answerLease(asked, document, by)));

  test("names what is in force, and brings it to whoever holds something else", () => {
    expect(readLease(answer(), NONCE, EXPECTED)).toMatchObject({ lease: { nonce: NONCE, ...held } });
    expect(readLease(answer(), NONCE, EXPECTED)?.answer.state).toBeUndefined();
    for (const other of [null, { ...held, generation: 6 }, { ...held, digest: "A".repeat(43) }]) {
      expect(readLease(answer(question({ held: other })), NONCE, EXPECTED)?.answer.state).toEqual(
        document.signed,
      );
    }
  });

  test.each([
    ["recorded for another question", () => answer(question({ nonce: "BBECAwQFBgcICQoLDA0ODw" }))],
    ["that a stranger has signed", () => answer(question(), stranger)],
    ["that is no JSON", () => Buffer.from("nothing")],
  ])("%s is none", (_, bytes) => {
    expect(readLease(bytes(), NONCE, EXPECTED)).toBeUndefined();
  });

  test("of another environment is none", () => {
    expect(readLease(answer(), NONCE, { ...EXPECTED, env: "prod" })).toBeUndefined();
  });

  test("is nothing that a signature for a document could stand for", () => {
    const asLease = { kind: "lease", ...EXPECTED, schema: { parse: (value: unknown) => value } } as const;
    expect(readSigned(document.signed, asLease)).toEqual({ ok: false, reason: "signature" });
    expect(readSigned(document.signed, { ...asLease, kind: "state" }).ok).toBe(true);
  });
});

describe("a request's route", () => {
  test("is as its provider's kill says, and else as its flags do", () => {
    const flag = (enabled: boolean, traffic_percentage: number) =>
      state({
        scbe_envelope_verification: { enabled: true, providers: { openai: { enabled, traffic_percentage } } },
      });
    const route = (it: ControlState, provider = "openai") => routeOf(it, provider, REQUEST);
    const fallback = { ...KILL, mode: "fallback", cause: "availability" } as const;
    expect(route(state())).toEqual({ way: "sealed" });
    expect(route(killed(KILL))).toEqual({ way: "refused", why: "kill_switch" });
    expect(route(killed(fallback))).toEqual({ way: "fallback", why: "kill_switch" });
    expect(route(killed(null, { openai: KILL }))).toEqual({ way: "refused", why: "kill_switch" });
    expect(route(killed(null, { openai: KILL }), "xai")).toEqual({ way: "sealed" });
    expect(killOf(killed(KILL, { openai: fallback }), "openai")).toBe(KILL);
    expect(killOf(killed(fallback, { xai: KILL }), "openai")).toBe(fallback);
    expect(route(killed(fallback, { openai: KILL }))).toEqual({ way: "refused", why: "kill_switch" });
    expect(route(flag(false, 100))).toEqual({ way: "fallback", why: "flag" });
    expect(route(flag(true, 0))).toEqual({ way: "fallback", why: "flag" });
    const off = state({ scbe_envelope_verification: { enabled: false, providers: {} } });
    expect(route(off)).toEqual({ way: "fallback", why: "flag" });
  });

  test("of a provider that the flags do not name is sealed, also of one that every object has", () => {
    expect(routeOf(state(), "xai", REQUEST)).toEqual({ way: "sealed" });
    expect(routeOf(state(), "constructor", REQUEST)).toEqual({ way: "sealed" });
    expect(killOf(state(), "constructor")).toBeUndefined();
  });

  test("stays inside as its share grows", () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 100 }),
        (id, a, b) => {
          const [small, large] = [Math.min(a, b), Math.max(a, b)];
          if (isInside("openai", id, small)) expect(isInside("openai", id, large)).toBe(true);
        },
      ),
    );
  });

  test("is inside of a share as often as the share says, of each provider by itself", () => {
    const ids = Array.from({ length: 20_000 }, () => crypto.randomUUID());
    for (const percentage of [5, 25, 50]) {
      const inside = ids.filter((id) => isInside("openai", id, percentage)).length / ids.length;
      expect(Math.abs(inside - percentage / 100)).toBeLessThan(0.02);
    }
    const both =
      ids.filter((id) => isInside("openai", id, 50) && isInside("xai", id, 50)).length / ids.length;
    expect(Math.abs(both - 0.25)).toBeLessThan(0.02);
    expect(ids.some((id) => isInside("openai", id, 0))).toBe(false);
    expect(ids.every((id) => isInside("openai", id, 100))).toBe(true);
  });
});
