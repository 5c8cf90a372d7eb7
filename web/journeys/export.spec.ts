/// The record as a file, whole: every entry once, in order, with its progress; and it can be stopped. HUBD_EXPORT_ENTRIES makes
/// the record as long as a house's of years.
import { readFile } from "node:fs/promises";
import { type Route } from "@playwright/test";
import { type Demo, expect, test } from "./house.ts";

// A hub of its own: its record is filled.
test.use({ speed: 3 });
const ENTRIES = Number(process.env.HUBD_EXPORT_ENTRIES ?? 3_000);
const AT_ONCE = 16;
test.setTimeout(60_000 + ENTRIES * 20);

/// Makes entries as people do: the label of a key of metal is changed, again and again.
async function fill(demo: Demo): Promise<void> {
  const made = async (path: string, body: unknown) => {
    const response = await demo.post(path, body);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as { id: string };
  };
  const person = await made("/people", { name: "Kim", role: "resident" });
  const key = await made("/credentials", { person: person.id, kind: "mechanical_key" });
  let next = 0;
  const write = async () => {
    while (next < ENTRIES) {
      const label = `Key ${next}`;
      next += 1;
      const response = await demo.patch(`/credentials/${key.id}`, { label });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, write));
}

test("a long record is saved whole, with its progress, and can be stopped", async ({
  signedIn: page,
  demo,
}) => {
  await fill(demo);
  await page.goto(`${demo.url}/#/activity`);
  await page.getByText("Export", { exact: true }).click();
  const save = page.getByRole("button", { name: "JSON Lines" });

  // Slow enough to be looked at.
  const slowly = async (route: Route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await route.continue();
  };
  await page.route("**/api/v1/events?*", slowly);
  await save.click();
  await expect(page.getByRole("progressbar", { name: "Export" })).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(save).toBeVisible();
  await page.unroute("**/api/v1/events?*", slowly);

  const began = Date.now();
  const coming = page.waitForEvent("download", { timeout: 0 });
  await save.click();
  const download = await coming;
  expect(download.suggestedFilename()).toBe("hubd-journal.jsonl");
  const lines = (await readFile(await download.path(), "utf8")).trimEnd().split("\n");
  const numbers = lines.map((line) => (JSON.parse(line) as { seq: number }).seq);
  console.log(`${numbers.length} entries saved in ${Date.now() - began} ms`);
  expect(numbers.length).toBeGreaterThan(ENTRIES);
  expect(numbers.at(-1)).toBe(1);
  const gaps = numbers.filter((seq, at) => at > 0 && numbers[at - 1] !== seq + 1);
  expect(gaps).toEqual([]);
});
