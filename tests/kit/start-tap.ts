import { readFileSync, writeFileSync } from "node:fs";
import type { SecuredNats } from "@scbe/testkit";
import { connectTap, createFullUser, fullUserLine, type Tap, USERS_LINE } from "../plain-nats/tap.ts";

/** Adds the tap's user to the server's configuration, before anybody else is there. */
export async function startTap({ server, url, credentials: { configFile } }: SecuredNats): Promise<Tap> {
  const user = createFullUser();
  const config = readFileSync(configFile, "utf8");
  writeFileSync(configFile, config.replace(USERS_LINE, `${USERS_LINE}\n${fullUserLine(user)}`));
  await server.restart();
  return connectTap(url, user);
}
