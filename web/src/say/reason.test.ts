import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { BackupNote, Escalation, Finding, Why } from "../api/client.ts";

const REASON = "../core/src/lifesafety/reason.rs";
const VIEW = "../core/src/credentials/view.rs";
const NOTE = "../hubd/src/backups/note.rs";

/// Every code that the hub's own sources give to one of these.
function codes(file: string, of: string): string[] {
  const source = readFileSync(file, "utf8");
  const body = new RegExp(`^impl ${of} \\{.*?fn code\\(&self\\).*?^    \\}`, "ms").exec(source)?.[0] ?? "";
  return [...body.matchAll(/=> "([a-z_]+)",/g)].map((match) => match[1] as string);
}

/// What each kind of sentence is made of, with everything in it that any code needs.
const kinds = {
  concerns: {
    all: codes(REASON, "Concern"),
    say: (code: string, told: string) =>
      said.concern({ at: "", what: told, code, reason: "REASON", lock: "lock-2" } as Escalation, name),
    parts: { refused: ["REASON"] } as Record<string, string[]>,
  },
  findings: {
    all: codes(REASON, "Finding"),
    say: (code: string, told: string) =>
      said.finding({ code, detail: told, lock: "lock-2", by: "Robin", within_s: 120 } as Finding, name),
    parts: {
      not_open: ["Garage", "120"],
      ended_early: ["Robin"],
      lock_gone: ["Garage"],
      insecure: ["Garage"],
      radio_away: ["Garage"],
      lock_away: ["Garage"],
    } as Record<string, string[]>,
  },
  notes: {
    all: codes(NOTE, "Note"),
    say: (code: string, told: string) =>
      said.note({ code, detail: told, radio: "zwave", entries: 3, reason: "REASON" } as BackupNote),
    parts: {
      dongle_away: ["zwave"],
      dongle_too_slow: ["zwave"],
      dongle_disturbed: ["zwave"],
      dongle_failed: ["zwave", "REASON"],
      entries_since: ["3"],
      not_recorded: ["REASON"],
    } as Record<string, string[]>,
  },
  waits: {
    all: codes(VIEW, "Why"),
    say: (code: string, told: string) =>
      said.waits({
        code,
        detail: code === "retrying" ? "it is repeated: REASON" : told,
        from: "2030-05-01T10:00:00Z",
      } as Why),
    parts: { retrying: ["REASON"], not_yet: ["2030"] } as Record<string, string[]>,
  },
};

const name = (id: string): string => (id === "lock-2" ? "Garage" : id);
let said: typeof import("./reason.ts");

/// Begins again as a browser whose person reads this language.
async function read(language: string): Promise<void> {
  vi.resetModules();
  vi.stubGlobal("location", new URL("http://hub.local/"));
  vi.stubGlobal("localStorage", { getItem: () => language });
  vi.stubGlobal("navigator", { languages: [language] });
  vi.stubGlobal("document", { documentElement: {} });
  said = await import("./reason.ts");
  await (await import("./language.ts")).speak();
}

it("finds the codes in the hub's sources", () => {
  expect(kinds.concerns.all).toEqual(expect.arrayContaining(["not_reported", "jammed", "other"]));
  expect(kinds.findings.all).toEqual(expect.arrayContaining(["not_open", "restarted", "other"]));
  expect(kinds.notes.all).toEqual(expect.arrayContaining(["dongle_failed", "entries_since"]));
  expect(Object.values(kinds).map(({ all }) => all.length)).toEqual([7, 10, 7, 25]);
});

for (const language of ["en", "de"]) {
  describe(`in ${language}`, () => {
    beforeEach(() => read(language));

    for (const [kind, { all, say, parts }] of Object.entries(kinds)) {
      it(`has a sentence of its own for every code that the hub gives to ${kind}`, () => {
        // What is kept from before there were codes has no other words than its own.
        const coded = all.filter((code) => code !== "other");
        const sentences = coded.map((code) => say(code, "the hub's own words"));
        expect(coded.filter((_, place) => sentences[place]?.includes("the hub's own words"))).toEqual([]);
        expect(new Set(sentences).size).toBe(coded.length);
        for (const [place, sentence] of sentences.entries()) {
          for (const part of parts[coded[place] ?? ""] ?? []) expect(sentence).toContain(part);
          expect(sentence).not.toMatch(/undefined|\?|\{|lock-2/);
        }
        expect(Object.keys(parts).filter((code) => !coded.includes(code))).toEqual([]);
      });

      it(`says ${kind} as the hub does when their code is new or other`, () => {
        for (const code of ["other", "what_nobody_wrote_yet"])
          expect(say(code, "something new")).toBe("something new");
      });
    }

    it("puts names into the hub's own sentences", () => {
      const what = "lock-2 does not open (stuck)";
      expect(said.concern({ what }, name)).toBe("Garage does not open (stuck)");
      expect(said.finding({ code: "other", detail: what }, name)).toBe("Garage does not open (stuck)");
    });
  });
}

it("says in German what a German reader reads", async () => {
  await read("de");
  expect(kinds.findings.say("lock_away", "")).toBe(
    "Garage antwortet nicht. Sieh nach Batterie und Reichweite.",
  );
  expect(said.note({ code: "entries_since", detail: "", entries: 1 })).toBe(
    "Die Zentrale hat 1 neueren Eintrag im Verlauf.",
  );
  expect(kinds.concerns.say("not_reported", "")).toContain("Die Zentrale versucht es weiter.");
});
