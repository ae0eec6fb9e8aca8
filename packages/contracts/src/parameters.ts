import { ScbeError } from "./errors.ts";
import { HEADERS, type ReadHeader } from "./headers.ts";
import { base64UrlPattern } from "./message.ts";
import { MODEL_PATTERN, NAME_PATTERN, REQUEST_ID_PATTERN } from "./names.ts";

/** The providers and intents of the deployment. */
export interface Common {
  readonly providers: readonly string[];
  readonly intents: readonly string[];
}

/** The target of a request. */
export interface Names {
  readonly provider: string;
  readonly intent: string;
  readonly model: string;
}

/** Optional descriptions of a body. */
export interface Content {
  readonly contentType?: string;
  readonly schemaHash?: string;
  readonly ttlSeconds?: number;
}

interface Parameter {
  readonly header: string;
  readonly form: RegExp;
  /** The form in words. */
  readonly expected: string;
}

/** Every parameter with a header of its own, and its exact form. */
export const PARAMETERS = {
  model: {
    header: HEADERS.model,
    form: MODEL_PATTERN,
    expected: "1 to 128 of A-Z, a-z, 0-9 and ._:/@+-",
  },
  intent: {
    header: HEADERS.intent,
    form: NAME_PATTERN,
    expected: "1 to 64 of a-z, 0-9, _ and -, not _ or - first",
  },
  requestId: { header: HEADERS.requestId, form: REQUEST_ID_PATTERN, expected: "a UUID in lower case" },
  contentType: {
    header: HEADERS.contentType,
    form: /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,128}$/,
    expected: '1 to 128 printable ASCII characters without " and \\',
  },
  schemaHash: {
    header: HEADERS.schemaHash,
    form: /^(sha256:[0-9a-f]{64}|none)$/,
    expected: "sha256: and 64 lower-case hex digits, or none",
  },
  ttlSeconds: { header: HEADERS.ttlSeconds, form: /^[1-9]\d{0,3}$/, expected: "whole seconds, from 1" },
  inReplyTo: {
    header: HEADERS.inReplyTo,
    form: base64UrlPattern(32),
    expected: "base64url of 32 bytes, without padding",
  },
} as const satisfies Record<string, Parameter>;

/** The names in a message's subject; without an intent there, a header has it. */
export interface SubjectFacts {
  readonly provider: string;
  readonly intent?: string;
}

type Name = keyof typeof PARAMETERS;

/** The parameters of one message, each checked by its exact form. @throws ScbeError BAD_REQUEST that names the wrong header */
export class Parameters {
  readonly #subject: SubjectFacts;
  readonly #read: ReadHeader;
  readonly #common: Common;

  constructor(subject: SubjectFacts, read: ReadHeader, common: Common) {
    this.#subject = subject;
    this.#read = read;
    this.#common = common;
  }

  /** The target of the envelope. */
  names(): Names {
    const { provider, intent = this.required("intent") } = this.#subject;
    return {
      provider: served("provider", provider, this.#common.providers),
      intent: served("intent", intent, this.#common.intents),
      model: this.required("model"),
    };
  }

  /** The request of a response; `hash` is that of its envelope, 32 bytes. */
  binding(): Names & { readonly request_id: string; readonly hash: Uint8Array } {
    return {
      ...this.names(),
      request_id: this.required("requestId"),
      hash: Buffer.from(this.required("inReplyTo"), "base64url"),
    };
  }

  content(): Content {
    const contentType = this.optional("contentType");
    const schemaHash = this.optional("schemaHash");
    const ttl = this.optional("ttlSeconds");
    return {
      ...(contentType !== undefined && { contentType }),
      ...(schemaHash !== undefined && { schemaHash }),
      ...(ttl !== undefined && { ttlSeconds: Number(ttl) }),
    };
  }

  required(name: Name): string {
    const value = this.optional(name);
    if (value !== undefined) return value;
    const { header, expected } = PARAMETERS[name];
    throw new ScbeError("BAD_REQUEST", `the header ${header} is missing; expected ${expected}`);
  }

  optional(name: Name): string | undefined {
    const { header, form, expected } = PARAMETERS[name];
    const value = this.#read(header);
    if (value === undefined || form.test(value)) return value;
    throw new ScbeError("BAD_REQUEST", `the header ${header} is malformed; expected ${expected}`);
  }
}

function served(kind: "provider" | "intent", value: string, all: readonly string[]): string {
  if (all.includes(value)) return value;
  throw new ScbeError("BAD_REQUEST", `the ${kind} ${value} is not served here; served: ${all.join(", ")}`);
}

/**
 * Reads `scbe-timeout-ms`: how long the requester still waits, in ms from the message's arrival. The header is not authenticated: it can only
 * shorten `max`, and an absent or malformed one changes nothing.
 */
export function readTimeoutMs(text: string | undefined, max: number): number {
  if (text === undefined || !/^[0-9]{1,9}$/.test(text)) return max;
  return Math.min(Number(text), max);
}
