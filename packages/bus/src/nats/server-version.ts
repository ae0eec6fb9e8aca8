/**
 * What is wrong with a nats-server of this version; undefined: nothing that is known. Since 2.11 a server publishes trace events to the subject that
 * a message's `Nats-Trace-Dest` header names; before 2.11.15 and 2.12.6 it does so with its own rights, so that every user can publish
 * anywhere in its account (CVE-2026-33249).
 */
export function versionProblem(version: string): string | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  const isAffected = major === 2 && ((minor === 11 && patch < 15) || (minor === 12 && patch < 6));
  if (!isAffected) return undefined;
  return `nats-server ${version} lets every user publish anywhere (CVE-2026-33249); take 2.11.15, 2.12.6 or a later one`;
}
