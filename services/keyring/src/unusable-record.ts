import { ScbeError } from "@scbe/contracts";

/**
 * What KV holds is not this environment's ring: no failure that passes. A process that starts refuses to, and one that
 * runs stops to grant, until somebody has looked.
 */
export class UnusableRecord extends ScbeError {}
