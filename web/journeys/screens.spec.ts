/// Every screen, in both themes and sizes: no violation that axe-core knows, nothing wider than the page, and a picture
/// in `seen/` for a person to look at.
import { accessible, expect, test } from "./house.ts";

// Days that pass quickly leave something to see.
test.use({ speed: 600 });

/// Name, path, and something that is there once the screen is filled.
const SCREENS: [string, string, string][] = [
  ["home", "", "article"],
  ["activity", "activity", "[data-seq]"],
  ["radios", "radios", "td"],
  ["system", "system", "section li"],
  ["people", "people", "h1"],
  ["emergency", "emergency", "#policy"],
  ["responder", "responder", "[data-bolt]"],
];

test("the sign-in", async ({ page, demo }, info) => {
  await page.goto(demo.url);
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/sign-in.png`, fullPage: true });
});

for (const [name, path, filled] of SCREENS) {
  test(name, async ({ signedIn: page, demo }, info) => {
    await page.goto(`${demo.url}/#/${path}`);
    await expect(page.locator(filled).first()).toBeVisible();
    await accessible(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    await page.screenshot({ path: `seen/${info.project.name}/${name}.png`, fullPage: name !== "activity" });
  });
}

test("a door", async ({ signedIn: page }, info) => {
  await page.getByRole("link", { name: "Front door" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Front door" })).toBeFocused();
  await expect(page.locator("[data-seq]").first()).toBeVisible();
  await accessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
  await page.screenshot({ path: `seen/${info.project.name}/door.png` });
});

test("what the journal says of the house: verified, pictured, in German too", async ({
  signedIn: page,
  demo,
}, info) => {
  await page.goto(`${demo.url}/#/activity`);
  await page.getByText("Is the record whole?").click();
  await page.getByRole("button", { name: "Verify" }).click();
  await expect(page.getByText(/Whole: [0-9]+ entries/)).toBeVisible();
  await page.getByText("When doors are opened").click();
  await expect(page.getByRole("img", { name: /Openings by hour/ })).toBeVisible();
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/openings.png` });
  await page.getByText("Export", { exact: true }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "CSV" }).click();
  expect((await download).suggestedFilename()).toBe("hubd-journal.csv");

  await page.evaluate(() => localStorage.setItem("hubd.language", "de"));
  await page.reload();
  await expect(page.getByRole("heading", { level: 1, name: "Verlauf" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("lang", "de");
  await page.goto(`${demo.url}/#/`);
  await expect(page.getByRole("button", { name: "Halten: entriegeln Front door" })).toBeVisible();
  await accessible(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
  await page.screenshot({ path: `seen/${info.project.name}/home-german.png` });
});
