/// Times in words.
import { locale, m } from "./language.ts";

const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
const clock = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
const exact = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const date = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/// "3 minutes ago"; under a minute "just now".
export function ago(at: string | number, now: number): string {
  const past = Math.max(0, now - new Date(at).getTime());
  for (const [unit, length] of STEPS) {
    if (past >= length) return relative.format(-Math.floor(past / length), unit);
  }
  return m.just_now();
}

export const hour = (at: string | number): string => clock.format(new Date(at));
export const second = (at: string | number): string => exact.format(new Date(at));
export const day = (at: string | number): string => date.format(new Date(at));
/// A day with its year, for what lies long ago.
export const calendar = (at: string | number): string =>
  new Date(at).toLocaleDateString(locale, { dateStyle: "medium" });
export const moment = (at: string | number): string => full.format(new Date(at));

/// A day's own name, to group by.
export function dayOf(at: string): string {
  const when = new Date(at);
  return `${when.getFullYear()}-${when.getMonth()}-${when.getDate()}`;
}

/// "Today", "Yesterday", or the date.
export function dayName(at: string, now: number): string {
  if (dayOf(at) === dayOf(new Date(now).toISOString())) return m.today();
  if (dayOf(at) === dayOf(new Date(now - 86_400_000).toISOString())) return m.yesterday();
  return day(at);
}
