import { ScbeError } from "@scbe/contracts";
import { collectLogs } from "@scbe/testkit";
import { describe, expect, it } from "vitest";

const SECRET = "hunter2-never-shown";

describe("a log line", () => {
  it("is JSON with time, level in words, name, process and message", () => {
    const logs = collectLogs({ name: "keyring" });
    logs.log.warn({ kid: "k1" }, "a key is old");
    expect(logs.lines).toEqual([
      {
        level: "warn",
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        pid: process.pid,
        name: "keyring",
        kid: "k1",
        msg: "a key is old",
      },
    ]);
  });

  it("is not written below the level", () => {
    const logs = collectLogs({ level: "warn" });
    logs.log.info("not this");
    logs.log.error("this");
    expect(logs.lines.map(({ msg }) => msg)).toEqual(["this"]);
  });

  it("has only the number of bytes, at any depth, and never fails because of them", () => {
    const logs = collectLogs();
    const bytes = Buffer.from(SECRET);
    logs.log.info({ bytes, inner: { bytes: new Uint8Array(bytes), deeper: { bytes } } }, "bytes");
    const size = `[${SECRET.length} bytes]`;
    expect(logs.lines).toEqual([
      expect.objectContaining({ bytes: size, inner: { bytes: size, deeper: { bytes: size } } }),
    ]);
  });

  it.each([
    "seed",
    "secret",
    "password",
    "token",
    "authorization",
    "material",
    "ikm",
    "plaintext",
    "body",
    "NATS_CREDS",
    "REDIS_URL",
  ])("has no value of a field %s, at the top or up to two levels down", (field) => {
    const { text, lines } = collectLogsOf((logger) => {
      logger.info({ [field]: SECRET }, "of a field");
      logger.info({ request: { [field]: SECRET } }, "of a field");
      logger.info({ outer: { inner: { [field]: SECRET } } }, "of a field");
      logger.child({ [field]: SECRET }).info("of a child");
    });
    expect(lines).toHaveLength(4);
    expect(text).not.toContain(SECRET);
    expect(text.match(/\[redacted\]/g)).toHaveLength(4);
  });

  it("has no arguments of a failed Redis command, as an error or as a cause", () => {
    const redis = Object.assign(new Error("READONLY"), { command: { name: "set", args: ["key", SECRET] } });
    const { text } = collectLogsOf((logger) => {
      logger.error({ err: redis }, "the store failed");
      logger.error({ err: new ScbeError("NOT_READY", "the store is away", { cause: redis }) }, "not ready");
    });
    expect(text).not.toContain(SECRET);
    expect(text).toContain("READONLY");
  });

  it("has an error's code, its public text, and the cause for the operator", () => {
    const { lines } = collectLogsOf((logger) =>
      logger.error(
        { err: new ScbeError("NO_KEYS", "no key", { cause: new Error("the inner cause") }) },
        "failed",
      ),
    );
    expect(lines).toMatchObject([{ err: { code: "NO_KEYS", message: expect.stringContaining("no key") } }]);
    expect(JSON.stringify(lines)).toContain("the inner cause");
  });
});

function collectLogsOf(work: (log: ReturnType<typeof collectLogs>["log"]) => void) {
  const logs = collectLogs();
  work(logs.log);
  return logs;
}
