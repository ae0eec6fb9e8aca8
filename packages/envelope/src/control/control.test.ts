import { type ControlState, type FallbackCause, type Kill, writeMessage } from "@scbe/contracts";
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
const KILL: Kill = { cause: "integrity", reason: "nonce reuse", by: "test", since: 1 };
const SOFT: Kill = { ...KILL, cause: "availability" };
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
    fallback: { causes: [] },
    skew_window: null,
    ...change,
  };
}

const killed = (all: Kill | null, providers: Record<string, Kill> = {}) =>
  state({ kill_switch: { all, providers } });

describe("a control document", () => {
  test("is read as signed", () => {
    const document = signControl(state(), controller);
    expect(readControl(encodeControl(document), EXPECTED)).toEqual({ ok: true, document });
  });

  const bytesOf = (document: ControlDocument, change: object) =>
    writeMessage({ ...document.signed, ...change });

  test.each([
    ["that a stranger has signed", () => encodeControl(signControl(state(), stranger)), "signature"],
    [
      "of another environment",
      () => encodeControl(signControl(state({ env: "prod" }), controller)),
      "signature",
    ],
    [
      "of another environment, signed for this one",
      () => writeMessage({ v: 1, ...sign("state", "dev", state({ env: "prod" }), controller) }),
      "env",
    ],
    [
      "with a word changed",
      () => {
        const document = signControl(state(), controller);
        return bytesOf(document, {
          payload: document.signed.payload.replace('"enabled":true', '"enabled":false'),
        });
      },
      "signature",
    ],
    [
      "signed as a lease",
      () => writeMessage({ v: 1, ...sign("lease", "dev", state(), controller) }),
      "signature",
    ],
    [
      "signed, but not in canonical form",
      () => {
        const payload = JSON.stringify(state(), null, 1);
        const signature = sign("state", "dev", state(), controller).signature;
        return writeMessage({ v: 1, payload, signature });
      },
    ],
    [
      "with a member that this version does not know",
      () => writeMessage({ v: 1, ...sign("state", "dev", { ...state(), more: 1 }, controller) }),
    ],
    ...[["integrity"], ["flags", "availability"], ["flags", "flags"], ["everything"]].map(
      (causes): [string, () => Uint8Array, reason?: string] => [
        `whose choice of fallback is ${causes}`,
        () =>
          writeMessage({
            v: 1,
            ...sign("state", "dev", { ...state(), fallback: { causes } }, controller),
          }),
      ],
    ),
    [
      "of a kill with its own choice of unsealed traffic",
      () => {
        const kill = { ...SOFT, mode: "fallback" };
        const said = { ...state(), kill_switch: { all: kill, providers: {} } };
        return writeMessage({ v: 1, ...sign("state", "dev", said, controller) });
      },
    ],
    ["of a megabyte", () => Buffer.alloc(1_000_000, "a")],
    ["that is not JSON", () => Buffer.from("{")],
    ["of nothing", () => new Uint8Array(0)],
  ] as readonly [string, () => Uint8Array, reason?: string][])(
    "%s is refused",
    (_, bytes, reason = "malformed") => {
      expect(readControl(bytes(), EXPECTED)).toEqual({ ok: false, reason });
    },
  );

  test("of a higher generation always supersedes; of a lower one never", () => {
    const older = signControl(killed(KILL), controller);
    const newer = signControl(state({ generation: 8 }), controller);
    expect(supersedes(newer, older)).toBe(true);
    expect(supersedes(older, newer)).toBe(false);
    expect(supersedes(older, undefined)).toBe(true);
  });

  test("of the same generation wins by refusing and killing more, and readers of any order agree", () => {
    const chosen = { fallback: { causes: ["availability" as const] } };
    const documents = [
      killed(KILL),
      killed(null, { openai: KILL }),
      killed(null, { openai: KILL, xai: KILL }),
      state(),
      state({ issued_at: 9 }),
      state({ ...killed(SOFT), ...chosen }),
      state({ ...killed(null, { openai: SOFT, xai: KILL }), ...chosen }),
    ].map((it) => signControl(it, controller));
    const last = (seen: readonly ControlDocument[]) =>
      seen.reduce((held, next) => (supersedes(next, held) ? next : held));
    fc.assert(
      fc.property(fc.shuffledSubarray(documents, { minLength: documents.length }), (seen) => {
        expect(last(seen)).toBe(documents[0]);
      }),
    );
    for (const document of documents) expect(supersedes(document, document)).toBe(false);
    const [, ofOne, ofTwo, plain, other, allUnsealed, oneUnsealed] = documents;
    expect(last([ofOne, allUnsealed, ofTwo] as ControlDocument[])).toBe(ofTwo);
    expect(last([plain, allUnsealed, other] as ControlDocument[])).toBe(allUnsealed);
    expect(last([oneUnsealed, ofTwo] as ControlDocument[])).toBe(ofTwo);
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
    held,
    fallback: false,
    ...change,
  });
  const answer = (asked = question(), by = controller) => writeMessage(answerLease(asked, document, by));

  test("names the document in force, and brings it to a verifier that holds another one", () => {
    expect(readLease(answer(), NONCE, EXPECTED)).toMatchObject({ lease: { nonce: NONCE, ...held } });
    expect(readLease(answer(), NONCE, EXPECTED)).not.toHaveProperty("answer.state");
    for (const other of [null, { ...held, generation: 6 }, { ...held, digest: "A".repeat(43) }]) {
      expect(readLease(answer(question({ held: other })), NONCE, EXPECTED)).toMatchObject({
        answer: { state: document.signed },
      });
    }
  });

  test.each([
    ["recorded for another question", () => answer(question({ nonce: "BBECAwQFBgcICQoLDA0ODw" })), "nonce"],
    ["that a stranger has signed", () => answer(question(), stranger), "signature"],
    ["that is not JSON", () => Buffer.from("nothing"), "malformed"],
  ])("%s is refused", (_, bytes, reason) => {
    expect(readLease(bytes(), NONCE, EXPECTED)).toEqual({ ok: false, reason });
  });

  test("of another environment is refused", () => {
    expect(readLease(answer(), NONCE, { ...EXPECTED, env: "prod" })).toEqual({
      ok: false,
      reason: "signature",
    });
  });

  test("is never valid with a signature for a document", () => {
    const asLease = { kind: "lease", ...EXPECTED, schema: { parse: (value: unknown) => value } } as const;
    expect(readSigned(document.signed, asLease)).toEqual({ ok: false, reason: "signature" });
    expect(readSigned(document.signed, { ...asLease, kind: "state" }).ok).toBe(true);
  });
});

describe("a request's route", () => {
  const flagged = (enabled: boolean, traffic_percentage: number): Partial<ControlState> => ({
    scbe_envelope_verification: { enabled: true, providers: { openai: { enabled, traffic_percentage } } },
  });
  const OFF: Partial<ControlState> = { scbe_envelope_verification: { enabled: false, providers: {} } };
  const kills = (all: Kill | null, openai?: Kill): Partial<ControlState> => ({
    kill_switch: { all, providers: openai === undefined ? {} : { openai } },
  });
  const route = (change: Partial<ControlState>, causes: FallbackCause[], provider = "openai") =>
    routeOf(state({ ...change, fallback: { causes } }), provider, REQUEST);

  const SEALED = { way: "sealed" };
  const KILLED = { way: "refused", why: "kill_switch" };
  const UNSEALED = { way: "fallback", why: "kill_switch" };
  const FLAGGED = { way: "refused", why: "flag" };
  const UNSEALED_BY_FLAG = { way: "fallback", why: "flag" };
  /** Without a choice; with `availability`, with `flags`, with both. */
  test.each([
    ["nothing", {}, [SEALED, SEALED, SEALED, SEALED]],
    ["a kill of everything for availability", kills(SOFT), [KILLED, UNSEALED, KILLED, UNSEALED]],
    ["its own kill for availability", kills(null, SOFT), [KILLED, UNSEALED, KILLED, UNSEALED]],
    ["a kill of everything for integrity", kills(KILL), [KILLED, KILLED, KILLED, KILLED]],
    ["its own kill for integrity", kills(null, KILL), [KILLED, KILLED, KILLED, KILLED]],
    ["both, everything for availability", kills(SOFT, KILL), [KILLED, KILLED, KILLED, KILLED]],
    ["both, everything for integrity", kills(KILL, SOFT), [KILLED, KILLED, KILLED, KILLED]],
    ["both, for availability", kills(SOFT, SOFT), [KILLED, UNSEALED, KILLED, UNSEALED]],
    ["flags that are off", OFF, [FLAGGED, FLAGGED, UNSEALED_BY_FLAG, UNSEALED_BY_FLAG]],
    ["its flag that is off", flagged(false, 100), [FLAGGED, FLAGGED, UNSEALED_BY_FLAG, UNSEALED_BY_FLAG]],
    ["a share of nothing", flagged(true, 0), [FLAGGED, FLAGGED, UNSEALED_BY_FLAG, UNSEALED_BY_FLAG]],
    ["a kill beside flags", { ...OFF, ...kills(SOFT) }, [KILLED, UNSEALED, KILLED, UNSEALED]],
  ] as const)("under %s goes unsealed only for a cause that was chosen", (_, change, routes) => {
    const choices: FallbackCause[][] = [[], ["availability"], ["flags"], ["availability", "flags"]];
    expect(choices.map((causes) => route(change, causes))).toEqual(routes);
  });

  test("does not depend on the kill of another provider", () => {
    expect(route(kills(null, KILL), [], "xai")).toEqual(SEALED);
  });

  test("of a provider that the flags do not name is sealed, also if its name is a member of every object", () => {
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

  test("is inside a share as often as the share says, for each provider separately", () => {
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
