import type { Identity } from "@scbe/bus";
import { GrantAnswer, type GrantMeta, type Role, subjectOf, writeMessage } from "@scbe/contracts";
import { type AskedGrant, askGrant, readGrant } from "@scbe/envelope/grant";
import { createTestHost, type SecuredNats, type TestHost } from "@scbe/testkit";

export interface Wanted {
  readonly provider?: string;
  readonly intent?: string;
  /** Empty: the active one. */
  readonly kid?: string;
  readonly env?: "dev" | "staging" | "prod";
}

/** A user of the bus who asks for subkeys. */
export interface Asker extends AsyncDisposable {
  readonly host: TestHost;
  readonly identity: Identity;
  /** A signed question, and what opens its answer; `openai`, `chat` and the active kid unless told. */
  question(wanted?: Wanted): Promise<AskedGrant>;
  /** Sends a question, altered or not, on the subject of a provider. @throws what the keyring answers */
  send(question: unknown, provider?: string): Promise<GrantAnswer>;
  /** Opens the answer. @throws Error when it is not the keyring's to this question */
  read(
    asked: AskedGrant,
    answer: GrantAnswer,
  ): Promise<{ readonly material: Buffer; readonly meta: GrantMeta }>;
  /** Asks and opens: 64 bytes and what they are. */
  grant(wanted?: Wanted): Promise<{ readonly material: Buffer; readonly meta: GrantMeta }>;
}

/** Connects as the user of that name. `role`: whose inbox its answers are to come to; its own unless told. */
export async function connectAsker(nats: SecuredNats, name: string, role?: Role): Promise<Asker> {
  const transport = { ...nats.transport(name), ...(role && { role }) };
  const host = await createTestHost({ transport, name });
  const { identity } = host;
  if (identity === undefined) throw new Error(`${name} has no identity`);
  const question = (wanted: Wanted = {}): Promise<AskedGrant> =>
    askGrant({ env: "dev", provider: "openai", intent: "chat", kid: "", ...wanted }, identity);
  const send = async (asked: unknown, provider = "openai"): Promise<GrantAnswer> => {
    const data = asked instanceof Uint8Array ? asked : writeMessage(asked);
    const answer = await host.bus.request(subjectOf("grant", { user: host.bus.user, provider }), data, {
      timeoutMs: 5000,
    });
    return GrantAnswer.parse(JSON.parse(Buffer.from(answer.data).toString()));
  };
  const read: Asker["read"] = async (asked, answer) => {
    const grant = await readGrant(
      { ...asked, answer: writeMessage(answer) },
      nats.credentials.keyringPublicKey,
    );
    if (!grant.ok) throw new Error(`the answer was not used: ${grant.reason}`);
    return { material: Buffer.from(grant.material), meta: grant.meta };
  };
  return {
    host,
    identity,
    question,
    send,
    read,
    grant: async (wanted = {}) => {
      const asked = await question(wanted);
      return read(asked, await send(asked.question, wanted.provider));
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}
