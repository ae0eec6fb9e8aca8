import { randomBytes } from "node:crypto";
import { connectBench } from "./bench-bus.ts";
import { takeLoadOrders } from "./load.ts";

/** A bare NATS request of the same body. */
const body = randomBytes(1024);
const bus = await connectBench("bare-caller");
takeLoadOrders(() => bus.request("bench.bare", body, { timeout: 10_000 }));
