import type { TrustDocument } from "@scbe/contracts";

/** What a process knows of how far providers are trusted. */
export interface TrustView {
  /** What is held; undefined before the first one: then every provider is trusted. */
  readonly document: TrustDocument | undefined;
  /** Runs `listener` whenever another document is held, in the turn in which it arrived. */
  onChange(listener: () => void): Disposable;
}
