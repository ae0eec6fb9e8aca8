import { randomBytes } from "node:crypto";
import { type Fault, type FaultProxy, installMoto } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Aws, awsError, startAws } from "../../test/start-aws.ts";
import type { Kms } from "../kms.ts";
import { awsKms } from "./aws-kms.ts";

const KID = "k20260102-0123456789abcdef";
const TIMEOUT_MS = 300;
const moto = await installMoto();

describe.skipIf(!moto.ok)("AWS KMS, on moto's server", () => {
  let aws: Aws;
  let proxy: FaultProxy;
  let keyId: string;
  let kms: Kms;

  beforeAll(async () => {
    aws = await startAws();
    proxy = await aws.proxy();
    keyId = await aws.createKey();
    kms = awsKms({ keyId, env: "dev", timeoutMs: TIMEOUT_MS * 10 });
    await kms.generate(KID);
  });
  beforeEach(() => {
    proxy.fault = { kind: "pass" };
  });
  afterAll(async () => {
    kms?.[Symbol.dispose]();
    await aws?.[Symbol.asyncDispose]();
  });

  test("a data key is 32 bytes, names the key that wrapped it, and unwraps for its kid", async () => {
    const made = await kms.generate(KID);
    expect(made.plaintext).toHaveLength(32);
    expect(made.keyArn).toBe(keyId);
    expect(Buffer.from(made.wrapped).includes(Buffer.from(made.plaintext))).toBe(false);
    expect(await kms.unwrap({ kid: KID, ...made })).toEqual(made.plaintext);
  });

  test("a copy is refused for another kid or environment, and told apart from an outage", async () => {
    const made = await kms.generate(KID);
    const refusal = { code: "FORBIDDEN", message: "KMS refuses this copy (InvalidCiphertextException)" };
    await expect(kms.unwrap({ ...made, kid: `${KID}0` })).rejects.toMatchObject(refusal);
    using elsewhere = awsKms({ keyId, env: "staging", timeoutMs: 3000 });
    await expect(elsewhere.unwrap({ ...made, kid: KID })).rejects.toMatchObject(refusal);
  });

  test("a copy that is random, altered, or attributed to another key is refused", async () => {
    const made = await kms.generate(KID);
    const altered = Buffer.from(made.wrapped);
    altered.writeUInt8(altered.readUInt8(altered.length - 1) ^ 1, altered.length - 1);
    for (const wrapped of [altered, made.wrapped.subarray(0, -1), randomBytes(100)]) {
      await expect(kms.unwrap({ ...made, kid: KID, wrapped })).rejects.toMatchObject({ code: "FORBIDDEN" });
    }
    const keyArn = await aws.createKey();
    await expect(kms.unwrap({ ...made, kid: KID, keyArn })).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test("a copy is unwrapped by the key that wrapped it, whichever key wraps now", async () => {
    const made = await kms.generate(KID);
    using later = awsKms({ keyId: await aws.createKey(), env: "dev", timeoutMs: 3000 });
    expect(await later.unwrap({ kid: KID, ...made })).toEqual(made.plaintext);
    expect((await later.generate(KID)).keyArn).not.toBe(made.keyArn);
  });

  describe("when it fails", () => {
    const outages: [string, Fault][] = [
      ["closes connections", { kind: "refuse" }],
      ["never answers", { kind: "hang" }],
      ["throttles", awsError("ThrottlingException")],
      ["has an internal error", awsError("KMSInternalException", 500)],
      ["does not know these credentials", awsError("UnrecognizedClientException")],
      ["answers with something else", { kind: "answer", status: 200, body: "<html>" }],
      ["leaves out the key", { kind: "answer", status: 200, body: "{}" }],
      [
        "gives a key of another length",
        {
          kind: "answer",
          status: 200,
          body: JSON.stringify({ Plaintext: "AAAA", CiphertextBlob: "AAAA", KeyId: "x" }),
        },
      ],
    ];
    test.each(outages)(
      "a KMS that %s is away, for both calls, within three attempts",
      async (_case, fault) => {
        using impatient = awsKms({ keyId, env: "dev", timeoutMs: TIMEOUT_MS });
        const copy = { kid: KID, wrapped: randomBytes(100), keyArn: keyId };
        proxy.fault = fault;
        const before = proxy.requests;
        const start = performance.now();
        await expect(impatient.generate(KID)).rejects.toMatchObject({ code: "NOT_READY" });
        await expect(impatient.unwrap(copy)).rejects.toMatchObject({ code: "NOT_READY" });
        expect(proxy.requests - before).toBeLessThanOrEqual(6);
        expect(performance.now() - start).toBeLessThan(2 * (3 * TIMEOUT_MS + 3000));
        proxy.fault = { kind: "pass" };
        expect((await impatient.generate(KID)).plaintext).toHaveLength(32);
      },
    );

    test.each([
      "AccessDeniedException",
      "DisabledException",
      "KMSInvalidStateException",
      "NotFoundException",
    ])("%s concerns one key: its copies are refused, and it wraps nothing", async (type) => {
      const made = await kms.generate(KID);
      proxy.fault = awsError(type);
      await expect(kms.unwrap({ kid: KID, ...made })).rejects.toMatchObject({
        code: "FORBIDDEN",
        message: `KMS refuses this copy (${type})`,
      });
      await expect(kms.generate(KID)).rejects.toMatchObject({
        code: "NOT_READY",
        message: `KMS gives no data key (${type})`,
      });
    });

    test("a KMS that does not exist is away", async () => {
      const gone = await aws.proxy();
      await gone[Symbol.asyncDispose]();
      using unreachable = awsKms({ keyId, env: "dev", timeoutMs: TIMEOUT_MS });
      await expect(unreachable.generate(KID)).rejects.toMatchObject({ code: "NOT_READY" });
    });
  });
});
