import { connectBench, reportReady } from "./bench-bus.ts";

/** The other end of a bare NATS request: sends back what it got. */
const bus = await connectBench("bare");
bus.subscribe("bench.bare", {
  queue: "bare",
  callback: (_error, message) => {
    message.respond(message.data);
  },
});
await bus.flush();
reportReady();
