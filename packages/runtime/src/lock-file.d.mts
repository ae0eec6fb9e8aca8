export type LockResult =
  | { readonly kind: "taken"; readonly release: () => void }
  | { readonly kind: "held"; readonly pid: number };

export function takeLock(folder: string): LockResult;
