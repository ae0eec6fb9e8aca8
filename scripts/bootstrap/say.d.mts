export function say(line: string): void;
export function ignoreClosedTerminal(): void;
