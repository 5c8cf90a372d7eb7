/// What is left when the hub is gone: a recovery key on paper, and a backup that was tried.
import { readFileSync } from "node:fs";
import { accessible, confirmed, expect, test } from "./house.ts";

test.describe.configure({ mode: "serial" });

let backup = "";

test("a recovery key is made, shown once, and printed alone on one page", async ({
  signedIn: page,
  demo,
}, info) => {
  const seen = (name: string) => page.screenshot({ path: `seen/${info.project.name}/${name}.png` });
  await page.goto(`${demo.url}/#/system`);
  const section = page.locator("section").filter({ has: page.locator("#recovery") });
  await expect(section.getByText("There is none")).toBeVisible();
  await section.getByLabel("Where will the paper lie?").fill("Safe <b>at the bank</b>");
  const paper = page.getByRole("dialog", { name: "Recovery key of this home's doors" });
  await confirmed(
    page,
    demo,
    () => section.getByRole("button", { name: "Make a recovery key" }).click(),
    () => expect(paper).toBeVisible(),
  );
  await expect(paper.locator(".words li")).toHaveCount(24);
  const words = await paper.locator(".words li").allInnerTexts();
  await expect(paper.getByText("Safe <b>at the bank</b>")).toBeVisible();
  await accessible(page);
  await seen("recovery-key");
  // What is not on paper yet is not closed by a slip.
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await expect(paper).toBeVisible();
  await expect(paper.getByRole("button", { name: "Done" })).toBeDisabled();

  await page.emulateMedia({ media: "print" });
  await expect(paper.locator(".words li").last()).toBeVisible();
  await expect(section.locator("#recovery")).toBeHidden();
  await expect(paper.getByRole("button", { name: "Print" })).toBeHidden();
  await seen("recovery-key-printed");
  const printed = (
    await page.pdf({ path: `seen/${info.project.name}/recovery-key.pdf`, format: "A4" })
  ).toString("latin1");
  expect(printed.match(/\/Type \/Page\b/g)).toHaveLength(1);
  await page.emulateMedia({ media: null });

  await paper.getByLabel("I have it on paper").check();
  await paper.getByRole("button", { name: "Done" }).click();
  await expect(paper).toBeHidden();
  await expect(section.getByText("There is none")).toBeHidden();
  await expect(section.getByText("Safe <b>at the bank</b>")).toBeVisible();
  expect(await page.content()).not.toContain(words.slice(0, 3).join("</li><li>"));
  await page.goto(`${demo.url}/#/activity`);
  await expect(page.getByText("Robin made a recovery key: Safe <b>at the bank</b>")).toBeVisible();
});

test("a backup is made while the page may be left, rehearsed, and taken away", async ({
  signedIn: page,
  demo,
}, info) => {
  await page.goto(`${demo.url}/#/system`);
  const section = page.locator("section").filter({ has: page.locator("#backups") });
  await section.getByRole("button", { name: "Make a backup" }).click();
  const told = section.getByRole("status");
  await expect(told.getByText(/(At work|Done): hubd-/)).toBeVisible();
  // The work is the hub's: whoever comes back finds it where it is.
  await page.goto(`${demo.url}/#/`);
  await page.goto(`${demo.url}/#/system`);
  await expect(told.getByText(/Done: hubd-/)).toBeVisible();
  const row = section.locator("li").first();
  backup = /hubd-[0-9TZ]+\.hubd-backup/.exec(await row.innerText())?.[0] ?? "";
  expect(backup).not.toBe("");
  await section.getByRole("button", { name: `Rehearse the restore ${backup}` }).click();
  await expect(told.getByText(/journal entr.* newer/)).toBeVisible();
  await expect(told.getByText(`Done: ${backup}`)).toBeVisible();
  await accessible(page);
  await section.scrollIntoViewIfNeeded();
  await page.screenshot({ path: `seen/${info.project.name}/backups.png` });

  const download = page.waitForEvent("download");
  await confirmed(
    page,
    demo,
    () => section.getByRole("button", { name: `Take away ${backup}` }).click(),
    async () => {
      await download;
    },
  );
  const file = await download;
  expect(file.suggestedFilename()).toBe(backup);
  const { kept } = await demo.get<{ kept: { name: string; size_bytes: number }[] }>("/backups");
  const bytes = readFileSync(await file.path());
  expect(bytes.length).toBe(kept.find((one) => one.name === backup)?.size_bytes);
  expect(bytes.toString("latin1", 0, 40)).toContain("age-encryption.org/v1");
  await page.goto(`${demo.url}/#/activity`);
  await expect(page.getByText(`A backup was opened and compared: ${backup}`)).toBeVisible();
});

test("a recovery key that is lost is removed", async ({ signedIn: page, demo }) => {
  await page.goto(`${demo.url}/#/system`);
  const section = page.locator("section").filter({ has: page.locator("#recovery") });
  await section.getByRole("button", { name: /^Remove Safe/ }).click();
  const dialog = page.getByRole("dialog", { name: /^Remove Safe/ });
  await accessible(page);
  await confirmed(
    page,
    demo,
    () => dialog.getByRole("button", { name: "Remove" }).click(),
    () => expect(section.getByText("There is none")).toBeVisible(),
  );
});
