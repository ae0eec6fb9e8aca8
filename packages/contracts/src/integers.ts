import { z } from "zod";

/**
 * The highest integer of a message in JSON. It is below 2^53, so every reader has it exactly, and above every time that a clock of
 * JavaScript can tell (8.64e15), so that counting up from a clock that is set wrongly does not reach it.
 */
export const INTEGER_MAX = 9e15;

/** Of a control document, a ring or what names one: higher than that of every one before. */
export const Generation = z.int().min(1).max(INTEGER_MAX);

/** ms since the Unix epoch. */
export const Time = z.int().min(0).max(INTEGER_MAX);
