import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createTempDir, startProcess } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { quantile, type Row, runRow } from "./harness.ts";
import { readOptions } from "./options.ts";
import { renderTable } from "./report.ts";

describe("a row", () => {
  const row = (order: string[], ratio?: Row["ratio"]): Row => {
    const ours = [9, 10, 20, 30];
    const against = [9, 2, 2, 3];
    return {
      name: "row",
      unit: "us",
      better: "lower",
      rounds: 3,
      ours: () => take(ours, "ours"),
      against: () => take(against, "against"),
      ...(ratio && { ratio }),
    };
    function take(figures: number[], side: string): number {
      order.push(side);
      return figures.shift() ?? Number.NaN;
    }
  };

  test("is the median of its rounds, without the one that warms up", async () => {
    expect(await runRow(row([]))).toEqual({
      name: "row",
      unit: "us",
      better: "lower",
      ours: 20,
      against: 2,
      ratio: 10,
      spread: { ours: [15, 25], against: [2, 2.5], ratio: [7.5, 10] },
    });
  });

  test("can have a ratio of its own", async () => {
    expect(await runRow(row([], (ours, against) => against / ours))).toMatchObject({ ratio: 0.1 });
  });

  test("measures the sides in turns, and swaps their order each round", async () => {
    const order: string[] = [];
    await runRow(row(order));
    expect(order.join(" ")).toBe("ours against ours against against ours ours against");
  });

  test("a quantile between two figures lies between them", () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([7], 0.25)).toBe(7);
  });
});

describe("npm run bench", () => {
  const names = ["a", "b"];
  test.each([
    [[], { kind: "run", only: names, json: undefined }],
    [["--only", "b", "--json", "f"], { kind: "run", only: ["b"], json: "f" }],
    [["--help"], { kind: "help" }],
    [["--only", "c"], { kind: "wrong", problem: "there is no row c; there are a, b" }],
    [["--fast"], { kind: "wrong", problem: expect.stringContaining("--fast") }],
  ])("reads %j", (args, options) => {
    expect(readOptions(args, names)).toEqual(options);
  });

  test("renders a table with aligned columns", () => {
    const common = { unit: "us", better: "lower" } as const;
    const lines = renderTable([
      {
        ...{ ...common, name: "seal", ours: 8.04, against: 1234.5, ratio: 0.5 },
        spread: { ours: [8, 9.126], against: [1200, 1300], ratio: [0.4, 0.6] },
      },
      {
        ...{ ...common, name: "a-longer-name", ours: 150, against: 12.34, ratio: 12 },
        spread: { ours: [140, 150], against: [9, 13], ratio: [11, 13] },
      },
    ]).split("\n");
    expect(lines).toEqual([
      "row            ours  spread        against  spread        unit  ratio  spread          better",
      "-------------  ----  ------------  -------  ------------  ----  -----  --------------  ------",
      "seal           8.04  8.00 to 9.13  1235     1200 to 1300  us    0.50   0.40 to 0.60    lower",
      "a-longer-name  150   140 to 150    12.3     9.00 to 13.0  us    12.00  11.00 to 13.00  lower",
    ]);
  });

  test("explains every row with --help, and refuses an unknown row", async () => {
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    await using help = startProcess(process.execPath, [main, "--help"]);
    expect(await help.exited).toMatchObject({ code: 0 });
    for (const name of [
      "seal-1KiB-vs-raw",
      "open-1KiB-vs-jose",
      "e2e-64-vs-bare",
      "e2e-64-vs-hollow",
      "e2e-64-traced-1pct",
      "e2e-64-traced-100pct",
      "e2e-1-hanging-collector",
      "e2e-1-hanging-vs-taking",
    ]) {
      expect(help.stdout).toMatch(new RegExp(`^  ${name} +\\S`, "m"));
    }
    await using wrong = startProcess(process.execPath, [main, "--only", "nothing"]);
    expect(await wrong.exited).toMatchObject({ code: 2 });
    expect(wrong.stderr).toContain("there is no row nothing");
  });

  test("measures a single row, and writes it as JSON", { timeout: 60_000 }, async () => {
    using dir = createTempDir();
    const file = join(dir.path, "bench.json");
    const main = fileURLToPath(new URL("main.ts", import.meta.url));
    const name = "seal-1KiB-vs-raw";
    await using bench = startProcess(process.execPath, [main, "--only", name, "--json", file]);
    expect(await bench.exited).toMatchObject({ code: 0 });
    expect(bench.stdout).toContain(name);
    const figure = expect.any(Number);
    const range = [figure, figure];
    const spread = { ours: range, against: range, ratio: range };
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
      machine: expect.stringContaining(process.arch),
      node: process.versions.node,
      rows: [{ name, unit: "us", better: "lower", ours: figure, against: figure, ratio: figure, spread }],
    });
  });
});
