import type { ControlView } from "./control-view.ts";

/** The control plane as a verifier has it. */
export interface Control extends ControlView, AsyncDisposable {}
