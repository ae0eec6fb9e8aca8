import { randomBytes } from "node:crypto";
import type { BusMessage } from "@scbe/bus";
import { OPENING_TOKEN_INTENT, SERVICE_ERROR_HEADERS, SUBJECTS } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { localKms, readKeyFile } from "../src/edge/local-kms.ts";
import { connectRequester, type Requester, signGrantRequest } from "./requester.ts";
import { type Keyring, newKeyFile, openRingPlace, startKeyring } from "./start-keyring.ts";
import { startTappedNats, type TappedNats } from "./tap.ts";

/** A user beside the usual ones, with fewer intents. */
const narrow = { name: "narrow", role: "orchestrator" as const, providers: ["openai"], intents: ["chat"] };

const stack = new AsyncDisposableStack();
let tapped: TappedNats;
let keyring: Keyring;
let keyFile: string;
let orchestrator: Requester;
let gateway: Requester;
let limited: Requester;
let envelope: Requester;
/** May publish anything and receives answers like an orchestrator, but is not on the keyring's list of users. */
let stranger: Requester;

beforeAll(async () => {
  tapped = stack.use(await startTappedNats([narrow]));
  keyFile = stack.use(await newKeyFile()).path;
  const variables = { SCBE_KMS_KEY_FILE: keyFile, SCBE_INTENTS: "chat,tools" };
  keyring = stack.use(await startKeyring(tapped.nats, { variables }));
  orchestrator = stack.use(await connectRequester(tapped.nats, "orchestrator"));
  gateway = stack.use(await connectRequester(tapped.nats, "gateway-openai"));
  limited = stack.use(await connectRequester(tapped.nats, "narrow"));
  envelope = stack.use(await connectRequester(tapped.nats, "envelope"));
  stranger = stack.use(await connectRequester(tapped.nats, "tap", "orchestrator"));
  await keyring.serving();
});
afterAll(() => stack.disposeAsync());

describe("an authorized request", () => {
  test("is granted 64 bytes, the same for every user of that provider and intent", async () => {
    const grants = await Promise.all([orchestrator.grant(), gateway.grant(), limited.grant()]);
    expect(grants[0]?.material).toHaveLength(64);
    expect(new Set(grants.map(({ material }) => material.toString("hex"))).size).toBe(1);
  });

  test("is granted other bytes for every other provider and intent", async () => {
    const pairs = ["openai", "anthropic"].flatMap((provider) =>
      ["chat", "tools"].map((intent) => ({ provider, intent })),
    );
    const grants = await Promise.all(pairs.map((pair) => orchestrator.grant(pair)));
    const halves = grants.flatMap(({ material }) => [material.subarray(0, 32), material.subarray(32)]);
    expect(new Set(halves.map((half) => half.toString("hex"))).size).toBe(8);
  });

  test("grants an envelope service the keys of opening tokens, which no other role gets", async () => {
    const wanted = { intent: OPENING_TOKEN_INTENT };
    const { material } = await envelope.grant(wanted);
    expect(material).toHaveLength(64);
    expect(material).not.toEqual((await envelope.grant()).material);
    for (const user of [orchestrator, gateway, limited])
      await expect(user.grant(wanted)).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test("that names the active kid is granted the same as one without a kid", async () => {
    const active = await orchestrator.grant();
    expect(await orchestrator.grant({ kid: active.meta.kid })).toEqual(active);
  });

  test("triggers a broadcast of the ring, so that a new verifier need not wait for the next pass", async () => {
    let heard = 0;
    await using _rings = orchestrator.host.bus.subscribe(SUBJECTS.ring, () => {
      heard += 1;
    });
    // The second broadcast is that of a pass, and so two seconds before the next one.
    await eventually(() => heard >= 2);
    heard = 0;
    await Promise.all([orchestrator.grant(), orchestrator.grant()]);
    await eventually(() => heard === 1, { timeoutMs: 1000 });
  });

  test("is answered again when it is repeated, and only its own key opens the answer", async () => {
    const asked = await orchestrator.request();
    const first = await orchestrator.send(asked.question);
    const second = await orchestrator.send(asked.question);
    expect((await orchestrator.read(asked, first)).material).toEqual(
      (await orchestrator.read(asked, second)).material,
    );
    const { keys } = await stranger.request();
    await expect(stranger.read({ question: asked.question, keys }, second)).rejects.toThrow("sealed");
    const own = await orchestrator.request();
    await expect(orchestrator.read(own, second)).rejects.toThrow("signature");
  });

  test("is refused to another user that repeats it on its own subject", async () => {
    const { question } = await orchestrator.request();
    await expect(stranger.send(question)).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(await orchestrator.send(question)).toMatchObject({ v: 1 });
  });
});

describe("a request is refused", () => {
  const flipped = (text: string): string => `${text[0] === "A" ? "B" : "A"}${text.slice(1)}`;

  const refusals: [string, string, () => Promise<unknown>][] = [
    [
      "from an nkey that is not on the list, though the bus lets it through",
      "FORBIDDEN",
      async () => stranger.send((await stranger.request()).question),
    ],
    [
      "that names a user that did not sign it",
      "FORBIDDEN",
      async () =>
        stranger.send({ ...(await stranger.request()).question, asker: orchestrator.identity.publicKey }),
    ],
    [
      "whose signature has one character changed",
      "FORBIDDEN",
      async () => {
        const { question } = await orchestrator.request();
        return orchestrator.send({ ...question, signature: flipped(question.signature) });
      },
    ],
    [
      "whose key was replaced by the key of another user",
      "FORBIDDEN",
      async () => {
        const [theirs, ours] = [await orchestrator.request(), await stranger.request()];
        return stranger.send({ ...theirs.question, public_key: ours.question.public_key });
      },
    ],
    [
      "whose intent was changed after it was signed",
      "FORBIDDEN",
      async () => orchestrator.send({ ...(await orchestrator.request()).question, intent: "tools" }),
    ],
    [
      "for a provider that is not the user's, on that provider's subject",
      "FORBIDDEN",
      async () => stranger.send((await gateway.request({ provider: "anthropic" })).question, "anthropic"),
    ],
    [
      "of another user than the one in its subject",
      "FORBIDDEN",
      async () => stranger.send((await orchestrator.request()).question),
    ],
    ["for an intent that is not the user's", "FORBIDDEN", () => limited.grant({ intent: "tools" })],
    [
      "for another provider than the one in its subject",
      "BAD_REQUEST",
      async () =>
        orchestrator.send((await orchestrator.request({ provider: "anthropic" })).question, "openai"),
    ],
    [
      "for a provider that is not served",
      "BAD_REQUEST",
      async () => stranger.send((await orchestrator.request({ provider: "xai" })).question, "xai"),
    ],
    ["for an intent that is not served", "BAD_REQUEST", () => orchestrator.grant({ intent: "other" })],
    ["of another environment", "BAD_REQUEST", () => orchestrator.grant({ env: "staging" })],
    ["for an unknown kid", "NO_KEYS", () => orchestrator.grant({ kid: "k20200101-0000000000000000" })],
    ["that is not JSON", "BAD_REQUEST", () => orchestrator.send(Buffer.from("{"))],
    ["that is empty", "BAD_REQUEST", () => orchestrator.send(Buffer.alloc(0))],
    [
      "with an extra member",
      "BAD_REQUEST",
      async () => orchestrator.send({ ...(await orchestrator.request()).question, note: 1 }),
    ],
    [
      "whose key is a point of low order",
      "BAD_REQUEST",
      () => orchestrator.send(signGrantRequest(orchestrator.identity, Buffer.alloc(32))),
    ],
  ];

  test.each(refusals)("%s: %s, and the same text for every reason", async (_case, code, send) => {
    await expect(send()).rejects.toMatchObject({ code, message: "no grant" });
  });

  test("with an empty message whose headers hold the code and the text, and no reason", async () => {
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
  /** Halves of every key that this keyring knows: of the key file, the data key, and all its grants. */
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
    // The wrapped keys are not there either: the ring is stored in its own account.
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
  ])("would be missed by this test: a key that is published %s is found", async (_case, form) => {
    const part = randomBytes(16);
    expect(tapped.heardBytes(part)).toBe(false);
    tapped.bus.publish("test.leak", form(part));
    await eventually(() => tapped.heardBytes(part));
  });
});
