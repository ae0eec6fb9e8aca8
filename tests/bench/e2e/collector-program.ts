import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A trace collector: drops what it receives and answers 200 at once. With `BENCH_COLLECTOR_HANGS=1` it accepts connections,
 * reads what is written to them, and never answers.
 */
const hangs = process.env.BENCH_COLLECTOR_HANGS === "1";
const server = createServer((request, response) => {
  request.resume();
  if (!hangs) request.once("end", () => response.end());
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.send?.(`http://127.0.0.1:${port}`);
});
process.once("disconnect", () => process.exit(0));
