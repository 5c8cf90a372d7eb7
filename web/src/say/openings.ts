/// Openings counted by the hour of the day, from journal entries.
import type { Entry } from "../api/client.ts";

/// How many bolts were opened in each hour of the day, by this browser's clock.
export function byHour(entries: Entry[]): number[] {
  const hours = new Array<number>(24).fill(0);
  for (const entry of entries) {
    const bolt = entry.data.bolt;
    if (entry.kind !== "lock.operated" || (bolt !== "unlocked" && bolt !== "unlatched")) continue;
    const hour = new Date(entry.at).getHours();
    hours[hour] = (hours[hour] ?? 0) + 1;
  }
  return hours;
}

/// How often each was the cause, the most frequent first.
export function byWhom(entries: Entry[], whom: (entry: Entry) => string): [string, number][] {
  const counts = new Map<string, number>();
  for (const entry of entries) {
    if (entry.kind !== "lock.operated" || entry.data.bolt === "locked") continue;
    const name = whom(entry);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]);
}
