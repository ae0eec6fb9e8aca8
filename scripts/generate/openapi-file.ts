import { openApi } from "@scbe/rollback-controller/open-api";

const LIST_OF_TEXTS = /\[\s+"[^"]*"(?:,\s+"[^"]*")*\s+\]/g;
const LINE_WIDTH = 110;

/** docs/openapi.json: the control API, as the controller serves it. */
export function openApiFile(): string {
  return `${JSON.stringify(openApi(), null, 2).replace(LIST_OF_TEXTS, onOneLine)}\n`;
}

/** Where it fits, with what stands before it and a comma: so the project's formatter has it. */
function onOneLine(list: string, offset: number, text: string): string {
  const line = list
    .replace(/\s*\n\s*/g, " ")
    .replace("[ ", "[")
    .replace(" ]", "]");
  const before = offset - text.lastIndexOf("\n", offset) - 1;
  return before + line.length + 1 > LINE_WIDTH ? list : line;
}
