import { admissions } from "./admission-vectors.ts";
import { derivations, noises } from "./derivation-vectors.ts";
import { grants } from "./grant-vectors.ts";
import { jsonForms } from "./json-form-vectors.ts";
import { openedRequests, openedResponses } from "./opened-vectors.ts";
import {
  changedOnTheWay,
  malformedHeaders,
  notCanonicalHeaders,
  otherMembers,
  otherVersions,
  refusedBytes,
} from "./refused-bytes.ts";
import { requestsOfOtherMembers, responsesOfOtherMembers } from "./refused-members.ts";
import { notReleased, notServed, outOfTime, unknownKeys, wrongSessions } from "./refused-openings.ts";
import { refusedResponses } from "./refused-responses.ts";

/** A file of vectors: its path from the root, and all of its text. */
export interface VectorFile {
  readonly path: string;
  readonly text: string;
}

/** Every file of docs/spec/vectors. The same ones each time: nothing in them is drawn or dated. */
export function vectorFiles(): readonly VectorFile[] {
  return [
    file("derivations", derivations()),
    file("requests", { vectors: openedRequests() }),
    file("requests-refused", {
      vectors: [
        ...refusedBytes(),
        ...malformedHeaders(),
        ...notCanonicalHeaders(),
        ...otherVersions(),
        ...otherMembers(),
        ...requestsOfOtherMembers(),
        ...notServed(),
        ...outOfTime(),
        ...unknownKeys(),
        ...wrongSessions(),
        ...changedOnTheWay(),
        ...notReleased(),
      ],
    }),
    file("responses", { vectors: openedResponses() }),
    file("responses-refused", { vectors: [...responsesOfOtherMembers(), ...refusedResponses()] }),
    file("json-form", jsonForms()),
    file("admission", admissions()),
    file("noise", { vectors: noises() }),
    file("grants", grants()),
  ];
}

function file(name: string, content: object): VectorFile {
  return { path: `docs/spec/vectors/${name}.json`, text: `${print(content, "")}\n` };
}

/** JSON as the project's formatter has it: an array of plain values on one line. */
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
