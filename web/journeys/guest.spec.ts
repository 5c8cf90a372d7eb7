/// A guest with a code for some hours each week: three steps, a PIN that is shown once, and what becomes of it.
import { accessible, expect, test } from "./house.ts";

test("a guest gets a code for weekly hours in three steps", async ({ signedIn: page, demo }, info) => {
  const seen = (name: string) => page.screenshot({ path: `seen/${info.project.name}/${name}.png` });
  await page.goto(`${demo.url}/#/people`);
  await page.getByRole("button", { name: "Add a guest" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Kim <i>Cleaner</i>");
  await accessible(page);
  await dialog.getByRole("button", { name: "Next" }).click();
  await dialog.getByLabel("The same hours each week").check();
  for (const day of ["Monday", "Wednesday", "Thursday", "Friday"]) {
    await dialog.getByLabel(day, { exact: true }).uncheck({ force: true });
  }
  await dialog.getByLabel("From").fill("09:00");
  await dialog.getByLabel("Until").fill("12:30");
  await accessible(page);
  await seen("guest-when");
  await dialog.getByRole("button", { name: "Next" }).click();
  await dialog.getByLabel("Front door").check();
  await accessible(page);
  await seen("guest-doors");
  await dialog.getByRole("button", { name: "Make the code" }).click();
  const pin = await dialog.locator(".pin").innerText();
  expect(pin).toMatch(/^[0-9]{4,8}$/);
  await expect(dialog.getByText("Tue 09:00–12:30")).toBeVisible();
  await accessible(page);
  await seen("guest-pin");
  await dialog.getByRole("button", { name: "Done" }).click();

  await page.getByRole("link", { name: "Kim <i>Cleaner</i>" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Kim <i>Cleaner</i>" })).toBeVisible();
  await expect(page.getByText("Tue 09:00–12:30")).toBeVisible();
  await expect(page.locator("body")).not.toContainText(pin);
  await accessible(page);
  await seen("person");

  await page.getByRole("button", { name: "Show the code" }).click();
  await expect(page.getByRole("dialog").getByText(pin)).toBeVisible();
  await page.getByRole("button", { name: "Done" }).click();
  await page.goto(`${demo.url}/#/activity`);
  await expect(page.getByText("Robin looked at the code")).toBeVisible();
});

test("what a lock holds is shown with what is wanted", async ({ signedIn: page }, info) => {
  await page.getByRole("link", { name: "Front door" }).click();
  await expect(page.getByRole("heading", { name: "Codes on this lock" })).toBeVisible();
  await expect(
    page.locator("section").filter({ hasText: "Codes on this lock" }).locator("li").first(),
  ).toBeVisible();
  await accessible(page);
  await page.locator("#codes").scrollIntoViewIfNeeded();
  await page.screenshot({ path: `seen/${info.project.name}/codes.png` });
});
