import { randomUUID } from "node:crypto";
import { linkSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/*
 * Plain JavaScript for Node 20: the bootstrap takes this lock before Node 24 is installed.
 *
 * The lock of a folder is the file `lock.<n>` with the highest n, which names its holder. If that holder has ended, a process takes the lock by
 * creating `lock.<n+1>`, which the file system lets only one process do. The highest file is never removed, not even on release, so that no
 * number is used twice: otherwise a process that has read an old file could replace the lock of a process that came in between.
 */

/**
 * Takes the lock of a folder for this process, or returns the process that holds it. A process that has ended holds nothing, however it ended.
 * Processes of another container are not recognized: their ids mean nothing here.
 */
export function takeLock(folder) {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const highest = numbersIn(folder).at(-1) ?? 0;
    const holder = highest === 0 ? undefined : readHolder(join(folder, nameOf(highest)));
    if (holder !== undefined && isAlive(holder)) return { kind: "held", pid: holder.pid };
    const mine = highest + 1;
    if (!create(folder, mine)) continue;
    const all = numbersIn(folder);
    if (all.at(-1) !== mine) {
      rmSync(join(folder, nameOf(mine)), { force: true });
      continue;
    }
    for (const old of all.slice(0, -1)) rmSync(join(folder, nameOf(old)), { force: true });
    return { kind: "taken", release: () => release(join(folder, nameOf(mine))) };
  }
  throw new Error(`the lock in ${folder} changed hands ${TRIES_MAX} times during this attempt`);
}

const TRIES_MAX = 100;
const NAME = /^lock\.([1-9]\d{0,8})$/;

function nameOf(number) {
  return `lock.${number}`;
}

/** In ascending order. */
function numbersIn(folder) {
  return readdirSync(folder)
    .map((name) => Number(NAME.exec(name)?.[1] ?? 0))
    .filter((number) => number > 0)
    .sort((left, right) => left - right);
}

/** Creates the whole file at once. False if another process was faster. */
function create(folder, number) {
  const draft = join(folder, `lock.${randomUUID()}.new`);
  writeFileSync(draft, JSON.stringify({ pid: process.pid, started: startOf(process.pid) }), { mode: 0o600 });
  try {
    linkSync(draft, join(folder, nameOf(number)));
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** The file stays, without a holder. A missing file was removed together with all others. */
function release(path) {
  if (readHolder(path)?.pid === process.pid) truncateSync(path);
}

/** `undefined` if it was released, or is truncated, as after a crash of the machine. */
function readHolder(path) {
  try {
    const { pid, started } = JSON.parse(readFileSync(path, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? { pid, started } : undefined;
  } catch {
    return undefined;
  }
}

/** An id is reused after its process has ended: on Linux the start time distinguishes the two. */
function isAlive({ pid, started }) {
  if (process.platform === "linux") return started !== null && startOf(pid) === started;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** The boot of the machine and the start time of a process; null on other systems than Linux, and for a process that has ended. */
function startOf(pid) {
  if (process.platform !== "linux") return null;
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name before them may hold anything, so fields are counted from its closing bracket.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return ENDED.includes(fields[0]) ? null : `${boot} ${fields[STARTED]}`;
  } catch {
    return null;
  }
}

/** States of a process that has ended and is not reaped. */
const ENDED = ["Z", "X", "x"];
/** starttime, the 22nd field, counted from the third. */
const STARTED = 19;
