import { deepEqual, equal } from "node:assert/strict";
import {
  type Environment,
  firstHeader,
  HeldGeneration,
  HeldPlace,
  isInboxOf,
  KnownEpoch,
  LeaseRequest,
  namesIn,
  OUTCOME_REPORT_BYTES_MAX,
  OutcomeReport,
  PARAMETERS,
  patternOf,
  READ_QUESTION_BYTES_MAX,
  readAnswer,
  readEpoch,
  readMessage,
  readServiceError,
  readTimeoutMs,
  SUBJECTS,
  type SubjectKind,
  type SubjectNames,
  subjectOf,
} from "@scbe/contracts";
import { readTrustDocument } from "@scbe/verifier";
import { readVectors, type SpecCase } from "./vectors.ts";

const FILE = "messages";
const LEASE_BYTES_MAX = 400;

/** The reader of each carrier; docs/spec/wire-v1.md, "Vectors", defines them. */
const CARRIERS = {
  "ring.get": (bytes) => readMessage(bytes, HeldGeneration, READ_QUESTION_BYTES_MAX) !== undefined,
  "trust.get": (bytes) => readMessage(bytes, HeldPlace, READ_QUESTION_BYTES_MAX) !== undefined,
  epoch: (bytes) => readEpoch(bytes, "dev").ok,
  lease: (bytes) => readMessage(bytes, LeaseRequest, LEASE_BYTES_MAX) !== undefined,
  told: (bytes) => readMessage(bytes, OutcomeReport, OUTCOME_REPORT_BYTES_MAX) !== undefined,
  "trust.state": (bytes) => readTrustDocument(bytes) !== undefined,
} satisfies Record<string, (bytes: Uint8Array) => boolean>;

interface Named {
  readonly name: string;
}
interface Headed extends Named {
  readonly headers: Readonly<Record<string, string>>;
}
interface Vectors {
  readonly messages: readonly (Named & {
    readonly carrier: keyof typeof CARRIERS;
    readonly message?: string;
    readonly message_hex?: string;
    readonly ok: boolean;
  })[];
  readonly epochs: readonly (Named & {
    readonly env: Environment;
    readonly message: string;
    readonly ok: boolean;
    readonly reason?: string;
  })[];
  readonly epoch_sequences: readonly (Named & {
    readonly env: Environment;
    readonly heard: readonly { readonly as: "broadcast" | "answer"; readonly message: string }[];
    readonly epoch: string | null;
  })[];
  readonly subjects: readonly (Named & {
    readonly is: string;
    readonly subject: string;
    readonly names: SubjectNames | null;
  })[];
  readonly replies: readonly (Named & {
    readonly reply: string;
    readonly user: string;
    readonly roles: readonly string[];
    readonly ok: boolean;
  })[];
  readonly headers: readonly (Named & {
    readonly block: string;
    readonly header: string;
    readonly value: string | null;
  })[];
  readonly forms: readonly (Named & {
    readonly header: string;
    readonly value: string;
    readonly ok: boolean;
  })[];
  readonly timeouts: readonly (Named & {
    readonly value: string | null;
    readonly max: number;
    readonly ms: number;
  })[];
  readonly answers: readonly (Headed & { readonly due: "sealed" | "unsealed"; readonly is: string })[];
  readonly errors: readonly (Headed & { readonly code: string | null })[];
}

/** The vectors of JSON messages, the epoch, subjects, headers and answers. */
export function cases(): readonly SpecCase[] {
  const vectors = readVectors<Vectors>(FILE);
  return [
    ...each("message", vectors.messages, ({ carrier, message, message_hex: inHex, ok }) => {
      const bytes = inHex === undefined ? Buffer.from(message ?? "", "utf8") : Buffer.from(inHex, "hex");
      equal(CARRIERS[carrier](bytes), ok);
    }),
    ...each("epoch", vectors.epochs, ({ env, message, ok, reason }) => {
      const read = readEpoch(Buffer.from(message, "utf8"), env);
      deepEqual(read, ok ? { ok, record: JSON.parse(message) } : { ok, reason });
    }),
    ...each("epochs that are heard", vectors.epoch_sequences, ({ env, heard, epoch }) => {
      const known = new KnownEpoch(env);
      for (const { as, message } of heard) {
        const bytes = Buffer.from(message, "utf8");
        if (as === "broadcast") known.hear(bytes);
        else known.answered(bytes);
      }
      equal(known.record?.epoch ?? null, epoch);
    }),
    ...each("subject", vectors.subjects, ({ is, subject, names }) => {
      const kind = kindOf(is);
      deepEqual(namesIn(kind, subject) ?? null, names);
      if (names === null) return;
      equal(subjectOf(kind, names), subject);
      equal(patternOf(kind, names), subject);
    }),
    ...each("reply subject", vectors.replies, ({ reply, user, roles, ok }) => {
      equal(isInboxOf(reply, user, roles), ok);
    }),
    ...each("header", vectors.headers, ({ block, header, value }) => {
      equal(firstHeader(block, header) ?? null, value);
    }),
    ...each("form", vectors.forms, ({ header, value, ok }) => {
      equal(formOf(header).test(value), ok);
    }),
    ...each("timeout", vectors.timeouts, ({ value, max, ms }) => {
      equal(readTimeoutMs(value ?? undefined, max), ms);
    }),
    ...each("answer", vectors.answers, ({ headers, due, is }) => {
      equal(
        readAnswer((name) => headers[name], due),
        is,
      );
    }),
    ...each("error", vectors.errors, ({ headers, code }) => {
      equal(readServiceError((name) => headers[name])?.code ?? null, code);
    }),
  ];
}

function each<T extends Named>(
  what: string,
  vectors: readonly T[],
  run: (vector: T) => void,
): readonly SpecCase[] {
  return vectors.map((vector) => ({ file: FILE, name: `${what}: ${vector.name}`, run: () => run(vector) }));
}

function kindOf(base: string): SubjectKind {
  const found = (Object.keys(SUBJECTS) as SubjectKind[]).find((kind) => SUBJECTS[kind] === base);
  if (found === undefined) throw new Error(`${base} is not the base of a subject`);
  return found;
}

function formOf(header: string): RegExp {
  const found = Object.values(PARAMETERS).find((parameter) => parameter.header === header);
  if (found === undefined) throw new Error(`${header} is not a parameter`);
  return found.form;
}
