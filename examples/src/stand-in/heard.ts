import { createHash } from "node:crypto";
import { type Chat, partsOf, textOf } from "../chat.ts";

/** What a provider gets to read of a chat, whatever shape it came in. */
export interface Heard {
  /** All system messages, one a line. */
  readonly system: string;
  readonly turns: readonly HeardTurn[];
}

export interface HeardTurn {
  readonly role: "user" | "assistant";
  readonly parts: readonly HeardPart[];
}

/** Words, or a picture. */
export type HeardPart =
  | { readonly text: string }
  | { readonly mediaType: string; readonly picture: Uint8Array };

/**
 * All that the stand-in ever answers: that it is one, and a digest of what it read, with which the asker can check that
 * every byte arrived.
 */
export function standInText(provider: string, model: string, heard: Heard): string {
  const pieces = piecesOf(heard);
  const hash = createHash("sha256");
  // Each piece is led by its kind and length, so that no two chats run together to the same bytes.
  for (const { kind, bytes } of pieces) hash.update(`${kind} ${bytes.length}\n`).update(bytes);
  const turns = `${heard.turns.length} turn${heard.turns.length === 1 ? "" : "s"}`;
  return `stand-in for ${provider}: no model ran. Asked as ${model}; read ${turns}, ${bytesIn(heard)} bytes, SHA-256 ${hash.digest("hex")}`;
}

/** Bytes of all words (UTF-8) and pictures. */
export function bytesIn(heard: Heard): number {
  return piecesOf(heard).reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** What a provider is to read of a chat. @throws ScbeError BAD_REQUEST for a system message with a picture */
export function heardOf({ messages }: Chat): Heard {
  return {
    system: messages
      .filter(({ role }) => role === "system")
      .map(textOf)
      .join("\n"),
    turns: messages.flatMap((message) =>
      message.role === "system"
        ? []
        : [
            {
              role: message.role,
              parts: partsOf(message).map((part) =>
                part.type === "text"
                  ? { text: part.text }
                  : { mediaType: part.media_type, picture: Buffer.from(part.data, "base64") },
              ),
            },
          ],
    ),
  };
}

interface Piece {
  readonly kind: string;
  readonly bytes: Uint8Array;
}

function piecesOf({ system, turns }: Heard): Piece[] {
  const said = turns.flatMap(({ role, parts }) =>
    parts.map((part) =>
      "text" in part
        ? { kind: role, bytes: Buffer.from(part.text) }
        : { kind: `${role} ${part.mediaType}`, bytes: part.picture },
    ),
  );
  return [{ kind: "system", bytes: Buffer.from(system) }, ...said];
}
