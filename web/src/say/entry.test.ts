import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import type { Entry } from "../api/client.ts";

// All that this needs of a browser: where the page is, and that nobody chose a language.
vi.stubGlobal("location", new URL("http://hub.local/"));
vi.stubGlobal("localStorage", { getItem: () => null });
vi.stubGlobal("navigator", { languages: ["en"] });
vi.stubGlobal("document", { documentElement: {} });
const { tell } = await import("./entry.ts");
await (await import("./language.ts")).speak();

/// Every kind that the hub's own sources name.
function kinds(): string[] {
  const sources = [
    "../core/src/event.rs",
    "../core/src/credentials/event.rs",
    "../core/src/lifesafety/event.rs",
  ].map((file) => readFileSync(file, "utf8"));
  const journal = readdirSync("../hubd/src/store")
    .filter((file) => file === "journal.rs")
    .map((file) => readFileSync(join("../hubd/src/store", file), "utf8"));
  return [...sources, ...journal]
    .flatMap((text) => [...text.matchAll(/(?:=>|: &str =) "([a-z]+\.[a-z_]+)"/g)])
    .map((match) => match[1] as string);
}

it("has a sentence for everything that the hub tells", () => {
  const all = kinds();
  expect(all.length).toBeGreaterThan(60);
  const data = { what: "a part", made_at: "2026-01-01T00:00:00Z" };
  const raw = all.filter((kind) => {
    const entry = {
      seq: 1,
      at: "2026-01-01T00:00:00Z",
      kind,
      lock: null,
      alarm: null,
      person: null,
      data,
    };
    const { text } = tell(entry as Entry);
    return text.trim() === "" || text.includes(kind);
  });
  expect(raw).toEqual([]);
});
