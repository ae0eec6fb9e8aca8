import { parentPort, workerData } from "node:worker_threads";

/** A thread that stops a process and has it go on, over and over, until it is terminated. Tells that it begins. */
const { pid, runsMs, standsMs } = workerData as { pid: number; runsMs: number; standsMs: number };
const nobody = new Int32Array(new SharedArrayBuffer(4));

parentPort?.postMessage("begun");
for (;;) {
  process.kill(pid, "SIGSTOP");
  Atomics.wait(nobody, 0, 0, standsMs);
  process.kill(pid, "SIGCONT");
  Atomics.wait(nobody, 0, 0, runsMs);
}
