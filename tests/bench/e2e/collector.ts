import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Where traces are sent to: drops what it gets and says 200 at once. With `BENCH_COLLECTOR_HANGS=1` it takes connections and what
 * is written to them, and never says anything.
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
