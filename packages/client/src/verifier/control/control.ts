import type { Permission } from "@scbe/envelope";
import type { ControlView } from "./control-view.ts";

/** The control plane as a verifier has it: what it asks for permission, and what it shows to others. */
export interface Control extends Permission, ControlView, AsyncDisposable {}
