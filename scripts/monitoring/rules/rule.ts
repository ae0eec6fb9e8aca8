import { promDuration } from "../prom-duration.ts";

/** A group of rules as Prometheus reads it; its rules run one after the other. */
export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly Rule[];
}

export type Rule = AlertRule | RecordingRule;

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<"summary" | "description" | "runbook", string>>;
}

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

/** `safety` goes to the rollback controller, and can take SCBE out of service. */
export type AlertClass = "safety" | "operations" | "watchdog";
/** `none` is for what fires always. */
export type Severity = "critical" | "warning" | "none";

export interface AlertInput {
  readonly alert: string;
  readonly expr: string;
  readonly forMs: number;
  readonly class: AlertClass;
  readonly severity: Severity;
  /** Tells two rules of one alert apart, so that one that ends does not end the other's alert. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The runbook's sentence. */
  readonly summary: string;
  /** With the value, and whose it is. */
  readonly description: string;
  /** What to look at first. */
  readonly runbook: string;
}

/** An alert as Prometheus reads it. Every alert says its class, which Alertmanager routes by. */
export function alertRule(input: AlertInput): AlertRule {
  const { alert, expr, forMs, severity, labels, summary, description, runbook } = input;
  return {
    alert,
    expr,
    for: promDuration(forMs),
    labels: { severity, class: input.class, ...labels },
    annotations: { summary, description, runbook },
  };
}

/** Lines as one block, the later ones as they are. */
export function lines(...text: readonly string[]): string {
  return `${text.join("\n")}\n`;
}
