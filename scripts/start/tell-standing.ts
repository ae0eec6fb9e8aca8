import type { ControlAccess } from "./control-api.ts";
import type { Release, Standing, StandingEntry } from "./standing.ts";

/** What stands from an earlier run, one line for each with who has ordered it, and one that says what ends it. */
export function standingLines({ entries }: Standing, control: ControlAccess): readonly string[] {
  if (entries.length === 0) return [];
  return [
    "from an earlier run stands:",
    ...entries.flatMap((entry) => [`  ${sentence(entry)}`, `    ${releaseLine(entry.release, control)}`]),
    "npm start -- --fresh begins without any of it",
  ];
}

function sentence({ what, reason, by, since }: StandingEntry): string {
  const who = by === null ? "by whom is not in the newest entries of the audit" : `by ${by}`;
  const when = since === null ? "" : `, since ${since}`;
  return `${what}; ${who}${when}${reason === null ? "" : `: ${JSON.stringify(reason)}`}`;
}

/** The command that ends it. The token does not stand in it, nor in the arguments of a process. */
function releaseLine(release: Release, { url, tokenFiles }: ControlAccess): string {
  const tokenFile = tokenFiles.ADMIN_TOKEN_FILE ?? "";
  if (release.by === "time") return `it ends by itself at ${release.until}`;
  if (release.by === "kill switch") {
    const of = release.provider === undefined ? "" : ` --provider ${release.provider}`;
    return `release it: SCBE_CONTROL_URL=${url} ADMIN_TOKEN_FILE="${tokenFile}" scripts/scbe-kill-switch.sh deactivate${of}`;
  }
  const header = `printf 'header = "Authorization: Bearer %s"' "$(cat "${tokenFile}")"`;
  return `end it: ${header} | curl --config - -X POST ${url}${release.path} -d '${JSON.stringify(release.body)}'`;
}
