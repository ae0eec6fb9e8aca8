import type { Identity } from "@scbe/bus";
import {
  GrantAnswer,
  type GrantMeta,
  type GrantRequest,
  type Role,
  subjectOf,
  writeMessage,
} from "@scbe/contracts";
import { type AskedGrant, askGrant, readGrant } from "@scbe/envelope/grant";
import { createTestHost, type SecuredNats, type TestHost } from "@scbe/testkit";

export interface Wanted {
  readonly provider?: string;
  readonly intent?: string;
  /** Empty: the active one. */
  readonly kid?: string;
  readonly env?: "dev" | "staging" | "prod";
}

/** A user of the bus that requests subkeys. */
export interface Requester extends AsyncDisposable {
  readonly host: TestHost;
  readonly identity: Identity;
  /** A signed request and the keys that open its answer; by default for `openai`, `chat` and the active kid. */
  request(wanted?: Wanted): Promise<AskedGrant>;
  /** Sends a request, altered or not, on the subject of a provider. @throws the keyring's error */
  send(request: unknown, provider?: string): Promise<GrantAnswer>;
  /** Opens the answer. @throws Error when it is not the keyring's answer to this request */
  read(
    asked: AskedGrant,
    answer: GrantAnswer,
  ): Promise<{ readonly material: Buffer; readonly meta: GrantMeta }>;
  /** Requests a grant and opens it: 64 bytes and their metadata. */
  grant(wanted?: Wanted): Promise<{ readonly material: Buffer; readonly meta: GrantMeta }>;
}

/** Connects as the user of that name. `role`: the role whose inbox receives the answers; by default its own. */
export async function connectRequester(nats: SecuredNats, name: string, role?: Role): Promise<Requester> {
  const transport = { ...nats.transport(name), ...(role && { role }) };
  const host = await createTestHost({ transport, name });
  const { identity } = host;
  if (identity === undefined) throw new Error(`${name} has no identity`);
  const request = (wanted: Wanted = {}): Promise<AskedGrant> =>
    askGrant({ env: "dev", provider: "openai", intent: "chat", kid: "", ...wanted }, identity);
  const send = async (asked: unknown, provider = "openai"): Promise<GrantAnswer> => {
    const data = asked instanceof Uint8Array ? asked : writeMessage(asked);
    const answer = await host.bus.request(subjectOf("grant", { user: host.bus.user, provider }), data, {
      timeoutMs: 5000,
    });
    return GrantAnswer.parse(JSON.parse(Buffer.from(answer.data).toString()));
  };
  const read: Requester["read"] = async (asked, answer) => {
    const grant = await readGrant(
      { ...asked, answer: writeMessage(answer) },
      nats.credentials.keyringPublicKey,
    );
    if (!grant.ok) throw new Error(`the answer was refused: ${grant.reason}`);
    return { material: Buffer.from(grant.material), meta: grant.meta };
  };
  return {
    host,
    identity,
    request,
    send,
    read,
    grant: async (wanted = {}) => {
      const asked = await request(wanted);
      return read(asked, await send(asked.question, wanted.provider));
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/** A correctly signed request for `openai`, `chat` and the active kid, with any X25519 key. */
export function signGrantRequest(asker: Identity, publicKey: Uint8Array): GrantRequest {
  const facts = { env: "dev", provider: "openai", intent: "chat", kid: "", asker: asker.publicKey } as const;
  const parts = ["scbe/v1/grant-q", ...Object.values(facts)].map((part) => Buffer.from(part));
  const bytes = Buffer.concat([...parts, Buffer.from(publicKey)].flatMap((part) => [lengthOf(part), part]));
  return {
    v: 1,
    ...facts,
    public_key: Buffer.from(publicKey).toString("base64url"),
    signature: Buffer.from(asker.sign(bytes)).toString("base64url"),
  };
}

function lengthOf(part: Uint8Array): Uint8Array {
  return Uint8Array.of(part.length >> 8, part.length & 0xff);
}
