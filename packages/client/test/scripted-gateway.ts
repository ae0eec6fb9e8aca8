import { hash } from "node:crypto";
import type { Bus, BusHeaders } from "@scbe/bus";
import { HEADERS, patternOf, STATUS, subjectOf } from "@scbe/contracts";
import { type RequestFacts, type RequestHeader, Sealer, splitEnvelope } from "@scbe/envelope";
import { systemClock } from "@scbe/runtime";
import type { FakeKeyring } from "@scbe/testkit";

/** A received envelope, and ways to reply to it. */
export interface Arrived {
  readonly bytes: Buffer;
  readonly header: RequestHeader;
  readonly hash: Uint8Array;
  readonly timeoutMs: string | undefined;
  readonly atMs: number;
  /** Sends any bytes with any headers. */
  send(data: Uint8Array, headers: BusHeaders): void;
  /** Sends a status; default data is noise. */
  reply(status: string, data?: Uint8Array): void;
  /** Seals a response; by default it is bound to this request. */
  seal(body: string, change?: Partial<RequestFacts & { hash: Uint8Array; contentType: string }>): Uint8Array;
  /** Seals a response and sends it. */
  answer(body: string): void;
}

/** A gateway that runs a test's script for each request, and keeps what it has received. */
export class ScriptedGateway {
  readonly arrived: Arrived[] = [];
  readonly cancelled: Buffer[] = [];
  script: (arrived: Arrived, nth: number) => void = (arrived) => arrived.answer("ok");

  constructor(bus: Bus, keyring: FakeKeyring, provider = "openai") {
    const subkeys = keyring.subkeys("k1", provider);
    const ports = {
      keys: { active: () => subkeys },
      epochs: { current: () => undefined },
      clock: systemClock,
    };
    const sealer = new Sealer(ports, { windowSeconds: 300, counterLimit: 2 ** 32 - 1 });
    bus.subscribe(
      subjectOf("cancel", { provider }),
      ({ data }) => void this.cancelled.push(Buffer.from(data)),
    );
    bus.subscribe(patternOf("request", { provider }), (message) => {
      const bytes = Buffer.from(message.data);
      const header = JSON.parse(splitEnvelope(bytes)?.headerText ?? "") as RequestHeader;
      const ownHash = hash("sha256", bytes, "buffer");
      const send = (data: Uint8Array, headers: BusHeaders): void =>
        bus.publish(message.reply ?? "", data, headers);
      const reply = (status: string, data: Uint8Array = Buffer.alloc(512)): void =>
        send(data, { [HEADERS.status]: status });
      const seal: Arrived["seal"] = (body, { hash = ownHash, contentType, ...change } = {}) =>
        sealer.sealResponse({
          request: { header: { ...header, ...change }, hash },
          body: Buffer.from(body),
          ...(contentType !== undefined && { contentType }),
        }).bytes;
      const answer = (body: string): void => reply(STATUS.sealed, seal(body));
      const timeoutMs = message.header(HEADERS.timeoutMs);
      const atMs = performance.now();
      const arrived = { bytes, header, hash: ownHash, timeoutMs, atMs, send, reply, seal, answer };
      this.arrived.push(arrived);
      this.script(arrived, this.arrived.length);
    });
  }

  /** Clears what it has received, and sets the script. */
  reset(script: ScriptedGateway["script"] = (arrived) => arrived.answer("ok")): void {
    this.arrived.length = 0;
    this.cancelled.length = 0;
    this.script = script;
  }
}
