import { isDeepStrictEqual } from "node:util";
import type { Bus } from "@scbe/bus";
import { HeldPlace, patternOf, SUBJECTS, TrustDocument, writeMessage } from "@scbe/contracts";

/** The other side of questions for the trust document: tells the newest that was broadcast, at first one in which every provider is trusted. */
export class FakeScorer implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  #document: TrustDocument = {
    v: 1,
    stream: { created: "2027-01-15T08:00:00Z", seq: 1 },
    providers: {},
  };

  constructor(bus: Bus) {
    this.#stack.use(
      bus.subscribe(SUBJECTS.trustState, ({ data }) => {
        const next = TrustDocument.safeParse(parse(data)).data;
        const { created, seq } = this.#document.stream;
        if (next === undefined || (next.stream.created === created && next.stream.seq < seq)) return;
        this.#document = next;
      }),
    );
    this.#stack.use(
      bus.subscribe(patternOf("trustGet"), ({ data, reply }) => {
        if (reply === undefined) return;
        const { stream } = HeldPlace.parse(parse(data));
        const isHeld = isDeepStrictEqual(stream, this.#document.stream);
        bus.publish(reply, isHeld ? new Uint8Array(0) : writeMessage(this.#document));
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString("utf8"));
  } catch {
    return undefined;
  }
}
