/** What a process does that has lost its lease: obey what it last knew, or seal and open nothing. */
export const STALE_POLICIES = ["hold", "refuse"] as const;
export type StalePolicy = (typeof STALE_POLICIES)[number];
