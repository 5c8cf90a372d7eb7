/// From the setup code to a rehearsed release, on a real daemon with its own TLS and the devices of zwave-js; the hub is
/// killed and started again in the middle of each.
import { accessible } from "./house.ts";
import { Rig, expect, test, totp } from "./rig.ts";
import { type Page } from "@playwright/test";

test.describe.configure({ mode: "serial", timeout: 180_000 });
// The browser does not know the hub's own authority; that it is shown and kept is tested with the certificate itself.
test.use({ ignoreHTTPSErrors: true });

let page: Page;
test.beforeAll(async ({ browser }, info) => {
  const { viewport, colorScheme, isMobile, hasTouch } = info.project.use;
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    locale: "en-GB",
    viewport: viewport ?? null,
    colorScheme: colorScheme ?? null,
    isMobile: isMobile ?? false,
    hasTouch: hasTouch ?? false,
  });
  page = await context.newPage();
});
test.afterAll(() => page.context().close());

/// Does what asks for a fresh proof now and then.
async function proved(rig: Rig, done: () => Promise<void>): Promise<void> {
  const dialog = page.getByRole("dialog", { name: "Is it still you?" });
  await Promise.race([done(), dialog.waitFor()]);
  if (await dialog.isVisible()) {
    await dialog.getByLabel("Six-digit code").fill(totp(rig.owner.secret, Date.now() + 30_000));
    await dialog.getByRole("button", { name: "Confirm" }).click();
  }
  await done();
}

test("first run over the hub's own TLS: a secure cookie, HSTS, and a restart between the two factors", async ({
  rig,
}, info) => {
  const first = await page.goto(rig.url);
  expect(first?.headers()["strict-transport-security"]).toContain("max-age=");
  await page.getByLabel("Setup code").fill(rig.setup);
  await page.getByLabel("Your name").fill(rig.owner.name);
  await page.getByLabel("New password").fill(rig.owner.password);
  await page.getByRole("button", { name: "Next" }).click();
  await expect(page.getByRole("img", { name: "QR code" })).toBeVisible();
  const [cookie] = await page.context().cookies();
  expect(cookie).toMatchObject({ name: "__Host-hubd", secure: true, httpOnly: true, sameSite: "Strict" });
  await page.getByText("Type it instead").click();
  rig.owner.secret = await page.locator("details code").innerText();
  await page.getByLabel("Six-digit code").fill(totp(rig.owner.secret));
  await page.getByRole("button", { name: "Next" }).click();
  await expect(page.getByRole("heading", { name: "Recovery codes" })).toBeVisible();
  await page.screenshot({ path: `seen/${info.project.name}/rig-recovery.png` });
  await page.getByRole("button", { name: "I have them" }).click();
  await expect(page.locator("article").first()).toBeVisible({ timeout: 90_000 });
  await rig.restart(page);
  await expect(page.locator("article").first()).toBeVisible();
});

test("unlock: what the lock says is shown, before and after a power cut", async ({ rig }, info) => {
  await page.goto(`${rig.url}/#/`);
  const card = page.locator("article").first();
  const name = await card.getByRole("heading").innerText();
  const moved = async (press: string, to: string): Promise<void> => {
    await expect(card.locator("[data-bolt]")).toBeVisible();
    await card.getByRole("button", { name: press }).first().click();
    if (to === "unlocked") await page.getByRole("dialog").getByRole("button", { name: "Unlock" }).click();
    await expect(card.locator(`[data-bolt="${to}"]`)).toBeVisible();
  };
  await moved(`Lock ${name}`, "locked");
  await rig.restart(page);
  await expect(card.locator('[data-bolt="locked"]')).toBeVisible();
  await expect(card.getByRole("button", { name: "Hold to unlock" })).toBeEnabled();
  await moved("Hold to unlock", "unlocked");
  expect((await rig.mock("state", { node: 2 })).bolt).toBe(0);
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/rig-unlocked.png` });
  await moved(`Lock ${name}`, "locked");
});

test("include: a hub that is killed in the middle forgets the attempt, and the next one works", async ({
  rig,
}, info) => {
  await page.goto(`${rig.url}/#/radios`);
  const begin = async (): Promise<void> => {
    await page.getByRole("button", { name: "Add a device" }).click();
    await page.getByRole("button", { name: "Start" }).click();
  };
  await begin();
  await expect(page.getByRole("heading", { name: "Waiting for the device" })).toBeVisible();
  await rig.restart(page);
  await expect(page.getByRole("heading", { name: "Waiting for the device" })).toBeHidden();
  await rig.mock("include", { id: 10, kind: "s2" });
  await begin();
  await expect(page.getByLabel("Five digits")).toBeVisible({ timeout: 60_000 });
  await accessible(page);
  const dsk = String((await rig.mock("dsk", {})).dsk);
  await page.getByLabel("Five digits").fill(dsk.slice(0, 5));
  await page.getByRole("button", { name: "Next" }).click();
  await expect(page.getByRole("heading", { name: "The device joined" })).toBeVisible({ timeout: 60_000 });
  await page.goto(`${rig.url}/#/`);
  await expect(page.locator("article")).toHaveCount(2);
  await page.screenshot({ path: `seen/${info.project.name}/rig-included.png` });
});

test("smoke: a rehearsal passes; a real alarm opens the chosen door, and a power cut changes nothing of that", async ({
  rig,
}, info) => {
  await page.goto(`${rig.url}/#/emergency`);
  const policy = page.locator("section").filter({ has: page.locator("#policy") });
  await policy.getByRole("button", { name: "Change" }).click();
  await policy.getByLabel("Open the chosen doors at an alarm").check();
  await policy.getByRole("checkbox").nth(1).check();
  await policy.getByRole("button", { name: "Save" }).click();
  await proved(rig, () => expect(page.getByText("At an alarm the chosen doors are unlocked.")).toBeVisible());
  await page.getByRole("button", { name: "Rehearse", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rehearse" }).click();
  await expect(page.getByText("Everything worked", { exact: true })).toBeVisible({ timeout: 60_000 });
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/rig-drill.png`, fullPage: true });

  // Smoke (notification 1, event 2), which has to last half a minute before a door is opened for it.
  // A detector says it again until it is heard.
  await expect(async () => {
    await rig.mock("notify", { node: 3, type: 1, event: 2, params: [] });
    await expect(page.getByRole("alert").getByText(/^Smoke/)).toBeVisible({ timeout: 5_000 });
  }).toPass();
  await expect(page.getByRole("alert").getByText("Doors are open")).toBeVisible({ timeout: 90_000 });
  await rig.restart(page);
  await expect(page.getByRole("alert").getByText("Doors are open")).toBeVisible({ timeout: 60_000 });
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/rig-smoke.png`, fullPage: true });
});
