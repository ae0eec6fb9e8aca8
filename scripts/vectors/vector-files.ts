import { admissions } from "./admission-vectors.ts";
import { controls } from "./control-vectors.ts";
import { derivations, noises, waits } from "./derivation-vectors.ts";
import { fallbacks } from "./fallback-vectors.ts";
import { grants } from "./grant-vectors.ts";
import { jsonForms } from "./json-form-vectors.ts";
import { keyStates } from "./key-state-vectors.ts";
import { leases } from "./lease-vectors.ts";
import { headerForms } from "./member-forms.ts";
import { messages } from "./message-vectors.ts";
import { nkeys } from "./nkey-vectors.ts";
import { openedRequests } from "./opened-requests.ts";
import { openedResponses } from "./opened-responses.ts";
import { changedOnTheWay, refusedBytes } from "./refused-bytes.ts";
import { refusedHeaders } from "./refused-headers.ts";
import { requestsOfOtherMembers, responsesOfOtherMembers } from "./refused-members.ts";
import { requestsNotOpened } from "./refused-openings.ts";
import { requestsWrongTwice, responsesWrongTwice } from "./refused-orders.ts";
import { responsesNotOpened } from "./refused-responses.ts";
import { refusedSealings } from "./refused-sealings.ts";
import { requestsOfOtherSpellings, responsesOfOtherSpellings } from "./refused-spellings.ts";
import { rings } from "./ring-vectors.ts";
import { sealedSequences } from "./sealing-vectors.ts";
import { shares } from "./share-vectors.ts";
import { openingTokens } from "./token-vectors.ts";

/** A file of vectors: its path from the root, and its text. */
export interface VectorFile {
  readonly path: string;
  readonly text: string;
}

/** Every file of docs/spec/vectors. They are reproducible: no random values and no dates. */
export function vectorFiles(): readonly VectorFile[] {
  return [
    file("derivations", derivations()),
    file("requests", { vectors: openedRequests() }),
    file("requests-refused", {
      vectors: [
        ...refusedBytes(),
        ...refusedHeaders(),
        ...requestsOfOtherMembers(),
        ...requestsOfOtherSpellings(),
        ...requestsNotOpened(),
        ...changedOnTheWay(),
        ...requestsWrongTwice(),
      ],
    }),
    file("responses", { vectors: openedResponses() }),
    file("responses-refused", {
      vectors: [
        ...responsesOfOtherMembers(),
        ...responsesOfOtherSpellings(),
        ...responsesNotOpened(),
        ...responsesWrongTwice(),
      ],
    }),
    file("headers", { headers: headerForms() }),
    file("sealing", { sequences: sealedSequences(), refused: refusedSealings() }),
    file("json-form", jsonForms()),
    file("admission", admissions()),
    file("noise", { vectors: noises(), waits: waits() }),
    file("opening-tokens", openingTokens()),
    file("grants", grants()),
    file("messages", messages()),
    file("control", controls()),
    file("leases", leases()),
    file("shares", shares()),
    file("fallback", fallbacks()),
    file("key-states", keyStates()),
    file("nkeys", nkeys()),
    file("rings", rings()),
  ];
}

function file(name: string, content: object): VectorFile {
  return { path: `docs/spec/vectors/${name}.json`, text: `${print(content, "")}\n` };
}

/** JSON in the form of the project's formatter: an array of plain values on one line. */
function print(value: unknown, indent: string): string {
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.every(isPlain)) return `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
    return `[\n${value.map((item) => inner + print(item, inner)).join(",\n")}\n${indent}]`;
  }
  if (isPlain(value)) return JSON.stringify(value);
  const entries = Object.entries(value as object).filter(([, item]) => item !== undefined);
  if (entries.length === 0) return "{}";
  const lines = entries.map(([name, item]) => `${inner}${JSON.stringify(name)}: ${print(item, inner)}`);
  return `{\n${lines.join(",\n")}\n${indent}}`;
}

function isPlain(value: unknown): boolean {
  return typeof value !== "object" || value === null;
}
