import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { ADMIT_ITEM_BYTES } from "@scbe/contracts";
import { Redis } from "ioredis";
import type { Msg, NatsConnection } from "nats";
import { connectBench, reportReady, takeLoadOrders } from "./worker.ts";

/*
 * The least that a sealed request costs: the hops of ours, batched admits and four raw AES-GCM operations, nothing else.
 *
 *   node stub-program.ts caller | gateway | guard
 */
const KEY = createSecretKey(Buffer.alloc(32, 7));
/** A sealed message is nonce (12) || header (600, as AAD) || ciphertext || tag (16), about the size of a real envelope. */
const HEADER_BYTES = 600;
const header = Buffer.alloc(HEADER_BYTES, 0x20);
const nonce = Buffer.alloc(12);
let counter = 0;

const PARTS: Readonly<Record<string, (bus: NatsConnection) => Promise<void>>> = { caller, gateway, guard };
const [, , part = ""] = process.argv;
await PARTS[part]?.(await connectBench(`stub-${part}`));

/** Seals the request and opens the answer. */
async function caller(bus: NatsConnection): Promise<void> {
  const body = randomBytes(1024);
  takeLoadOrders(async () => {
    const answer = await bus.request("bench.stub", rawSeal(body), { timeout: 10_000 });
    rawOpen(answer.data);
  });
}

/** Opens the requests of one event loop turn, has the guard admit them in one request, and seals each body as its answer. */
async function gateway(bus: NatsConnection): Promise<void> {
  let turn: Msg[] = [];
  bus.subscribe("bench.stub", {
    queue: "stub",
    callback: (_error, message) => {
      if (turn.push(message) === 1) setImmediate(admit);
    },
  });
  async function admit(): Promise<void> {
    const batch = turn;
    turn = [];
    const bodies = batch.map((message) => rawOpen(message.data));
    const verdicts = await bus.request("bench.stub-admit", randomBytes(batch.length * ADMIT_ITEM_BYTES), {
      timeout: 5000,
    });
    batch.forEach((message, index) => {
      if (verdicts.data[index] === 1) message.respond(rawSeal(bodies[index] ?? Buffer.alloc(0)));
    });
  }
  await bus.flush();
  reportReady();
}

/** One pipelined `SET NX` an item; no epochs, no check of the store. */
async function guard(bus: NatsConnection): Promise<void> {
  const redis = new Redis(process.env.BENCH_REDIS_URL ?? "");
  bus.subscribe("bench.stub-admit", {
    queue: "stub-guard",
    callback: async (_error, message) => {
      const pipeline = redis.pipeline();
      for (let at = 0; at < message.data.length; at += ADMIT_ITEM_BYTES) {
        const key = Buffer.from(message.data.subarray(at, at + 48)).toString("base64");
        pipeline.set(`stub:${key}`, "1", "PX", 60_000, "NX");
      }
      const results = (await pipeline.exec()) ?? [];
      message.respond(
        Uint8Array.from(results, ([error, value]) => (error === null && value === "OK" ? 1 : 0)),
      );
    },
  });
  await bus.flush();
  reportReady();
}

function rawSeal(body: Uint8Array): Buffer {
  nonce.writeUInt32BE(++counter, 8);
  const cipher = createCipheriv("aes-256-gcm", KEY, nonce, { authTagLength: 16 });
  cipher.setAAD(header);
  const ciphertext = cipher.update(body);
  cipher.final();
  return Buffer.concat([nonce, header, ciphertext, cipher.getAuthTag()]);
}

function rawOpen(sealed: Uint8Array): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const tagAt = bytes.length - 16;
  const decipher = createDecipheriv("aes-256-gcm", KEY, bytes.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(bytes.subarray(12, 12 + HEADER_BYTES));
  decipher.setAuthTag(bytes.subarray(tagAt));
  const body = decipher.update(bytes.subarray(12 + HEADER_BYTES, tagAt));
  decipher.final();
  return body;
}
