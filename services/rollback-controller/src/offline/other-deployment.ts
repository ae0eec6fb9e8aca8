import type { Bus } from "@scbe/bus";
import { type Environment, type HeldGeneration, isScbeError, subjectOf, writeMessage } from "@scbe/contracts";
import { type ControlDocument, claimedControl, verifiedControl } from "@scbe/envelope/control";
import type { ControlStore } from "../ports.ts";
import { UnusableRecord } from "../unusable-record.ts";

/** What the control documents of this deployment bear. */
export interface Expected {
  readonly env: Environment;
  readonly publicKey: string;
}

/** What is in force is a control document of another environment or key: a document of ours would have no effect here. */
export class OtherDeployment extends Error {
  /** @param holder who holds that document, and a verb: `the store holds` */
  constructor(holder: string, { env }: Expected) {
    super(
      `${holder} a control document of another environment or key; is SCBE_ENVIRONMENT right (it is ${env})?`,
    );
  }
}

type Stored = Awaited<ReturnType<ControlStore["read"]>>;

/** What the store holds. @throws OtherDeployment; what the store throws when it is away */
export async function readOwn(store: Pick<ControlStore, "read">, expected: Expected): Promise<Stored> {
  try {
    return await store.read();
  } catch (error) {
    throw error instanceof UnusableRecord ? new OtherDeployment("the store holds", expected) : error;
  }
}

/** A kill waits no longer for the controllers' answer. */
const ASKING = { timeoutMs: 1000, againAfterMs: 300, traced: false };

/**
 * What the controllers know, where the store does not tell. No answer, and one that is no control document, says nothing.
 * @throws OtherDeployment
 */
export async function askControllers(bus: Bus, expected: Expected): Promise<ControlDocument | undefined> {
  const question: HeldGeneration = { v: 1, generation: null };
  const bytes = writeMessage(question);
  let claim: ReturnType<typeof claimedControl>;
  try {
    const { data } = await bus.request(subjectOf("controlGet", { user: bus.user }), bytes, ASKING);
    claim = claimedControl(data);
  } catch (error) {
    if (isScbeError(error)) return undefined;
    throw error;
  }
  if (claim === undefined) return undefined;
  const document = verifiedControl(claim.signed, expected);
  if (document === undefined) throw new OtherDeployment("the controllers hold", expected);
  return document;
}
