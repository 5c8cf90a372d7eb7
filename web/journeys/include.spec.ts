/// A lock joins step by step; the page is left in the middle and come back to.
import { accessible, expect, test } from "./house.ts";

test("a lock is included with the digits on its label", async ({ signedIn: page, demo }, info) => {
  await page.goto(`${demo.url}/#/radios`);
  await page.getByRole("button", { name: "Add a device" }).click();
  await expect(page.getByLabel("As safely as the device can")).toBeChecked();
  await accessible(page);
  await page.getByRole("button", { name: "Start" }).click();
  await expect(page.getByRole("heading", { name: "Waiting for the device" })).toBeVisible();
  await page.screenshot({ path: `seen/${info.project.name}/include-waiting.png` });
  // The work is the hub's: whoever comes back finds it where it is.
  await page.goto(`${demo.url}/#/activity`);
  await page.goto(`${demo.url}/#/radios`);
  await expect(page.getByLabel("Five digits")).toBeVisible({ timeout: 30_000 });
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/include-asking.png` });
  await page.getByLabel("Five digits").fill(demo.pin);
  await page.getByRole("button", { name: "Next" }).click();
  await expect(page.getByRole("heading", { name: "The device joined" })).toBeVisible({ timeout: 40_000 });
  await expect(page.getByText("S2 Access Control")).toBeVisible();
  await page.screenshot({ path: `seen/${info.project.name}/include-done.png` });
  await page.getByRole("link", { name: "See the door" }).click();
  await page.getByLabel("Name").fill("Shed <b>door</b>");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Shed <b>door</b>");
});
