import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Plugin, rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";

const HELP = `Makes the packages that users install: one tarball each of @scbe/client and @scbe/envelope, with compiled ES modules,
source maps and declarations. The monorepo itself runs without them.

  npm run pack                    into dist/
  npm run pack -- --out <folder>  elsewhere
  --json                          prints [{"name", "version", "tarball"}] on stdout

Exit codes: 0 made, 1 failed, 2 wrong arguments.
`;

const ROOT = resolve(import.meta.dirname, "..");
/** The oldest Node that the packages run on: newer syntax is compiled for it. */
const NODE_MIN = 22;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** A package of the workspace: its folder from the root, and its package.json. */
interface WorkspacePackage {
  readonly folder: string;
  readonly manifest: Manifest;
}

interface Tarball {
  readonly name: string;
  readonly version: string;
  readonly tarball: string;
}

/** What is packed, with which exports, and the packages of the workspace that are compiled into it. */
const PACKED = [
  {
    ...{ name: "client", entries: ["."], from: ["contracts", "envelope", "runtime", "bus", "verifier"] },
    peers: ["pino", "prom-client"],
  },
  { name: "envelope", entries: [".", "./control", "./grant"], from: ["contracts"], peers: [] },
] as const;

/** Stands in for `DisposableStack` and `AsyncDisposableStack`, which Node 22 lacks. */
const STACKS = "@whatwg-node/disposablestack";

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: { readonly help?: boolean; readonly out?: string; readonly json?: boolean };
  try {
    options = parseArgs({
      args: [...args],
      options: { help: { type: "boolean" }, out: { type: "string" }, json: { type: "boolean" } },
    }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const out = resolve(ROOT, options.out ?? "dist");
  const made: Tarball[] = [];
  for (const { name, entries, from, peers } of PACKED) {
    process.stderr.write(`compiling @scbe/${name}\n`);
    made.push(await pack(withExports(readPackage(name), entries), from.map(readPackage), peers, out));
  }
  const text = made.map(({ tarball }) => `${relative(process.cwd(), tarball)}\n`).join("");
  process.stdout.write(options.json ? `${JSON.stringify(made)}\n` : text);
  return 0;
}

function readPackage(name: string): WorkspacePackage {
  const folder = join("packages", name);
  return {
    folder,
    manifest: JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as Manifest,
  };
}

/** The package with these of its exports alone. */
function withExports({ folder, manifest }: WorkspacePackage, entries: readonly string[]): WorkspacePackage {
  const exports = Object.entries(manifest.exports).filter(([path]) => entries.includes(path));
  return { folder, manifest: { ...manifest, exports: Object.fromEntries(exports) } };
}

async function pack(
  main: WorkspacePackage,
  others: readonly WorkspacePackage[],
  peers: readonly string[],
  out: string,
): Promise<Tarball> {
  const work = mkdtempSync(join(tmpdir(), "scbe-pack-"));
  try {
    const types = join(work, "types");
    const built = join(work, "package");
    emitDeclarations([main, ...others], types);
    const imported = await bundle(main, others, built);
    await bundleDeclarations(main, others, types, join(built, "dist"));
    writeManifest(main, others, { imported, peers }, built);
    for (const page of ["README.md", "LICENSE"]) copyPage(main, page, built);
    return npmPack(main, built, out);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** One ES module for each entry, with what they share in chunks. Returns the names of the packages that they import. */
async function bundle(
  main: WorkspacePackage,
  others: readonly WorkspacePackage[],
  built: string,
): Promise<string[]> {
  const sources = sourcesOf([main, ...others], (folder, file) => join(ROOT, folder, file));
  await using build = await rolldown({
    input: entriesOf(main, (file) => join(ROOT, main.folder, file)),
    platform: "node",
    plugins: [resolveIn(sources)],
    external: isForeign,
    treeshake: { moduleSideEffects: false },
    transform: {
      target: `node${NODE_MIN}`,
      inject: {
        DisposableStack: [STACKS, "DisposableStack"],
        AsyncDisposableStack: [STACKS, "AsyncDisposableStack"],
      },
    },
  });
  const { output } = await build.write({ dir: join(built, "dist"), format: "es", sourcemap: true });
  const imported = output.flatMap((chunk) =>
    chunk.type === "chunk" ? [...chunk.imports, ...chunk.dynamicImports] : [],
  );
  const chunks = new Set(output.map(({ fileName }) => fileName));
  const foreign = imported.filter((id) => !chunks.has(id) && !id.startsWith("node:"));
  return [...new Set(foreign.map(packageOf))].toSorted();
}

/** The declarations of all sources, file by file. */
function emitDeclarations(packages: readonly WorkspacePackage[], outDir: string): void {
  const config = join(outDir, "tsconfig.json");
  mkdirSync(outDir, { recursive: true });
  const sources = packages.map(({ folder }) => join(ROOT, folder, "src"));
  const compilerOptions = {
    ...{ noEmit: false, declaration: true, emitDeclarationOnly: true, rewriteRelativeImportExtensions: true },
    ...{ rootDir: ROOT, outDir, typeRoots: [join(ROOT, "node_modules", "@types")] },
  };
  const exclude = sources.map((folder) => join(folder, "**", "*.test.ts"));
  const text = { extends: join(ROOT, "tsconfig.base.json"), compilerOptions, include: sources, exclude };
  writeFileSync(config, JSON.stringify(text));
  run(process.execPath, [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", config], ROOT);
}

/** One declaration file for each entry, that names nothing of the workspace and nothing of NATS. */
async function bundleDeclarations(
  main: WorkspacePackage,
  others: readonly WorkspacePackage[],
  types: string,
  dist: string,
): Promise<void> {
  const declared = (folder: string, file: string): string =>
    join(types, folder, file.replace(/\.ts$/, ".d.ts"));
  await using build = await rolldown({
    input: entriesOf(main, (file) => declared(main.folder, file)),
    plugins: [
      resolveIn(sourcesOf([main, ...others], declared)),
      handWritten(types),
      dts({ dtsOnly: true, tsconfig: false, generator: "oxc" }),
    ],
    external: isForeign,
  });
  const { output } = await build.write({ dir: dist, format: "es" });
  for (const { fileName } of output) {
    const path = join(dist, fileName);
    writeFileSync(path, `/// <reference lib="esnext.disposable" />\n${readFileSync(path, "utf8")}`);
  }
}

/** The address of each export of the packages (`@scbe/bus`, `@scbe/envelope/grant`), and the file that it is. */
function sourcesOf(
  packages: readonly WorkspacePackage[],
  fileOf: (folder: string, file: string) => string,
): ReadonlyMap<string, string> {
  return new Map(
    packages.flatMap(({ folder, manifest }) =>
      Object.entries(manifest.exports).map(([path, file]) => [
        manifest.name + path.slice(1),
        fileOf(folder, file),
      ]),
    ),
  );
}

/** The entries of a package: `index` for its main export. */
function entriesOf({ manifest }: WorkspacePackage, fileOf: (file: string) => string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(manifest.exports).map(([path, file]) => [entryName(path), fileOf(file)]),
  );
}

function entryName(path: string): string {
  return path === "." ? "index" : path.slice(2);
}

function resolveIn(files: ReadonlyMap<string, string>): Plugin {
  return { name: "workspace", resolveId: { order: "pre", handler: (id) => files.get(id) } };
}

/** Declarations of the few modules that are plain JavaScript stand beside these, not among what is emitted. */
function handWritten(types: string): Plugin {
  const handler = (id: string, importer?: string): string | undefined => {
    if (!id.endsWith(".mjs") || importer === undefined) return undefined;
    return join(ROOT, relative(types, join(importer, "..", id.replace(/\.mjs$/, ".d.mts"))));
  };
  return { name: "hand-written declarations", resolveId: { order: "pre", handler } };
}

/** What stays an import: modules of Node, and packages of others. */
function isForeign(id: string): boolean {
  return !/^[./]/.test(id) && !id.startsWith("@scbe/") && !id.startsWith("@oxc-project/");
}

function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function writeManifest(
  main: WorkspacePackage,
  others: readonly WorkspacePackage[],
  { imported, peers }: { readonly imported: readonly string[]; readonly peers: readonly string[] },
  built: string,
): void {
  const { name, version, description, exports } = main.manifest;
  const versions = installedVersions([main, ...others].map(({ folder }) => folder));
  const manifest = {
    ...{ name, version, description, license: "Apache-2.0", type: "module" },
    engines: { node: `>=${NODE_MIN}` },
    exports: Object.fromEntries(
      Object.keys(exports).map((path) => {
        const file = `./dist/${entryName(path)}`;
        return [path, { types: `${file}.d.ts`, default: `${file}.js` }];
      }),
    ),
    files: ["dist"],
    sideEffects: false,
    dependencies: Object.fromEntries(imported.map((id) => [id, versions(id)])),
    ...(peers.length > 0 && {
      peerDependencies: Object.fromEntries(peers.map((id) => [id, `>=${majorOf(versions(id))}`])),
      peerDependenciesMeta: Object.fromEntries(peers.map((id) => [id, { optional: true }])),
    }),
  };
  writeFileSync(join(built, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** The version of a package that one of these folders, or the root, has installed. */
function installedVersions(folders: readonly string[]): (name: string) => string {
  return (name) => {
    const found = [...folders, "."]
      .map((folder) => join(ROOT, folder, "node_modules", name, "package.json"))
      .find((path) => existsSync(path));
    if (found === undefined)
      throw new Error(`${name} is imported, and no package of the workspace depends on it`);
    return (JSON.parse(readFileSync(found, "utf8")) as Manifest).version;
  };
}

function majorOf(version: string): string {
  return version.split(".")[0] ?? version;
}

function copyPage({ folder }: WorkspacePackage, page: string, built: string): void {
  const own = join(ROOT, folder, page);
  const path = existsSync(own) ? own : join(ROOT, page);
  if (page === "LICENSE" || existsSync(own)) copyFileSync(path, join(built, page));
}

function npmPack({ manifest }: WorkspacePackage, built: string, out: string): Tarball {
  mkdirSync(out, { recursive: true });
  const file =
    run("npm", ["pack", "--silent", "--pack-destination", out], built).trim().split("\n").at(-1) ?? "";
  return { name: manifest.name, version: manifest.version, tarball: join(out, basename(file)) };
}

function run(program: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${basename(program)} ${args.join(" ")} failed:\n${stdout}${stderr}`);
  }
}
