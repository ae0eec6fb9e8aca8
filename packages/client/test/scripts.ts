import {
  type ErrorCode,
  encodeProblem,
  PROBLEM_MEDIA_TYPE,
  ScbeError,
  STATUS,
  serviceErrorHeaders,
} from "@scbe/contracts";
import type { Arrived } from "./scripted-gateway.ts";

type Script = (arrived: Arrived) => void;

/** What a scripted gateway can say. */
export const says = {
  nothing: (() => undefined) as Script,
  accepted: (({ say }) => say(STATUS.accepted)) as Script,
  busy: (({ say }) => say(STATUS.busy)) as Script,
  noise: (({ say }) => say(STATUS.refused)) as Script,
  /** A sealed problem, as its handler would have it. */
  problem:
    (code: ErrorCode): Script =>
    ({ say, seal }) => {
      const text = Buffer.from(encodeProblem(new ScbeError(code, "says the handler"))).toString();
      say(STATUS.sealed, seal(text, { contentType: PROBLEM_MEDIA_TYPE }));
    },
  /** An error that nobody vouches for. */
  unsealed:
    (code: ErrorCode): Script =>
    ({ send }) =>
      send(new Uint8Array(0), serviceErrorHeaders(new ScbeError(code, "says somebody"))),
  /** A response to this very request that does not verify. */
  broken: (({ say, seal }) => say(STATUS.sealed, flipped(seal("x")))) as Script,
};

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
  return copy;
}
