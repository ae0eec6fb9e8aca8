import type { ServiceProcess } from "./service-process.ts";

/** The values of one metric of a process, by its labels as they are written: `phase="request",provider="openai"`. */
export async function readMetric(service: ServiceProcess, name: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${service.opsUrl}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, "gm"));
  return new Map([...lines].map(([, labels = "", value]) => [labels, Number(value)]));
}
