import { visit } from "jsonc-parser";
import type { JsonStart } from "../domain/read-webhook.ts";

/** Deeper than any document that is read this way. */
const DEPTH_MAX = 16;

/**
 * Reads a JSON document that may be cut off. Reading ends at the first mistake and never resumes behind it, so that no text of a string
 * is taken for structure. A string that is cut off is left out, since its start may be a different word.
 */
export function readJsonStart(text: string): JsonStart {
  try {
    return { value: JSON.parse(text), open: new Set(), isWhole: true };
  } catch {
    return readUntilMistake(text);
  }
}

type Container = Record<string, unknown> | unknown[];

/** Ends the visit at the first mistake. */
class Mistake extends Error {}

function readUntilMistake(text: string): JsonStart {
  const open: { readonly container: Container; key: string }[] = [];
  let root: unknown;
  const put = (value: unknown): void => {
    const parent = open.at(-1);
    if (parent === undefined) root = value;
    else if (Array.isArray(parent.container)) parent.container.push(value);
    else parent.container[parent.key] = value;
  };
  const enter = (container: Container): void => {
    if (open.length >= DEPTH_MAX) throw new Mistake();
    put(container);
    open.push({ container, key: "" });
  };
  const leave = (_offset: number, length: number): void => {
    // The text's own end, where a bracket was to come.
    if (length === 0) throw new Mistake();
    open.pop();
  };
  try {
    visit(text, {
      // Without a prototype, a member named __proto__ is one like any other.
      onObjectBegin: () => enter(Object.create(null)),
      onObjectProperty: (key) => {
        const parent = open.at(-1);
        if (parent !== undefined) parent.key = key;
      },
      onLiteralValue: put,
      onArrayBegin: () => enter([]),
      onObjectEnd: leave,
      onArrayEnd: leave,
      onError: () => {
        throw new Mistake();
      },
      onComment: () => {
        throw new Mistake();
      },
    });
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
  }
  return { value: root, open: new Set(open.map(({ container }) => container)), isWhole: false };
}
