import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { messages as de } from "../messages/de.gen.ts";
import { messages as en } from "../messages/en.gen.ts";

it("has no text that nobody says", () => {
  const said = readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(svelte|ts)$/.test(file) && !/\.(gen|test)\./.test(file))
    .map((file) => readFileSync(join("src", file), "utf8"))
    .join("\n");
  const used = new Set([...said.matchAll(/\bm\.(\w+)\(/g)].map((match) => match[1]));
  expect(Object.keys(en).filter((key) => !used.has(key))).toEqual([]);
});

it("puts numbers and names in their places, in each language", () => {
  expect(en.home_some_open({ count: 1 })).toBe("1 door is not locked.");
  expect(en.home_some_open({ count: 2 })).toBe("2 doors are not locked.");
  expect(de.home_some_open({ count: 1 })).toBe("1 Tür ist nicht verriegelt.");
  expect(de.via_keypad_person({ name: "Anna" })).toBe("mit dem Code von Anna");
});
