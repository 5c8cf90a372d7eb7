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
  rig.owner.recovery = await page.locator(".codes li").allInnerTexts();
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

test("a false release: what was decided before a power cut stays decided, and what was not is still asked", async ({
  rig,
}, info) => {
  await page.goto(`${rig.url}/#/emergency`);
  // The detector is quiet again.
  await expect(async () => {
    await rig.mock("notify", { node: 3, type: 1, event: 0, params: [2] });
    await expect(page.getByRole("alert").getByText(/^Smoke/)).toBeHidden({ timeout: 5_000 });
  }).toPass();
  await expect(page.getByText(/^Opened because Smoke at /)).toBeVisible();
  await expect(page.locator("main")).not.toContainText(/alarm-[0-9]/);
  await page.getByLabel("Reason").first().fill("burnt toast");
  await rig.restart(page);
  await expect(page.getByLabel("Reason").first()).toHaveValue("burnt toast");
  await page.getByRole("button", { name: "End the emergency" }).click();
  await expect(page.getByRole("button", { name: "End the emergency" })).toBeHidden();
  await rig.restart(page);
  await expect(page.getByText("Somebody has to say what it was.")).toBeVisible();
  await page.getByLabel("False alarm").check();
  await page.getByLabel("What was it?").fill("nobody was in danger");
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await expect(page.getByText("Somebody has to say what it was.")).toBeHidden();
  await rig.restart(page);
  await expect(page.getByText(/Ended by Robin/)).toBeVisible();
  await expect(page.getByText("Somebody has to say what it was.")).toBeHidden();
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/rig-cleared.png`, fullPage: true });
});

test("a guest's code: asked for after a power cut in the middle of it, and kept over another", async ({
  rig,
}, info) => {
  await page.goto(`${rig.url}/#/people`);
  await page.getByRole("button", { name: "Add a guest" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Kim");
  await dialog.getByRole("button", { name: "Next" }).click();
  await dialog.getByLabel("The same hours each week").check();
  await dialog.getByLabel("From").fill("09:00");
  await dialog.getByLabel("Until").fill("12:30");
  await dialog.getByRole("button", { name: "Next" }).click();
  await dialog.getByRole("checkbox").first().check();
  await rig.restart(page);
  await dialog.getByRole("button", { name: "Make the code" }).click();
  await expect(dialog.locator(".pin")).toHaveText(/^[0-9]{4,8}$/);
  await rig.restart(page);
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: "Kim" }).click();
  await expect(page.getByText("09:00–12:30").first()).toBeVisible();
  // A machine whose clock nobody vouches for grants nothing that is bound to hours, and says so.
  const onLock = page.getByText("On the lock", { exact: true });
  await expect(onLock.or(page.getByText(/does not know the date yet/)).first()).toBeVisible({
    timeout: 90_000,
  });
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/rig-guest.png`, fullPage: true });
});

test("a lock that answers is not forgotten, and its page says why", async ({ rig }, info) => {
  await page.goto(`${rig.url}/#/`);
  await page.locator("article").first().getByRole("link").click();
  await page.getByRole("button", { name: "Forget this lock" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Forget this lock" }).click();
  const kept = page.getByText(/^The lock stays: it (answers|sleeps)/);
  await expect(kept).toBeVisible({ timeout: 60_000 });
  await accessible(page);
  await kept.scrollIntoViewIfNeeded();
  await page.screenshot({ path: `seen/${info.project.name}/rig-kept.png` });
});

test("a session that is ended elsewhere stays ended over a power cut, and the other one goes on", async ({
  rig,
  browser,
}) => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-GB" });
  const other = await context.newPage();
  await other.goto(rig.url);
  await other.getByLabel("Your name").fill(rig.owner.name);
  await other.getByLabel("Password").fill(rig.owner.password);
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.getByRole("button", { name: "Use a recovery code" }).click();
  await other.getByLabel("Recovery code").fill(rig.owner.recovery[0] ?? "");
  await other.getByRole("button", { name: "Sign in" }).click();
  await expect(other.locator("article").first()).toBeVisible();
  await page.goto(`${rig.url}/#/system`);
  await rig.restart(page);
  await page.getByRole("button", { name: "End all others" }).click();
  await expect(page.getByRole("button", { name: "End all others" })).toBeHidden();
  await expect(other.getByText("The hub ended this session.")).toBeVisible({ timeout: 60_000 });
  await rig.restart(page);
  await expect(page.getByRole("heading", { name: "Where you are signed in" })).toBeVisible();
  await other.reload();
  await expect(other.getByRole("button", { name: "Sign in" })).toBeVisible();
  await context.close();
});
