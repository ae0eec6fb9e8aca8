import { createHash } from "node:crypto";
import { type Chat, partsOf, textOf } from "../chat.ts";

/** The content of a chat as a provider reads it, independent of the provider's form. */
export interface Transcript {
  /** All system messages, one a line. */
  readonly system: string;
  readonly turns: readonly Turn[];
}

export interface Turn {
  readonly role: "user" | "assistant";
  readonly parts: readonly TranscriptPart[];
}

/** Text, or a picture. */
export type TranscriptPart =
  | { readonly text: string }
  | { readonly mediaType: string; readonly picture: Uint8Array };

/**
 * The stand-in's only answer: that no model ran, and a digest of what it read, by which the orchestrator can check that every byte
 * arrived.
 */
export function standInText(provider: string, model: string, transcript: Transcript): string {
  const pieces = piecesOf(transcript);
  const hash = createHash("sha256");
  // Each piece begins with its kind and length, so that no two chats have the same bytes.
  for (const { kind, bytes } of pieces) hash.update(`${kind} ${bytes.length}\n`).update(bytes);
  const turns = `${transcript.turns.length} turn${transcript.turns.length === 1 ? "" : "s"}`;
  return `stand-in for ${provider}: no model ran. Asked as ${model}; read ${turns}, ${bytesIn(transcript)} bytes, SHA-256 ${hash.digest("hex")}`;
}

/** Bytes of all text (UTF-8) and pictures. */
export function bytesIn(transcript: Transcript): number {
  return piecesOf(transcript).reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** The transcript of a chat. @throws ScbeError BAD_REQUEST for a system message with a picture */
export function transcriptOf({ messages }: Chat): Transcript {
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

function piecesOf({ system, turns }: Transcript): Piece[] {
  const pieces = turns.flatMap(({ role, parts }) =>
    parts.map((part) =>
      "text" in part
        ? { kind: role, bytes: Buffer.from(part.text) }
        : { kind: `${role} ${part.mediaType}`, bytes: part.picture },
    ),
  );
  return [{ kind: "system", bytes: Buffer.from(system) }, ...pieces];
}
