import { splitEnvelope } from "@scbe/envelope";
import type { JaegerServer } from "@scbe/testkit";
import type { TappedMessage } from "../plain-nats/tap.ts";
import { Finder, type Needle, needlesOfWhole } from "./find-bytes.ts";
import { withTexts } from "./logs-in.ts";

/** Something that an operator, and whoever else comes to it, can read. */
export interface Evidence {
  /** Its place, as `spans of keyring`. */
  readonly in: string;
  readonly bytes: Buffer;
}

export function evidence(place: string, text: string): Evidence {
  return { in: place, bytes: withTexts(text) };
}

/** All that Jaeger has of any service: names, attributes, events, statuses and what the resources say. */
export async function spansOfAll(jaeger: JaegerServer): Promise<Evidence[]> {
  const services = await jaeger.services();
  return Promise.all(
    services.map(async (service) => evidence(`spans of ${service}`, await jaeger.text(service))),
  );
}

/** What of the needles is where. */
export function foundIn(all: readonly Evidence[], needles: readonly Needle[]): string[] {
  const finder = new Finder(needles);
  return all.flatMap(({ in: place, bytes }) => finder.find(bytes).map((what) => `${what} in the ${place}`));
}

/** The nonce, the replay nonce and the tag of every envelope that was heard. */
export function needlesOfEnvelopes(messages: readonly TappedMessage[]): Needle[] {
  return messages.flatMap(({ data }) => {
    const header = headerIn(data);
    return [
      ...needlesIn(header, "nonce", "a nonce"),
      ...needlesIn(header, "replay_nonce", "a replay nonce"),
      ...(header === undefined ? [] : needlesOfWhole("a tag", data.subarray(-16))),
    ];
  });
}

function needlesIn(header: Header | undefined, member: string, is: string): Needle[] {
  const value = header?.[member];
  return typeof value === "string" ? needlesOfWhole(is, Buffer.from(value, "base64url")) : [];
}

type Header = Readonly<Record<string, unknown>>;

function headerIn(data: Buffer): Header | undefined {
  const text = splitEnvelope(data)?.headerText;
  if (text?.startsWith('{"commitment":') !== true) return undefined;
  try {
    return JSON.parse(text) as Header;
  } catch {
    return undefined;
  }
}
