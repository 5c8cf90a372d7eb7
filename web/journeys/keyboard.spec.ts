/// The journeys of a household with the keyboard alone: nothing here touches a mouse, and every field is reached with Tab.
import { type Locator, type Page } from "@playwright/test";
import { OWNER, door, expect, test, totp } from "./house.ts";

// At this speed the toast of the house burns for twenty seconds instead of minutes.
test.use({ fresh: "keyboard", speed: 12 });
test.describe.configure({ mode: "serial", timeout: 180_000 });

/// More than any page has places for the focus.
const TABS_MAX = 150;

let page: Page;
let secret = "";
let recovery: string[] = [];
/// Codes count once: each proof takes a later one than the last.
let step = 0;

test.beforeAll(async ({ browser }, info) => {
  const { viewport, colorScheme } = info.project.use;
  const context = await browser.newContext({
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    viewport: viewport ?? null,
    colorScheme: colorScheme ?? null,
  });
  page = await context.newPage();
});
test.afterAll(() => page.context().close());

/// Goes on with Tab until this has the focus, and sees that the focus can be seen.
async function reach(target: Locator): Promise<void> {
  await expect(target).toBeVisible();
  const there = () => target.evaluate((it) => it === document.activeElement);
  for (let tabs = 0; !(await there()); tabs += 1) {
    expect(tabs, "is reached with Tab").toBeLessThan(TABS_MAX);
    await page.keyboard.press("Tab");
  }
  expect(
    await target.evaluate((it) => {
      const style = getComputedStyle(it);
      return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    }),
    "the focus is seen",
  ).toBe(true);
}

async function press(target: Locator, key = "Enter"): Promise<void> {
  await reach(target);
  await page.keyboard.press(key);
}

async function tick(target: Locator): Promise<void> {
  await reach(target);
  if (!(await target.isChecked())) await page.keyboard.press("Space");
  await expect(target).toBeChecked();
}

async function type(target: Locator, text: string): Promise<void> {
  await reach(target);
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(text);
}

const button = (name: string | RegExp, within: Locator | Page = page) =>
  within.getByRole("button", { name, exact: typeof name === "string" });
const dialog = () => page.getByRole("dialog");
const go = (name: string) => press(page.getByRole("link", { name, exact: true }));

/// Proves again who it is where the hub asks, until this is there.
async function proved(done: Locator): Promise<void> {
  const asked = page.getByRole("dialog", { name: "Is it still you?" });
  await expect(done.or(asked).first()).toBeVisible();
  if (await asked.isVisible()) {
    step += 1;
    await type(asked.getByLabel("Six-digit code"), totp(secret, Date.now() + step * 30_000));
    await page.keyboard.press("Enter");
  }
  await expect(done).toBeVisible();
}

test("first run: the setup code, a password and a second factor", async ({ demo }) => {
  await page.goto(demo.url);
  await type(page.getByLabel("Setup code"), demo.setup);
  await type(page.getByLabel("Your name"), OWNER.name);
  await type(page.getByLabel("New password"), OWNER.password);
  await page.keyboard.press("Enter");
  await press(page.getByText("Type it instead"));
  secret = await page.locator("details code").innerText();
  await type(page.getByLabel("Six-digit code"), totp(secret, Date.now() - 30_000));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Recovery codes" })).toBeVisible();
  recovery = await page.locator(".codes li").allInnerTexts();
  await press(button("I have them"));
  await expect(door(page, "Front door")).toBeVisible();
});

test("a door is unlocked and locked", async () => {
  const card = door(page, "Garden door");
  await press(button("Lock Garden door", card));
  await expect(card.getByText("Locked", { exact: true })).toBeVisible();
  const hold = card.getByRole("button", { name: "Hold to unlock" });
  await press(hold);
  await press(button("Unlock", dialog()));
  await expect(card.getByText("Unlocked", { exact: true })).toBeVisible();
  await expect(hold).toBeFocused();
});

test("a guest gets a code for some hours each week", async () => {
  await go("People");
  await press(button("Add a guest"));
  await type(dialog().getByLabel("Name"), "Kim");
  await page.keyboard.press("Enter");
  // Radio buttons are one place; the arrows choose.
  const weekly = dialog().getByLabel("The same hours each week");
  await reach(dialog().getByRole("radio", { checked: true }));
  for (let arrows = 0; !(await weekly.isChecked()); arrows += 1) {
    expect(arrows, "is chosen with the arrows").toBeLessThan(5);
    await page.keyboard.press("ArrowDown");
  }
  for (const day of ["Monday", "Wednesday", "Thursday", "Friday"]) {
    await press(dialog().getByLabel(day, { exact: true }), "Space");
  }
  await reach(dialog().getByLabel("From"));
  await page.keyboard.type("0900");
  await reach(dialog().getByLabel("Until"));
  await page.keyboard.type("1230");
  await press(button("Next", dialog()));
  await tick(dialog().getByLabel("Front door"));
  await press(button("Make the code", dialog()));
  await expect(dialog().locator(".pin")).toHaveText(/^[0-9]{4,8}$/);
  await expect(dialog().getByText("Tue 09:00–12:30")).toBeVisible();
  await press(button("Done", dialog()));
  await expect(page.getByRole("link", { name: "Kim" })).toBeVisible();
});

test("a lock is included", async ({ demo }) => {
  await go("Radios");
  await press(button("Add a device"));
  await press(button("Start"));
  await type(page.getByLabel("Five digits"), demo.pin);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "The device joined" })).toBeVisible({ timeout: 60_000 });
});

test("a door is chosen for helpers and the release rehearsed", async ({ demo }) => {
  // The toast burns once, early in the first day; what follows is not mixed up with it.
  const cleared = () => demo.get<unknown[]>("/events?kind=alarm.cleared");
  await expect.poll(async () => (await cleared()).length, { timeout: 110_000 }).toBeGreaterThan(0);
  await go("Emergency");
  const policy = page.locator("section").filter({ has: page.locator("#policy") });
  await press(button("Change", policy));
  await tick(policy.getByLabel("Open the chosen doors at an alarm"));
  await tick(policy.getByLabel("Garden door"));
  await press(button("Save", policy));
  await proved(page.getByText("At an alarm the chosen doors are unlocked."));
  await press(button("Rehearse"));
  await press(button("Rehearse", dialog()));
  await expect(page.getByText("Everything worked", { exact: true })).toBeVisible({ timeout: 60_000 });
});

test("a release for nothing is ended and cleared", async () => {
  await press(button(/^Hold to call for help/));
  await press(button("Open the doors", dialog()));
  await expect(page.getByRole("alert").getByText("Doors are open")).toBeVisible({ timeout: 60_000 });
  await type(page.getByLabel("Reason").first(), "somebody leaned on the phone");
  await press(button("End the emergency"));
  const review = page.getByLabel("False alarm");
  await expect(review).toBeVisible();
  // Of radio buttons of which none is chosen, Tab reaches one and the arrows choose.
  await reach(page.getByLabel("There was danger").or(review).first());
  for (let arrows = 0; !(await review.isChecked()); arrows += 1) {
    expect(arrows, "is chosen with the arrows").toBeLessThan(4);
    await page.keyboard.press("ArrowDown");
  }
  await type(page.getByLabel("What was it?"), "nobody was in danger");
  await press(button("Clear"));
  await expect(page.getByText("Somebody has to say what it was.")).toBeHidden();
  await expect(page.getByText(/Ended by Robin/)).toBeVisible();
});

test("another session is ended, and told so", async ({ browser, demo }) => {
  const context = await browser.newContext({ locale: "en-GB" });
  const other = await context.newPage();
  await other.goto(demo.url);
  await other.getByLabel("Your name").fill(OWNER.name);
  await other.getByLabel("Password").fill(OWNER.password);
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.getByRole("button", { name: "Use a recovery code" }).click();
  await other.getByLabel("Recovery code").fill(recovery[0] ?? "");
  await other.getByRole("button", { name: "Sign in" }).click();
  await expect(door(other, "Front door")).toBeVisible();
  await go("System");
  await press(button("End all others"));
  await expect(other.getByText("The hub ended this session.")).toBeVisible({ timeout: 30_000 });
  await expect(button("End all others")).toBeHidden();
  await context.close();
});
