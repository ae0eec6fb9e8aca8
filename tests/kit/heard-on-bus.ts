import { splitEnvelope } from "@scbe/envelope";
import type { JaegerServer } from "@scbe/testkit";
import { Finder, type Needle, needlesOfSecret, needlesOfWhole, withTexts } from "./find-bytes.ts";
import type { KnownKeys, SessionNames } from "./known-keys.ts";
import type { TappedMessage } from "./tap.ts";

/** The sessions of all envelopes in the messages. */
export function sessionsHeard(messages: readonly TappedMessage[]): SessionNames[] {
  const sessions = new Map<string, SessionNames>();
  for (const { data } of messages) {
    const header = headerIn(data);
    if (header !== undefined) sessions.set(header.session_id, header);
  }
  return [...sessions.values()];
}

/** The needles found in the messages, each with its subject. */
export function heard(messages: readonly TappedMessage[], needles: readonly Needle[]): string[] {
  const finder = new Finder(needles);
  const found = messages.flatMap(({ subject, bytes }) =>
    finder.find(bytes).map((what) => `${what} on ${subject}`),
  );
  return [...new Set(found)];
}

/** Splits off the requests to the envelope service and its replies, in which bodies are in the clear by design. */
export function atEnvelopeService(messages: readonly TappedMessage[]): {
  inside: TappedMessage[];
  outside: TappedMessage[];
} {
  const isRequest = ({ subject }: TappedMessage): boolean => subject.startsWith("scbe.v1.envelope.");
  const replySubjects = new Set(messages.filter(isRequest).map(({ reply }) => reply));
  const isInside = (message: TappedMessage): boolean =>
    isRequest(message) || replySubjects.has(message.subject);
  return {
    inside: messages.filter(isInside),
    outside: messages.filter((message) => !isInside(message)),
  };
}

/** The needles of all keys: the data key, the keys derived from it for the deployment, and those of the sessions. */
export function needlesOfKeys(
  keys: KnownKeys,
  served: { readonly providers: readonly string[]; readonly intents: readonly string[] },
  sessions: readonly SessionNames[],
): Needle[] {
  const subkeys = served.providers.flatMap((provider) =>
    served.intents.flatMap((intent) =>
      (["k_enc", "k_nonce", "k_log"] as const).flatMap((name) =>
        needlesOfSecret(`${name} of ${provider}/${intent}`, keys.subkey(name, provider, intent)),
      ),
    ),
  );
  const ofSessions = sessions.flatMap((session) =>
    needlesOfSecret(`the key of a session of ${session.provider}`, keys.session(session).key),
  );
  return [...needlesOfSecret("the data key", keys.ikm), ...subkeys, ...ofSessions];
}

/** Text that operators can read, and attackers who reach it. */
export interface Evidence {
  /** Where it was found, like `spans of keyring`. */
  readonly in: string;
  readonly bytes: Buffer;
}

export function evidence(place: string, text: string): Evidence {
  return { in: place, bytes: withTexts(text) };
}

/** Everything in Jaeger: names, attributes, events, statuses and resources of all services. */
export async function spansOfAll(jaeger: JaegerServer): Promise<Evidence[]> {
  const services = await jaeger.services();
  return Promise.all(
    services.map(async (service) => evidence(`spans of ${service}`, await jaeger.text(service))),
  );
}

/** The needles found in the evidence, each with its place. */
export function foundIn(all: readonly Evidence[], needles: readonly Needle[]): string[] {
  const finder = new Finder(needles);
  return all.flatMap(({ in: place, bytes }) => finder.find(bytes).map((what) => `${what} in the ${place}`));
}

/** The needles of the nonce, the replay nonce and the tag of every envelope. */
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

function needlesIn(header: HeardHeader | undefined, member: keyof HeardHeader, is: string): Needle[] {
  const value = header?.[member];
  return typeof value === "string" ? needlesOfWhole(is, Buffer.from(value, "base64url")) : [];
}

type HeardHeader = SessionNames & { readonly nonce?: unknown; readonly replay_nonce?: unknown };

function headerIn(data: Buffer): HeardHeader | undefined {
  const text = splitEnvelope(data)?.headerText;
  if (text?.startsWith('{"commitment":') !== true) return undefined;
  try {
    return JSON.parse(text) as HeardHeader;
  } catch {
    return undefined;
  }
}
