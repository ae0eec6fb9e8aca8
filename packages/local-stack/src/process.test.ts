import { describe, expect, it } from "vitest";
import { startProcess } from "./process.ts";

const UNTIL_DISCONNECT = `
  process.once("disconnect", () => { console.log("bye"); process.exit(3); });
  console.log("up");
  setInterval(() => {}, 1000);
`;

describe("a process", () => {
  it("ends with all of its output read, also when its IPC channel was closed from here", async () => {
    await using child = startProcess(process.execPath, ["-e", UNTIL_DISCONNECT], { ipc: true });
    await child.output(/up/);
    child.child.disconnect();
    expect(await child.exited).toEqual({ code: 3, signal: null });
    expect(child.stdout).toBe("up\nbye\n");
  });

  it("reports its output when it ends without the expected output", async () => {
    await using child = startProcess(process.execPath, ["-e", "console.error('no room'); process.exit(1)"]);
    await expect(child.output(/ready/)).rejects.toThrow(/ended without saying \/ready\/:\n.*no room/s);
  });

  it("reports a program that does not exist", async () => {
    const child = startProcess("/nowhere/program", []);
    const exit = await child.exited.catch((error: Error) => error);
    expect(exit).not.toMatchObject({ code: 0 });
  });
});
