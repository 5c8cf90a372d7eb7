/// What opens doors besides everyday codes - emergency codes, keys, tags - the emergency sheet, and who is told.
import { accessible, expect, test } from "./house.ts";

test.describe.configure({ mode: "serial" });

test("an emergency code is prepared, enabled and retired; a key is kept in the list", async ({
  signedIn: page,
  demo,
}, info) => {
  const made = await demo.post("/people", { name: `Alex ${info.project.name}`, role: "resident" });
  const { id } = (await made.json()) as { id: string };
  await page.goto(`${demo.url}/#/people/${id}`);
  await page.getByRole("button", { name: "Add a code, tag or key" }).click();
  await page.getByLabel("What is it for?").selectOption("emergency");
  await page.getByLabel("Front door").check();
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/credential-new.png`, fullPage: true });
  await page.getByRole("button", { name: "Make the code" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
  const code = page.locator("article").filter({ hasText: "Emergency code" });
  await code.getByRole("button", { name: "Enable now" }).click();
  await expect(code.getByText("Emergency code, works now")).toBeVisible();
  await code.getByRole("button", { name: "Disable again" }).click();
  await expect(code.getByRole("button", { name: "Enable now" })).toBeVisible();

  await page.getByRole("button", { name: "Add a code, tag or key" }).click();
  await page.getByLabel("What is it?").selectOption("mechanical_key");
  await page.getByLabel("What is it called?").fill("Cellar key");
  await page.getByLabel("Where is it kept?").fill("with the neighbour");
  await page.getByLabel("Rekeyed or learnt on").fill("2026-03-01");
  await accessible(page);
  await page.getByRole("button", { name: "Save", exact: true }).first().click();
  const key = page.locator("article").filter({ hasText: "Cellar key" });
  await expect(key.getByText(/Kept at with the neighbour|with the neighbour/)).toBeVisible();
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/inventory.png`, fullPage: true });
});

test("the emergency sheet is written and printed with the code that was ticked", async ({
  signedIn: page,
  demo,
}, info) => {
  await page.goto(`${demo.url}/#/emergency`);
  const sheet = page.locator("section").filter({ has: page.locator("#sheet") });
  await sheet.getByText("What is written on it").click();
  await sheet.getByLabel("Address").fill("Birch Lane 4");
  await sheet.getByLabel("Note for Front door").fill("opens inwards");
  await sheet.getByRole("button", { name: "Save" }).click();
  await expect(sheet.getByText("Saved")).toBeVisible();
  await accessible(page);
  await sheet.getByText("Codes on this printing").click();
  await sheet.getByRole("checkbox").first().check();
  await page.screenshot({ path: `seen/${info.project.name}/sheet.png`, fullPage: true });
  const download = page.waitForEvent("download");
  await sheet.getByRole("button", { name: "Print the sheet (PDF)" }).click();
  expect((await download).suggestedFilename()).toBe("emergency-sheet.pdf");
  const printed = () => demo.get<{ data: unknown }[]>("/events?kind=sheet.printed&limit=1");
  expect((await printed())[0]?.data).toMatchObject({ by: "Robin", pins: 1, paper: "a4" });
  await page.goto(`${demo.url}/#/activity`);
  await expect(page.getByText("Robin printed the emergency sheet with 1 code").first()).toBeVisible();
  await page.goto(`${demo.url}/#/system`);
  await expect(page.getByText("Nobody is told yet.", { exact: false })).toBeVisible();
  await accessible(page);
});
