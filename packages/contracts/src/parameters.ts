import { ScbeError } from "./errors.ts";
import { base64UrlPattern } from "./exact-base64url.ts";
import { HEADERS } from "./headers.ts";
import { MODEL_PATTERN, NAME_PATTERN, REQUEST_ID_PATTERN } from "./names.ts";

/** The first value of a header, by its exact name. */
export type ReadHeader = (name: string) => string | undefined;

/** What the deployment serves. */
export interface Common {
  readonly providers: readonly string[];
  readonly intents: readonly string[];
}

/** Whom a request is for. */
export interface Names {
  readonly provider: string;
  readonly intent: string;
  readonly model: string;
}

/** What may be said of a body. */
export interface Content {
  readonly contentType?: string;
  readonly schemaHash?: string;
  readonly ttlSeconds?: number;
}

interface Parameter {
  readonly header: string;
  readonly form: RegExp;
  /** What the form is, in words. */
  readonly expected: string;
}

/** Every parameter that travels in a header of its own, and its exact form. */
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

/** What a message's subject says; where it names no intent, a header does. */
export interface SubjectFacts {
  readonly provider: string;
  readonly intent?: string;
}

type Name = keyof typeof PARAMETERS;

/** The parameters of one message, each read by its exact form. @throws ScbeError BAD_REQUEST naming the header at fault */
export class Parameters {
  readonly #subject: SubjectFacts;
  readonly #read: ReadHeader;
  readonly #common: Common;

  constructor(subject: SubjectFacts, read: ReadHeader, common: Common) {
    this.#subject = subject;
    this.#read = read;
    this.#common = common;
  }

  /** Whom the envelope is for. */
  names(): Names {
    const { provider, intent = this.required("intent") } = this.#subject;
    return {
      provider: served("provider", provider, this.#common.providers),
      intent: served("intent", intent, this.#common.intents),
      model: this.required("model"),
    };
  }

  /** The request that a response belongs to; `hash`: of its envelope, 32 bytes. */
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
 * What `scbe-timeout-ms` says: how long the asker still waits, in ms from the message's arrival. The header stands outside the
 * authenticated bytes: it can shorten `max`, and one that is absent or malformed changes nothing.
 */
export function readTimeoutMs(text: string | undefined, max: number): number {
  if (text === undefined || !/^[0-9]{1,9}$/.test(text)) return max;
  return Math.min(Number(text), max);
}
