import { splitEnvelope } from "@scbe/envelope";
import type { TappedMessage } from "../plain-nats/tap.ts";
import { Finder, type Needle, needlesOfSecret } from "./find-bytes.ts";
import type { KnownKeys, SessionNames } from "./known-keys.ts";

/** The headers of all envelopes that were heard, one for each session. */
export function sessionsHeard(messages: readonly TappedMessage[]): SessionNames[] {
  const sessions = new Map<string, SessionNames>();
  for (const { data } of messages) {
    const header = headerIn(data);
    if (header !== undefined) sessions.set(header.session_id, header);
  }
  return [...sessions.values()];
}

/** Everything in `messages` that is looked for: what, and on which subject. */
export function heard(messages: readonly TappedMessage[], needles: readonly Needle[]): string[] {
  const finder = new Finder(needles);
  const found = messages.flatMap(({ subject, bytes }) =>
    finder.find(bytes).map((what) => `${what} on ${subject}`),
  );
  return [...new Set(found)];
}

/** The questions to the envelope service and its answers, where bodies are in the clear by design, and the rest. */
export function atEnvelopeService(messages: readonly TappedMessage[]): {
  inside: TappedMessage[];
  outside: TappedMessage[];
} {
  const isQuestion = ({ subject }: TappedMessage): boolean => subject.startsWith("scbe.v1.envelope.");
  const answersGoTo = new Set(messages.filter(isQuestion).map(({ reply }) => reply));
  const isInside = (message: TappedMessage): boolean =>
    isQuestion(message) || answersGoTo.has(message.subject);
  return {
    inside: messages.filter(isInside),
    outside: messages.filter((message) => !isInside(message)),
  };
}

/** Every key there is: the data key, all that is derived from it for the deployment, and the keys of all sessions heard. */
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

function headerIn(data: Buffer): SessionNames | undefined {
  const text = splitEnvelope(data)?.headerText;
  if (text?.startsWith('{"commitment":') !== true) return undefined;
  try {
    return JSON.parse(text) as SessionNames;
  } catch {
    return undefined;
  }
}
