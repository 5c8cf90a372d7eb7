import { readFileSync } from "node:fs";
import { expect, it, vi } from "vitest";

vi.stubGlobal("localStorage", { getItem: () => null });
vi.stubGlobal("navigator", { languages: ["en"] });
vi.stubGlobal("document", { documentElement: {} });
const { because, drillBy, named } = await import("./safety.ts");
await (await import("./language.ts")).speak();

const name = (id: string): string =>
  ({ "alarm-3": "Hall", "alarm-12": "Kitchen", "lock-2": "Front door" })[id] ?? id;

it("says why doors were released by the names that people gave", () => {
  const cases = [
    ["smoke at alarm-3", "Smoke at Hall"],
    ["co at alarm-12 for 30 s", "Carbon monoxide at Kitchen, for 30 s"],
    [
      "two detectors within 60 s: smoke at alarm-3, heat at alarm-12",
      "two detectors within 60 s: Smoke at Hall, Heat at Kitchen",
    ],
    ["Robin called for help", "Robin called for help"],
    ["what nobody wrote yet about alarm-3", "what nobody wrote yet about Hall"],
  ];
  for (const [told, said] of cases) expect(because(told as string, name)).toBe(said);
});

it("says by whom or by which detector a drill began", () => {
  expect(drillBy("the test button of alarm-12", name)).toBe("With the test button of Kitchen");
  expect(drillBy("Robin", name)).toBe("Robin");
});

it("puts names in the place of ids, and leaves alone what it does not know", () => {
  expect(named("lock-2 does not answer; alarm-12 warned, alarm-99 did not", name)).toBe(
    "Front door does not answer; Kitchen warned, alarm-99 did not",
  );
});

it("knows the sentences that the hub makes", () => {
  const source = readFileSync("../core/src/lifesafety/confirm.rs", "utf8");
  const forms = [
    "{} at {alarm}",
    "{} at {alarm} for {} s",
    "two detectors within {} s: {} at {other}, {} at {alarm}",
    "{name} called for help",
  ];
  for (const form of forms) expect(source).toContain(`"${form}"`);
});
