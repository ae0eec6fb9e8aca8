/** The order to a process of trials: run the cases, on the unchanged sources or with one changed file. */
export interface Job {
  readonly changed?: { readonly file: string; readonly source: string };
  /** Names of the cases to begin with (`<file>: <name>`). */
  readonly first: readonly string[];
  /** The deadline of one case. */
  readonly caseMs: number;
  /** True: continues after a failed case. */
  readonly all: boolean;
}

export interface Answer {
  /** The number of cases that ran, and of all cases. */
  readonly ran: number;
  readonly cases: number;
  readonly failed: readonly string[];
  /** The files that the cases import, from the root. */
  readonly loaded: readonly string[];
  /** The first failure's message. */
  readonly why?: string;
}

/** The result of a mutant. */
export type Fate =
  | { readonly kind: "killed"; readonly by: string }
  | { readonly kind: "survived" }
  /** No case imports its file. */
  | { readonly kind: "not loaded" };
