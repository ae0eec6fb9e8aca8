import { expect, test } from "vitest";
import { versionProblem } from "./server-checks.ts";

test.each(["2.11.0", "2.11.14", "2.12.0", "2.12.1", "2.12.5", "2.12.0-RC.3", "2.11.0-preview.1"])(
  "a server of version %s is refused, with the versions to take",
  (version) => {
    expect(versionProblem(version)).toMatch(/CVE-2026-33249.*2\.11\.15, 2\.12\.6/);
  },
);

test.each(["2.9.10", "2.10.29", "2.11.15", "2.12.6", "2.12.10", "2.15.2", "3.0.0"])(
  "a server of version %s is accepted",
  (version) => {
    expect(versionProblem(version)).toBeUndefined();
  },
);
