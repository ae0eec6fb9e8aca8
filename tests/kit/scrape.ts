import type { ServiceProcess } from "./service-process.ts";

/** One line of a process's `/metrics`. */
export interface ScrapedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All metrics of a process. */
export async function scrape(service: Pick<ServiceProcess, "opsUrl">): Promise<ScrapedSample[]> {
  return parseScrape(await (await fetch(`${service.opsUrl}/metrics`)).text());
}

/** Parses Prometheus's text format. @throws Error at an invalid line */
export function parseScrape(text: string): ScrapedSample[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const match = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/i.exec(line);
      if (match?.[1] === undefined) throw new Error(`not a line of the text format: ${line}`);
      const labels = [...(match[2] ?? "").matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)];
      return {
        name: match[1],
        labels: Object.fromEntries(labels.map(([, label = "", value = ""]) => [label, value])),
        value: Number(match[3]),
      };
    });
}

/** The sum of a metric's samples with these labels. */
export function sumOf(
  samples: readonly ScrapedSample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  return samplesOf(samples, name, labels).reduce((sum, { value }) => sum + value, 0);
}

export function samplesOf(
  samples: readonly ScrapedSample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): ScrapedSample[] {
  const isMeant = (sample: ScrapedSample): boolean =>
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
  return samples.filter((sample) => sample.name === name && isMeant(sample));
}

/** The values of one metric of a process, by the text of its labels, like `phase="request",provider="openai"`. */
export async function readMetric(service: ServiceProcess, name: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${service.opsUrl}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, "gm"));
  return new Map([...lines].map(([, labels = "", value]) => [labels, Number(value)]));
}
