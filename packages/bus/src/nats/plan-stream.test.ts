import { STORES } from "@scbe/contracts";
import type { StreamConfig } from "nats";
import { describe, expect, it } from "vitest";
import { planStream, wantedStream } from "./plan-stream.ts";

const wanted = wantedStream(STORES.keyring, { env: "dev", replicas: 1 });
const existing = (changes: object = {}): StreamConfig =>
  ({ ...wanted, ...changes }) as unknown as StreamConfig;

describe("a stream", () => {
  it("that is missing is created, and one that is as wanted is kept", () => {
    expect(planStream(wanted, undefined)).toEqual({ does: "create" });
    expect(planStream(wanted, existing())).toEqual({ does: "keep" });
  });

  it.each([
    ["max_bytes", 5],
    ["max_msg_size", -1],
    ["num_replicas", 3],
    ["allow_direct", false],
    ["subjects", ["$KV.SCBE_KEYRING.>", "$KV.ANOTHER.>"]],
    ["description", "SCBE dev: what an older version said of it"],
  ])("whose %s differs is updated", (field, value) => {
    const plan = planStream(wanted, existing({ [field]: value }));
    expect(plan).toEqual({ does: "update", changes: [expect.stringContaining(`${field} from `)] });
  });

  it.each([
    ["another environment's stamp", { description: "SCBE prod: the ring" }, '"SCBE prod: the ring"'],
    ["no stamp", { description: undefined }, '"" of itself'],
    ["memory storage", { storage: "memory" }, "storage is memory"],
    ["another retention", { retention: "workqueue" }, "retention is workqueue"],
    ["a mirror", { mirror: { name: "ANOTHER" } }, "it has mirror"],
    ["sources", { sources: [{ name: "ANOTHER" }] }, "it has sources"],
    [
      "republishing, which would hand its messages on",
      { republish: { src: ">", dest: "x" } },
      "it has republish",
    ],
    ["purging forbidden", { deny_purge: true }, "deny_purge is set"],
    ["a seal", { sealed: true }, "it is sealed"],
  ])("with %s is refused", (_name, changes, problem) => {
    const plan = planStream(wanted, existing(changes));
    expect(plan).toEqual({ does: "refuse", problems: [expect.stringContaining(problem)] });
  });

  it("of another environment is not taken for this one by a description that merely contains the stamp", () => {
    const description = "mine, not SCBE dev: yours";
    expect(planStream(wanted, existing({ description }))).toMatchObject({ does: "refuse" });
  });
});
