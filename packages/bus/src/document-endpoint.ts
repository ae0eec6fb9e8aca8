import { READ_QUESTION_BYTES_MAX, readMessage, ScbeError } from "@scbe/contracts";
import type { Rate } from "@scbe/runtime";
import type { z } from "zod";
import type { EndpointAnswer, EndpointRequest } from "./bus.ts";

/**
 * What one user may ask of a document that another service owns: replicas share a user, and all of them ask after the server was
 * restarted.
 */
export const READ_RATE: Rate = { burst: 512, perSecond: 64 };

/**
 * Answers with a document that this service owns. The asker names what it holds, and an empty answer says that it holds just that: so a question
 * that is asked for nothing costs next to nothing.
 * @param question how an asker names what it holds
 * @param held what is here for that asker: the document's bytes; `same`; undefined while there is none
 * @throws ScbeError BAD_REQUEST for what is no question, NOT_READY while there is no document
 */
export function documentEndpoint<T extends z.ZodType>(
  question: T,
  held: (asked: z.infer<T>) => Held | Promise<Held>,
): (request: Pick<EndpointRequest, "data">) => Promise<EndpointAnswer> {
  return async ({ data }) => {
    const document = await held(parse(question, data));
    if (document === undefined) throw new ScbeError("NOT_READY", "there is no document yet");
    return { data: document === "same" ? NOTHING : document };
  };
}

type Held = Uint8Array | "same" | undefined;

const NOTHING = new Uint8Array(0);

function parse<T extends z.ZodType>(question: T, data: Uint8Array): z.infer<T> {
  const held = readMessage(data, question, READ_QUESTION_BYTES_MAX);
  if (held === undefined) throw new ScbeError("BAD_REQUEST", "the question does not name what is held");
  return held;
}
