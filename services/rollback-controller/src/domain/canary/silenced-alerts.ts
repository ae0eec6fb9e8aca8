/** A matcher of a silence, as Alertmanager's API has it. */
export interface Matcher {
  readonly name: string;
  readonly value: string;
  readonly isRegex: boolean;
  readonly isEqual: boolean;
}

/**
 * Those alerts of a provider that a silence with these matchers can hide. What is not known of an alert, and an expression that is more than
 * names and `.*`, counts as met: a silence that may be one is one.
 */
export function silencedAlerts(
  matchers: readonly Matcher[],
  { alerts, provider }: { readonly alerts: readonly string[]; readonly provider: string },
): readonly string[] {
  return alerts.filter((alertname) => {
    const labels: Readonly<Record<string, string>> = { alertname, class: "safety", provider };
    return matchers.every((matcher) => mayMatch(matcher, labels));
  });
}

function mayMatch(
  { name, value, isRegex, isEqual }: Matcher,
  labels: Readonly<Record<string, string>>,
): boolean {
  const label = Object.hasOwn(labels, name) ? labels[name] : undefined;
  if (label === undefined) return true;
  const found = isRegex ? matchesNames(value, label) : value === label;
  return found === undefined || found === isEqual;
}

/** No expression of others runs here: it could take forever. `undefined`: cannot be told. */
function matchesNames(pattern: string, label: string): boolean | undefined {
  const names = pattern.split("|").map((name) => /^([\w-]*)(\.[*+])?$/.exec(name));
  if (names.includes(null)) return undefined;
  return names.some((found) => {
    const [, name = "", more] = found ?? [];
    return more === undefined ? name === label : label.startsWith(name);
  });
}
