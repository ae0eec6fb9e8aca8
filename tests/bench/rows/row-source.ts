import type { Stage } from "../e2e/stage.ts";
import type { Row } from "../harness.ts";

/** A row that can be asked for, before anything that it needs has been started. */
export interface RowSource {
  readonly name: string;
  /** For people. */
  readonly says: string;
  /** @param stage starts what runs in processes of its own, once for all rows */
  open(stage: () => Promise<Stage>): Promise<Row> | Row;
}
