import { readFileSync } from "node:fs";
import type { Server as PlainServer } from "node:http";
import { Server } from "node:https";
import { createSecureContext } from "node:tls";
import { ScbeError } from "@scbe/contracts";
import { followFile, type Logger, type Readiness } from "@scbe/runtime";

/** PEM files. */
export interface ServerTls {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface FollowedTls extends Disposable {
  readonly options: { readonly cert: Buffer; readonly key: Buffer; readonly minVersion: "TLSv1.2" };
  /** Has the server use what is in the files from each change of them on. */
  follow(server: PlainServer): void;
}

const DEPENDENCY = "control API certificate";

/**
 * The certificate of a server, which is renewed while it runs: what cannot be used then is told, and the one before stays.
 * @throws ScbeError BAD_REQUEST for files that cannot be used now
 */
export function serverTls(
  tls: ServerTls,
  { log, readiness }: { readonly log: Logger; readonly readiness: Pick<Readiness, "set"> },
): FollowedTls {
  const stack = new DisposableStack();
  return {
    options: { ...read(tls), minVersion: "TLSv1.2" },
    follow: (server) => {
      const renew = (): void => {
        try {
          const current = read(tls);
          if (server instanceof Server) server.setSecureContext({ ...current, minVersion: "TLSv1.2" });
          readiness.set(DEPENDENCY, { ok: true });
          log.info("the control API uses the certificate that its files hold now");
        } catch (error) {
          const note = "its files were changed and cannot be used; the one before is in use";
          readiness.set(DEPENDENCY, { ok: true, note });
          log.error({ err: error }, `certificate of the control API: ${note}`);
        }
      };
      for (const file of [tls.certFile, tls.keyFile]) stack.use(followFile(file, renew));
    },
    [Symbol.dispose]: () => stack.dispose(),
  };
}

function read({ certFile, keyFile }: ServerTls): { readonly cert: Buffer; readonly key: Buffer } {
  try {
    const [cert, key] = [readFileSync(certFile), readFileSync(keyFile)];
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    const title = "SCBE_CONTROL_API_TLS_CERT and SCBE_CONTROL_API_TLS_KEY hold no certificate and its key";
    throw new ScbeError("BAD_REQUEST", title, { cause });
  }
}
