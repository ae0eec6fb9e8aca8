import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { type FaultProxy, type MotoServer, startFaultProxy, startMoto } from "@scbe/testkit";

/** moto's KMS, and proxies in front of it that inject faults. */
export interface Aws extends AsyncDisposable {
  /** The ARN of a new KMS key. */
  createKey(): Promise<string>;
  /** A transparent proxy. Clients that are made from now on reach AWS KMS through it, by this process's environment. */
  proxy(): Promise<FaultProxy>;
}

/** Call `installMoto` first. */
export async function startAws(): Promise<Aws> {
  await using stack = new AsyncDisposableStack();
  const moto: MotoServer = stack.use(await startMoto());
  const before = { ...process.env };
  Object.assign(process.env, moto.env);
  stack.defer(() => {
    for (const name of Object.keys(moto.env)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });
  const client = new KMSClient({ endpoint: moto.url });
  stack.defer(() => client.destroy());
  const held = stack.move();
  return {
    createKey: async () => {
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
      if (KeyMetadata?.Arn === undefined) throw new Error("moto gave no key");
      return KeyMetadata.Arn;
    },
    proxy: async () => {
      const proxy = held.use(await startFaultProxy(moto.url));
      process.env.AWS_ENDPOINT_URL_KMS = proxy.url;
      return proxy;
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** An error of AWS. */
export function awsError(type: string, status = 400) {
  return {
    kind: "answer",
    status,
    body: JSON.stringify({ __type: type, message: "sent by the test" }),
  } as const;
}
