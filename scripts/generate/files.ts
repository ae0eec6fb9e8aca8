/** A file that is made from the code: its path from the root, and all of its text. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** Every generated file of the project. The code is their only source; nobody edits them. */
export async function generateFiles(): Promise<readonly GeneratedFile[]> {
  return [];
}
