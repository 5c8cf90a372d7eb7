/// When a credential opens the door, in words.
import type { Schedule, WeeklyWindow } from "../api/client.ts";
import { locale, m } from "./language.ts";

export type Day = WeeklyWindow["day"];
export const DAYS: Day[] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

const short = new Intl.DateTimeFormat(locale, { weekday: "short", timeZone: "UTC" });
const long = new Intl.DateTimeFormat(locale, { weekday: "long", timeZone: "UTC" });
const instant = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

/// A Monday, to ask the language for the names of days.
const MONDAY = Date.UTC(2024, 0, 1);
const at = (day: Day): number => MONDAY + DAYS.indexOf(day) * 86_400_000;
export const dayShort = (day: Day): string => short.format(at(day));
export const dayLong = (day: Day): string => long.format(at(day));

/// Windows with the same hours stand together: "Mon, Tue, Fri 08:00–12:00".
export function windows(weekly: WeeklyWindow[]): string {
  const groups = new Map<string, Day[]>();
  for (const window of weekly) {
    const hours = `${window.start}–${window.end}`;
    groups.set(hours, [...(groups.get(hours) ?? []), window.day]);
  }
  return [...groups]
    .map(([hours, days]) => {
      const sorted = DAYS.filter((day) => days.includes(day));
      const names = sorted.length === DAYS.length ? m.every_day() : sorted.map(dayShort).join(", ");
      return `${names} ${hours}`;
    })
    .join("; ");
}

export function schedule(when: Schedule): string {
  const parts: string[] = [];
  if (when.from && when.until) {
    parts.push(
      m.from_until({
        from: instant.format(new Date(when.from)),
        until: instant.format(new Date(when.until)),
      }),
    );
  } else if (when.from) {
    parts.push(m.from_on({ from: instant.format(new Date(when.from)) }));
  } else if (when.until) {
    parts.push(m.until({ until: instant.format(new Date(when.until)) }));
  }
  if (when.weekly && when.weekly.length > 0) parts.push(windows(when.weekly));
  return parts.length === 0 ? m.always() : parts.join(", ");
}

/// What a form holds of a schedule.
export interface Form {
  kind: "always" | "dated" | "weekly";
  from: string;
  until: string;
  days: Day[];
  start: string;
  end: string;
}

export function blank(): Form {
  const now = new Date();
  const local = (date: Date): string =>
    new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  return {
    kind: "always",
    from: local(now),
    until: local(new Date(now.getTime() + 3 * 86_400_000)),
    days: ["monday", "tuesday", "wednesday", "thursday", "friday"],
    start: "08:00",
    end: "18:00",
  };
}

/// What the form says, for the hub. A window over midnight is two.
export function read(form: Form): Schedule {
  switch (form.kind) {
    case "always":
      return {};
    case "dated":
      return { from: new Date(form.from).toISOString(), until: new Date(form.until).toISOString() };
    case "weekly":
      return {
        weekly: form.days.flatMap((day): WeeklyWindow[] => {
          if (form.start < form.end) return [{ day, start: form.start, end: form.end }];
          const next = DAYS[(DAYS.indexOf(day) + 1) % DAYS.length] as Day;
          const rest: WeeklyWindow[] =
            form.end === "00:00" ? [] : [{ day: next, start: "00:00", end: form.end }];
          return [{ day, start: form.start, end: "24:00" }, ...rest];
        }),
      };
  }
}

/// Whether the form can be sent.
export function complete(form: Form): boolean {
  switch (form.kind) {
    case "always":
      return true;
    case "dated":
      return form.from !== "" && form.until !== "" && form.from < form.until;
    case "weekly":
      return form.days.length > 0 && form.start !== "" && form.end !== "" && form.start !== form.end;
  }
}
