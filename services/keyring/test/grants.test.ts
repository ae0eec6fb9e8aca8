import { randomBytes } from "node:crypto";
import type { BusMessage } from "@scbe/bus";
import { OPENING_TOKEN_INTENT, SERVICE_ERROR_HEADERS, SUBJECTS } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readKeyFile } from "../src/edge/key-file.ts";
import { localKms } from "../src/edge/local-kms.ts";
import { type Asker, connectAsker } from "./asker.ts";
import { signGrantRequest } from "./sign-question.ts";
import { type Keyring, newKeyFile, openRingPlace, startKeyring } from "./start-keyring.ts";
import { startTappedNats, type TappedNats } from "./tap.ts";

/** Users beside the usual ones: one of fewer intents, and one that the bus lets ask for more than the list does. */
const narrow = { name: "narrow", role: "orchestrator" as const, providers: ["openai"], intents: ["chat"] };

const stack = new AsyncDisposableStack();
let tapped: TappedNats;
let keyring: Keyring;
let keyFile: string;
let orchestrator: Asker;
let gateway: Asker;
let limited: Asker;
let envelope: Asker;
/** Free to publish anything, and to be answered like an orchestrator; on the list its role is one that gets no subkeys. */
let stranger: Asker;

beforeAll(async () => {
  tapped = stack.use(await startTappedNats([narrow]));
  keyFile = stack.use(await newKeyFile()).path;
  const variables = { SCBE_KMS_KEY_FILE: keyFile, SCBE_INTENTS: "chat,tools" };
  keyring = stack.use(await startKeyring(tapped.nats, { variables }));
  orchestrator = stack.use(await connectAsker(tapped.nats, "orchestrator"));
  gateway = stack.use(await connectAsker(tapped.nats, "gateway-openai"));
  limited = stack.use(await connectAsker(tapped.nats, "narrow"));
  envelope = stack.use(await connectAsker(tapped.nats, "envelope"));
  stranger = stack.use(await connectAsker(tapped.nats, "tap", "orchestrator"));
  await keyring.serving();
});
afterAll(() => stack.disposeAsync());

describe("a question that is the asker's to ask", () => {
  test("brings 64 bytes that are the same for everybody of that provider and intent", async () => {
    const grants = await Promise.all([orchestrator.grant(), gateway.grant(), limited.grant()]);
    expect(grants[0]?.material).toHaveLength(64);
    expect(new Set(grants.map(({ material }) => material.toString("hex"))).size).toBe(1);
  });

  test("brings other bytes for every other provider and intent", async () => {
    const pairs = ["openai", "anthropic"].flatMap((provider) =>
      ["chat", "tools"].map((intent) => ({ provider, intent })),
    );
    const grants = await Promise.all(pairs.map((pair) => orchestrator.grant(pair)));
    const halves = grants.flatMap(({ material }) => [material.subarray(0, 32), material.subarray(32)]);
    expect(new Set(halves.map((half) => half.toString("hex"))).size).toBe(8);
  });

  test("brings an envelope service the keys of opening tokens, which no other role gets", async () => {
    const wanted = { intent: OPENING_TOKEN_INTENT };
    const { material } = await envelope.grant(wanted);
    expect(material).toHaveLength(64);
    expect(material).not.toEqual((await envelope.grant()).material);
    for (const asker of [orchestrator, gateway, limited])
      await expect(asker.grant(wanted)).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test("that names the active kid brings what one without a kid does", async () => {
    const active = await orchestrator.grant();
    expect(await orchestrator.grant({ kid: active.meta.kid })).toEqual(active);
  });

  test("has the ring broadcast soon after, so that a newcomer need not wait for the next turn", async () => {
    let heard = 0;
    await using _rings = orchestrator.host.bus.subscribe(SUBJECTS.ring, () => {
      heard += 1;
    });
    // The second one is a turn's, and so two seconds before the next.
    await eventually(() => heard >= 2);
    heard = 0;
    await Promise.all([orchestrator.grant(), orchestrator.grant()]);
    await eventually(() => heard === 1, { timeoutMs: 1000 });
  });

  test("is answered again when it is repeated, to the key in it alone", async () => {
    const asked = await orchestrator.question();
    const first = await orchestrator.send(asked.question);
    const second = await orchestrator.send(asked.question);
    expect((await orchestrator.read(asked, first)).material).toEqual(
      (await orchestrator.read(asked, second)).material,
    );
    const { keys } = await stranger.question();
    await expect(stranger.read({ question: asked.question, keys }, second)).rejects.toThrow("sealed");
    const own = await orchestrator.question();
    await expect(orchestrator.read(own, second)).rejects.toThrow("signature");
  });

  test("is answered to no other user, who repeats it on a subject of its own", async () => {
    const { question } = await orchestrator.question();
    await expect(stranger.send(question)).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(await orchestrator.send(question)).toMatchObject({ v: 1 });
  });
});

describe("a question is refused", () => {
  const flipped = (text: string): string => `${text[0] === "A" ? "B" : "A"}${text.slice(1)}`;

  const refusals: [string, string, () => Promise<unknown>][] = [
    [
      "of an nkey whose role gets no subkeys, though the bus lets it through",
      "FORBIDDEN",
      async () => stranger.send((await stranger.question()).question),
    ],
    [
      "that names an asker who did not sign it",
      "FORBIDDEN",
      async () =>
        stranger.send({ ...(await stranger.question()).question, asker: orchestrator.identity.publicKey }),
    ],
    [
      "whose signature has one character changed",
      "FORBIDDEN",
      async () => {
        const { question } = await orchestrator.question();
        return orchestrator.send({ ...question, signature: flipped(question.signature) });
      },
    ],
    [
      "whose key was exchanged for the one of somebody else",
      "FORBIDDEN",
      async () => {
        const [theirs, ours] = [await orchestrator.question(), await stranger.question()];
        return stranger.send({ ...theirs.question, public_key: ours.question.public_key });
      },
    ],
    [
      "whose intent was changed after it was signed",
      "FORBIDDEN",
      async () => orchestrator.send({ ...(await orchestrator.question()).question, intent: "tools" }),
    ],
    [
      "for a provider that is not the asker's, on that provider's subject",
      "FORBIDDEN",
      async () => stranger.send((await gateway.question({ provider: "anthropic" })).question, "anthropic"),
    ],
    [
      "of another user than its subject's",
      "FORBIDDEN",
      async () => stranger.send((await orchestrator.question()).question),
    ],
    ["for an intent that is not the asker's", "FORBIDDEN", () => limited.grant({ intent: "tools" })],
    [
      "for another provider than its subject's",
      "BAD_REQUEST",
      async () =>
        orchestrator.send((await orchestrator.question({ provider: "anthropic" })).question, "openai"),
    ],
    [
      "for a provider that is not served",
      "BAD_REQUEST",
      async () => stranger.send((await orchestrator.question({ provider: "xai" })).question, "xai"),
    ],
    ["for an intent that is not served", "BAD_REQUEST", () => orchestrator.grant({ intent: "other" })],
    ["of another environment", "BAD_REQUEST", () => orchestrator.grant({ env: "staging" })],
    [
      "for a kid that was never heard of",
      "NO_KEYS",
      () => orchestrator.grant({ kid: "k20200101-0000000000000000" }),
    ],
    ["that is no JSON", "BAD_REQUEST", () => orchestrator.send(Buffer.from("{"))],
    ["that is empty", "BAD_REQUEST", () => orchestrator.send(Buffer.alloc(0))],
    [
      "with a member too many",
      "BAD_REQUEST",
      async () => orchestrator.send({ ...(await orchestrator.question()).question, note: 1 }),
    ],
    [
      "whose key is no point that anything can be sealed to",
      "BAD_REQUEST",
      () => orchestrator.send(signGrantRequest(orchestrator.identity, Buffer.alloc(32))),
    ],
  ];

  test.each(refusals)("%s: %s, and the same text as any other", async (_case, code, ask) => {
    await expect(ask()).rejects.toMatchObject({ code, message: "no grant" });
  });

  test("by an empty message whose headers hold the code and the text, and no reason", async () => {
    const answers: BusMessage[] = [];
    await using _listening = tapped.bus.subscribe("_INBOX.orchestrator.orchestrator.>", (message) =>
      answers.push(message),
    );
    await tapped.bus.flush();
    await expect(orchestrator.grant({ env: "staging" })).rejects.toMatchObject({ code: "BAD_REQUEST" });
    const [answer] = await eventually(() => answers.length > 0 && answers);
    expect(answer?.data).toHaveLength(0);
    expect(answer?.header(SERVICE_ERROR_HEADERS.code)).toBe("BAD_REQUEST");
    expect(answer?.header(SERVICE_ERROR_HEADERS.text)).toBe("no grant");
    expect(keyring.host.logs.lines).toContainEqual(expect.objectContaining({ why: "env" }));
  });
});

test("grants and refusals are counted by their result", async () => {
  const before = await keyring.metric('scbe_keyring_grants_total{result="granted"}');
  await orchestrator.grant();
  await expect(orchestrator.grant({ kid: "none" })).rejects.toMatchObject({ code: "NO_KEYS" });
  expect(await keyring.metric('scbe_keyring_grants_total{result="granted"}')).toBe((before ?? 0) + 1);
  expect(await keyring.metric('scbe_keyring_grants_total{result="NO_KEYS"}')).toBeGreaterThan(0);
});

describe("no key byte", () => {
  /** Halves of every key that this keyring knows: of the key file, the data key, and all that it has granted. */
  async function secrets(): Promise<Buffer[]> {
    const fileKey = await readKeyFile(keyFile);
    await using place = await openRingPlace(tapped.nats);
    const key = (await place.store.read())?.ring.keys[0];
    if (key?.wrapped == null) throw new Error("no wrapped key is stored");
    const copy = { kid: key.kid, wrapped: Buffer.from(key.wrapped, "base64"), keyArn: key.wrapped_by };
    const ikm = await localKms(fileKey, "dev").unwrap(copy);
    const grants = [
      await orchestrator.grant(),
      await orchestrator.grant({ provider: "anthropic", intent: "tools" }),
    ];
    const keys = [fileKey.export(), Buffer.from(ikm), ...grants.map(({ material }) => material)];
    return keys.flatMap((bytes) =>
      Array.from({ length: bytes.length / 16 }, (_, part) => bytes.subarray(part * 16, (part + 1) * 16)),
    );
  }

  test("is ever in a message on the bus, or in the log", async () => {
    const parts = await secrets();
    expect(parts).toHaveLength(12);
    expect(tapped.heard.some((message) => message.includes("scbe.v1.keyring.grant."))).toBe(true);
    // Not even the wrapped keys: the ring is stored in an account of its own.
    expect(tapped.heard.some((message) => message.includes("$KV."))).toBe(false);
    expect(parts.filter((part) => tapped.heardBytes(part))).toEqual([]);
    const log = keyring.host.logs.text;
    expect(parts.filter((part) => log.includes(part.toString("hex")))).toEqual([]);
    expect(parts.filter((part) => log.includes(part.toString("base64").slice(0, 20)))).toEqual([]);
  });

  test.each<[string, (part: Buffer) => Buffer]>([
    ["as it is", (part) => part],
    ["in hex", (part) => Buffer.from(part.toString("hex"))],
    ["in base64", (part) => Buffer.from(part.toString("base64"))],
    [
      "in base64url, in the middle of other bytes",
      (part) => Buffer.from(Buffer.concat([Buffer.of(1), part, Buffer.of(2, 3)]).toString("base64url")),
    ],
  ])("would be missed by this test: one that is published %s is found", async (_case, form) => {
    const part = randomBytes(16);
    expect(tapped.heardBytes(part)).toBe(false);
    tapped.bus.publish("test.leak", form(part));
    await eventually(() => tapped.heardBytes(part));
  });
});
