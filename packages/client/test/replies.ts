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

/** Scripts for a {@link ScriptedGateway}: its reply to a request. */
export const replies = {
  nothing: (() => undefined) as Script,
  accepted: (({ reply }) => reply(STATUS.accepted)) as Script,
  busy: (({ reply }) => reply(STATUS.busy)) as Script,
  noise: (({ reply }) => reply(STATUS.refused)) as Script,
  /** A sealed problem, as from a handler. */
  problem:
    (code: ErrorCode): Script =>
    ({ reply, seal }) => {
      const text = Buffer.from(encodeProblem(new ScbeError(code, "from the handler"))).toString();
      reply(STATUS.sealed, seal(text, { contentType: PROBLEM_MEDIA_TYPE }));
    },
  /** A service error, which is not authenticated. */
  unsealed:
    (code: ErrorCode): Script =>
    ({ send }) =>
      send(new Uint8Array(0), serviceErrorHeaders(new ScbeError(code, "from a process"))),
  /** A response that names this request and does not verify. */
  broken: (({ reply, seal }) => reply(STATUS.sealed, flipped(seal("x")))) as Script,
};

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
  return copy;
}
