import { exchanges, refusedAnswers } from "./answer-vectors.ts";
import { ASKER_SECRET, KEYRING } from "./grant-parties.ts";
import { SITUATION } from "./question-situation.ts";
import { acceptedQuestions, refusedQuestions } from "./question-vectors.ts";

/** Questions and answers, under fixed keys of all who take part. */
export function grants() {
  return {
    keyring: KEYRING.publicKey,
    asker_x25519_private: ASKER_SECRET.toString("hex"),
    situation: SITUATION,
    questions: named("question", acceptedQuestions()),
    refused_questions: named("question", refusedQuestions()),
    grants: named("answer", exchanges()),
    refused_answers: named("answer", refusedAnswers()),
  };
}

function named<T extends { readonly name: string }>(kind: string, vectors: readonly T[]): readonly T[] {
  return vectors.map((vector) => ({ ...vector, name: `${kind}: ${vector.name}` }));
}
