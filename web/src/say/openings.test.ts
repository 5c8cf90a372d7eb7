import { expect, it } from "vitest";
import type { Entry } from "../api/client.ts";
import { byHour, byWhom } from "./openings.ts";

const entry = (at: string, bolt: string, source: string): Entry => ({
  seq: 1,
  at,
  kind: "lock.operated",
  lock: "front",
  alarm: null,
  person: null,
  data: { bolt, via: { source } },
});

it("counts openings, not closings, by hour and by cause", () => {
  const local = (hour: number) => new Date(2026, 1, 3, hour, 30).toISOString();
  const entries = [
    entry(local(8), "unlocked", "keypad"),
    entry(local(8), "locked", "manual"),
    entry(local(17), "unlatched", "keypad"),
    entry(local(17), "unlocked", "manual"),
  ];
  const hours = byHour(entries);
  expect(hours[8]).toBe(1);
  expect(hours[17]).toBe(2);
  expect(hours.reduce((sum, count) => sum + count, 0)).toBe(3);
  const source = (one: Entry) => (one.data.via as { source: string }).source;
  expect(byWhom(entries, source)).toEqual([
    ["keypad", 2],
    ["manual", 1],
  ]);
});
