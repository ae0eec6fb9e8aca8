import { type Load, measureLoad } from "./measure-load.ts";

/** What a caller's process is told to do, and what it says of it. */
export interface LoadOrder {
  readonly inFlight: number;
  readonly forMs: number;
}
export type LoadReport = Load | { readonly failed: string };

/** The caller's side: makes calls when it is told to, and lives as long as its parent. */
export function takeLoadOrders(call: () => Promise<unknown>): void {
  process.on("message", ({ inFlight, forMs }: LoadOrder) => {
    const report = (it: LoadReport): void => void process.send?.(it);
    measureLoad(call, inFlight, forMs).then(report, (error) => report({ failed: String(error) }));
  });
  process.once("disconnect", () => process.exit(0));
  process.send?.("ready");
}
