/** Settings of npm that reach a registry; every other one was meant for the npm that runs us, not for the ones we run. */
const KEPT = /^npm_config_(cafile|cache|registry|proxy|https_proxy|http_proxy|noproxy)$/i;

/** A copy of `environment` without what npm adds for its scripts. */
export function withoutNpm(environment) {
  const entries = Object.entries(environment).filter(([name]) => !/^npm_/i.test(name) || KEPT.test(name));
  return Object.fromEntries(entries);
}

/** `npm start --once` keeps the flag to itself and sets `npm_config_once`: these are the flags that were meant for us. */
export function npmFlags(names) {
  return names.filter((name) => process.env[`npm_config_${name}`] === "true").map((name) => `--${name}`);
}
