/** What a process of trials is asked: to run the cases, on the sources as they are or with one file changed. */
export interface Job {
  readonly changed?: { readonly file: string; readonly source: string };
  /** Names of the cases to begin with (`<file>: <name>`). */
  readonly first: readonly string[];
  /** How long one case may take. */
  readonly caseMs: number;
  /** True: goes on after a case has failed. */
  readonly all: boolean;
}

export interface Answer {
  /** The cases that ran, and those that there are. */
  readonly ran: number;
  readonly cases: number;
  readonly failed: readonly string[];
  /** The files that the cases import, from the root. */
  readonly loaded: readonly string[];
  /** The first failure's message. */
  readonly why?: string;
}

/** What became of a mutant. */
export type Fate =
  | { readonly kind: "killed"; readonly by: string }
  | { readonly kind: "survived" }
  /** No case imports its file. */
  | { readonly kind: "not loaded" };
