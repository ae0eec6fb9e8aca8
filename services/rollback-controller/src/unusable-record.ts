import { ScbeError } from "@scbe/contracts";

/**
 * What the store holds is no control document of this controller: no failure that passes. A process that starts refuses to, and
 * one that runs overwrites nothing until somebody has looked; a kill is sent all the same.
 */
export class UnusableRecord extends ScbeError {}
