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
