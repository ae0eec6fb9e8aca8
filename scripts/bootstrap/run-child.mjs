import { spawn } from "node:child_process";
import { constants as osConstants } from "node:os";
import { isExecutable } from "./tools.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** On Linux the kernel sends the child SIGTERM when this process is gone. */
const TETHER = ["/usr/bin/setpriv", "/bin/setpriv"].filter(isExecutable).slice(0, 1);
const TETHER_WORDS = ["--pdeathsig", "TERM", "--"];

/**
 * Runs a program in a process group of its own and passes each stop signal on once: one Ctrl-C reaches this process twice, from the
 * terminal and from npm.
 * @returns its exit, and the stop signal that was passed on: `{ code, signal, stoppedBy }`
 */
export function runChild(command, args, { cwd, env, stdio }) {
  const [program, ...words] =
    TETHER.length > 0 ? [...TETHER, ...TETHER_WORDS, command, ...args] : [command, ...args];
  const child = spawn(program, words, { cwd, env, stdio, detached: true });
  let stoppedBy;
  const passOn = SIGNALS.map((name) => [
    name,
    once(() => {
      stoppedBy = name;
      signalGroup(child, name);
    }),
  ]);
  for (const [name, listener] of passOn) process.on(name, listener);
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => reject(new Error(`${command} cannot be run: ${cause.message}`)));
    child.once("exit", (code, signal) => {
      for (const [name, listener] of passOn) process.off(name, listener);
      resolve({ code, signal, stoppedBy });
    });
  });
}

/** Runs a tool whose output is progress: all of it goes to stderr. @throws Error when it fails */
export async function runTool(command, args, { cwd, env }) {
  const { code, signal, stoppedBy } = await runChild(command, args, { cwd, env, stdio: ["ignore", 2, 2] });
  if (stoppedBy !== undefined) process.exit(exitCodeOf(stoppedBy));
  if (code === 0) return;
  throw new Error(`${[command, ...args].join(" ")} failed (${signal ?? `exit code ${code}`})`);
}

/** Ends this process as the child ended. */
export function endLike({ code, signal }) {
  process.exitCode = code ?? exitCodeOf(signal);
}

function exitCodeOf(signal) {
  return 128 + (osConstants.signals[signal] ?? 0);
}

/** npm passes INT and TERM on, but not a SIGKILL: stops when npm is gone. */
export function stopWithNpm() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const npm = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(watch);
    process.kill(process.pid, "SIGTERM");
  }, 500);
  watch.unref();
}

function signalGroup(child, name) {
  try {
    process.kill(-child.pid, name);
  } catch {
    // It has ended.
  }
}

function once(work) {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}

/** Settings of npm for registries. All others are for the npm that runs this process, not for the ones that it runs. */
const KEPT = /^npm_config_(cafile|cache|registry|proxy|https_proxy|http_proxy|noproxy)$/i;

/** A copy of `environment` without what npm adds for its scripts. */
export function withoutNpm(environment) {
  const entries = Object.entries(environment).filter(([name]) => !/^npm_/i.test(name) || KEPT.test(name));
  return Object.fromEntries(entries);
}

/** `npm start --once` does not pass the flag on; npm sets `npm_config_once` instead. @returns such flags */
export function npmFlags(names) {
  return names.filter((name) => process.env[`npm_config_${name}`] === "true").map((name) => `--${name}`);
}
