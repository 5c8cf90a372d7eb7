/// People who are invited: what a guest and a responder see, and what they do not.
import { type Browser, type Page } from "@playwright/test";
import { type Demo, accessible, door, expect, test } from "./house.ts";

const PASSWORD = "violet harbour cactus tempo";

async function invite(page: Page, demo: Demo, name: string, role: string): Promise<string> {
  await page.goto(`${demo.url}/#/system`);
  const accounts = page.locator("section").filter({ has: page.locator("#accounts") });
  await accounts.getByLabel("Name").fill(name);
  await accounts.getByLabel("Role").selectOption(role);
  await accounts.getByRole("button", { name: "Invite", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: `Invitation for ${name}` });
  const code = await dialog.locator(".secret").innerText();
  await dialog.getByRole("button", { name: "Done" }).click();
  if (role === "guest") {
    const given = page.getByRole("dialog", { name: `Doors of ${name}` });
    await accessible(page);
    await given.getByLabel("Back door").check();
    await given.getByRole("button", { name: "Save" }).click();
    await expect(given).toBeHidden();
    await expect(accounts.getByText("Back door: Always").first()).toBeVisible();
  }
  return code;
}

async function accept(browser: Browser, demo: Demo, name: string, code: string): Promise<Page> {
  const page = await (await browser.newContext({ locale: "en-GB" })).newPage();
  await page.goto(demo.url);
  await page.getByRole("button", { name: "I was invited" }).click();
  await accessible(page);
  await page.getByLabel("Code of the invitation").fill(code);
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByRole("button", { name: "Next" }).click();
  return page;
}

test("a responder sees every door, large, and can press nothing", async ({
  browser,
  signedIn,
  demo,
}, info) => {
  const name = `Brigade ${info.project.name}`;
  const page = await accept(browser, demo, name, await invite(signedIn, demo, name, "responder"));
  await expect(page.getByRole("heading", { name: "Doors of this home" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Front door" })).toBeVisible();
  await expect(page.getByRole("button")).toHaveCount(0);
  await accessible(page);
  await page.context().close();
});

test("a guest sees the door given to it, moves its bolt and follows it live, until it is taken back", async ({
  browser,
  signedIn,
  demo,
}, info) => {
  const name = `Visitor ${info.project.name}`;
  const page = await accept(browser, demo, name, await invite(signedIn, demo, name, "guest"));
  const card = door(page, "Back door");
  await expect(card).toBeVisible();
  await expect(page.locator("article")).toHaveCount(1);
  await expect(page.getByRole("link", { name: "Activity" })).toHaveCount(0);
  await expect(page.getByRole("link", { name: "Radios" })).toHaveCount(0);
  const [from, to, press] =
    (await card.locator("[data-bolt]").getAttribute("data-bolt")) === "locked"
      ? ["locked", "unlocked", "Hold to unlock"]
      : ["unlocked", "locked", "Lock Back door"];
  await expect(card.locator(`[data-bolt="${from}"]`)).toBeVisible();
  await card.getByRole("button", { name: press }).first().click();
  if (to === "unlocked") await page.getByRole("dialog").getByRole("button", { name: "Unlock" }).click();
  await expect(card.locator(`[data-bolt="${to}"]`)).toBeVisible();
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/guest-home.png`, fullPage: true });

  const row = signedIn.locator("li").filter({ hasText: name });
  await row.getByRole("button", { name: `Doors ${name}` }).click();
  const given = signedIn.getByRole("dialog", { name: `Doors of ${name}` });
  await given.getByLabel("Back door").uncheck();
  await given.getByRole("button", { name: "Save" }).click();
  await expect(given).toBeHidden();
  await page.reload();
  await expect(page.getByText("No door was given.")).toBeVisible();
  await accessible(page);
  await page.context().close();
});
