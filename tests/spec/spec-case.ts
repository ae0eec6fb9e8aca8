/** One vector of docs/spec/vectors, tried on the product's own readers. */
export interface SpecCase {
  /** The file of the vector, without its ending. */
  readonly file: string;
  readonly name: string;
  /** Throws when the outcome is not the vector's. */
  readonly run: () => void | Promise<void>;
}
