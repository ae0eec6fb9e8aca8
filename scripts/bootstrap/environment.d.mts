export function withoutNpm(environment: NodeJS.ProcessEnv): Record<string, string | undefined>;
