import { fixed, REQUEST_ID } from "./fixed.ts";
import { lp, sha256 } from "./reference.ts";

/** Requests of openai at the edge of a share, or next to it; found by a search. */
const EDGES = {
  "first of 25 %": ["00000000-0000-4000-8000-0000b8f47e01", 2 ** 30],
  "last of 75 %": ["00000000-0000-4000-8000-000019749e91", 3 * 2 ** 30 - 1],
  "first of 75 %": ["00000000-0000-4000-8000-0000937d8d52", 3 * 2 ** 30],
  "last of 1 %": ["00000000-0000-4000-8000-0000b0e82ea7", 42_949_672],
  "first of 1 %": ["00000000-0000-4000-8000-00015f50c1d5", 42_949_673],
  "last of 99 %": ["00000000-0000-4000-8000-0001ddfd7629", 4_252_017_623],
  "first of 99 %": ["00000000-0000-4000-8000-0000bbfdc090", 4_252_017_624],
  lowest: ["00000000-0000-4000-8000-00024297f27f", 0],
  highest: ["00000000-0000-4000-8000-000025bf07d8", 2 ** 32 - 1],
} as const;

/** Requests inside and outside of shares. */
export function shares() {
  return {
    vectors: [
      edge("last of 1 %", 1, true),
      edge("first of 1 %", 1, false),
      edge("first of 25 %", 25, false, "on the edge"),
      edge("first of 25 %", 26, true),
      edge("last of 75 %", 75, true),
      edge("first of 75 %", 75, false, "on the edge"),
      edge("last of 99 %", 99, true),
      edge("first of 99 %", 99, false),
      share("SH3", "the highest place in a share of 100", "openai", EDGES.highest[0], 100),
      share("SH2", "the highest place in a share of 99", "openai", EDGES.highest[0], 99),
      edge("lowest", 0, false, "on the edge"),
      edge("lowest", 1, true),
      share("SH3", "any place in a share of 0", "openai", REQUEST_ID, 0),
      ...providers(),
      ...ids(),
    ],
  };
}

function edge(which: keyof typeof EDGES, percentage: number, inside: boolean, note = ""): object {
  const [id, place] = EDGES[which];
  const vector = share(
    percentage === 0 ? "SH3" : "SH2",
    `${which} in ${percentage} %${note && `, ${note}`}`,
    "openai",
    id,
    percentage,
  );
  if (vector.place !== place || vector.inside !== inside) throw new Error(`${which}: not where it is to be`);
  return vector;
}

/** The same request of several providers. */
function providers(): object[] {
  return ["openai", "anthropic", "a", "x".repeat(64)].map((provider) =>
    share("SH1", `the place of a request of ${provider.slice(0, 12)}`, provider, REQUEST_ID, 50),
  );
}

function ids(): object[] {
  return Array.from({ length: 8 }, (_, at) => {
    const hex = fixed(`shared request ${at}`, 16).toString("hex");
    const id = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
      "-",
    );
    return share("SH1", `the place of request ${at}`, "anthropic", id, 50);
  });
}

function share(rule: string, name: string, provider: string, requestId: string, percentage: number) {
  const place = sha256(Buffer.concat([lp(provider), lp(requestId)])).readUInt32BE(0);
  const inside = BigInt(place) * 100n < BigInt(percentage) * 2n ** 32n;
  return { name, rules: [rule], provider, request_id: requestId, percentage, place, inside };
}
