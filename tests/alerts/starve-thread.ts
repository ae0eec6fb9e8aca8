import { parentPort, workerData } from "node:worker_threads";

/** A thread that stops and resumes a process until it is terminated. It posts a message when it begins. */
const { pid, runsMs, stopsMs } = workerData as { pid: number; runsMs: number; stopsMs: number };
const unnotified = new Int32Array(new SharedArrayBuffer(4));

parentPort?.postMessage("begun");
for (;;) {
  process.kill(pid, "SIGSTOP");
  Atomics.wait(unnotified, 0, 0, stopsMs);
  process.kill(pid, "SIGCONT");
  Atomics.wait(unnotified, 0, 0, runsMs);
}
