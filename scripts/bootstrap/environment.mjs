/** Settings of npm for registries. All others are for the npm that runs this process, not for the ones that it runs. */
const KEPT = /^npm_config_(cafile|cache|registry|proxy|https_proxy|http_proxy|noproxy)$/i;

/** A copy of `environment` without what npm adds for its scripts. */
export function withoutNpm(environment) {
  const entries = Object.entries(environment).filter(([name]) => !/^npm_/i.test(name) || KEPT.test(name));
  return Object.fromEntries(entries);
}

/** `npm start --once` does not pass the flag on; npm sets `npm_config_once` instead. @returns such flags */
export function npmFlags(names) {
  return names.filter((name) => process.env[`npm_config_${name}`] === "true").map((name) => `--${name}`);
}
