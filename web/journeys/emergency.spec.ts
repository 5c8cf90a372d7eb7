/// Doors for helpers: chosen, rehearsed, opened for nothing, and the false release cleared.
import { accessible, confirmed, expect, test } from "./house.ts";

test.describe.configure({ mode: "serial" });
// Nothing burns in the house while this goes on.
test.use({ speed: 0 });

interface Policy {
  version: number;
  enabled: boolean;
  doors: { lock: string }[];
}

test("a door is chosen for helpers", async ({ signedIn: page, demo }, info) => {
  await page.goto(`${demo.url}/#/emergency`);
  await expect(page.getByText("An alarm moves no door.")).toBeVisible();
  await accessible(page);
  const policy = page.locator("section").filter({ has: page.locator("#policy") });
  await policy.getByRole("button", { name: "Change" }).click();
  await policy.getByLabel("Open the chosen doors at an alarm").check();
  await policy.getByLabel("Garden door").check();
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/policy.png`, fullPage: true });
  await confirmed(
    page,
    demo,
    () => policy.getByRole("button", { name: "Save" }).click(),
    () => expect(page.getByText("At an alarm the chosen doors are unlocked.")).toBeVisible(),
  );
  await expect(
    policy.locator("li").filter({ hasText: "Garden door" }).getByText("On", { exact: true }),
  ).toBeVisible();
});

test("what somebody else changed meanwhile is not overwritten, however often one tries", async ({
  signedIn: page,
  demo,
}) => {
  await page.goto(`${demo.url}/#/emergency`);
  const policy = page.locator("section").filter({ has: page.locator("#policy") });
  await policy.getByRole("button", { name: "Change" }).click();
  await policy.getByLabel("Front door").check();
  const { version, enabled, doors } = await demo.get<Policy>("/life-safety");
  const rule = { lock: doors[0]?.lock, hazards: ["smoke", "co", "heat"], at_once: ["co"], lasting_s: 30 };
  const answer = await demo.put("/life-safety", { from_version: version, enabled, doors: [rule] });
  expect(await answer.text()).toContain(`"version":${version + 1}`);
  for (let press = 0; press < 2; press += 1) {
    await policy.getByRole("button", { name: "Save" }).click();
    await expect(policy.getByText("Somebody else changed this meanwhile.")).toBeVisible();
  }
  expect((await demo.get<Policy>("/life-safety")).version).toBe(version + 1);
  await policy.getByRole("button", { name: "Cancel" }).click();
  await expect(policy.getByText("Front door")).toBeVisible();
});

test("a rehearsal opens it and measures how long that took", async ({ signedIn: page, demo }, info) => {
  await page.goto(`${demo.url}/#/emergency`);
  await page.getByRole("button", { name: "Rehearse", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Rehearse now?" });
  await accessible(page);
  await dialog.getByRole("button", { name: "Rehearse" }).click();
  await expect(page.getByText("Everything worked", { exact: true })).toBeVisible({ timeout: 30_000 });
  await expect(page.getByText(/Garden door: .*after [0-9.]+ s/)).toBeVisible();
  await page.screenshot({ path: `seen/${info.project.name}/drill.png`, fullPage: true });
});

test("what a rehearsal found is said in German to who reads German", async ({ signedIn: page, demo }) => {
  const [detector] = await demo.get<{ id: string }[]>("/alarms");
  await demo.post("/life-safety/drills", { dry: true, detector: detector?.id });
  const ended = await fetch(`${demo.url}/api/v1/life-safety/drills`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${demo.token}` },
  });
  const { by } = ((await ended.json()) as { found: { by: string }[] }).found[0] ?? { by: "nobody" };
  await page.goto(`${demo.url}/#/emergency`);
  await expect(page.getByText(`${by} ended it early.`)).toBeVisible();
  await page.evaluate(() => localStorage.setItem("hubd.language", "de"));
  await page.reload();
  await expect(page.getByText(`${by} hat vorzeitig Schluss gemacht.`)).toBeVisible();
});

test("a release for nothing is shown until somebody says what it was", async ({
  signedIn: page,
  demo,
}, info) => {
  await page.goto(`${demo.url}/#/emergency`);
  const hold = page.getByRole("button", { name: "Hold to call for help" });
  await hold.hover();
  await page.mouse.down();
  await expect(page.getByText("Called by Robin")).toBeVisible();
  await page.mouse.up();
  await expect(page.getByRole("alert").getByText("Doors are open")).toBeVisible({ timeout: 30_000 });
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/incident.png`, fullPage: true });
  await page.getByLabel("Reason").first().fill("somebody leaned on the phone");
  await page.getByRole("button", { name: "End the emergency" }).click();
  await expect(page.getByRole("button", { name: "End the emergency" })).toBeHidden();

  await page.goto(`${demo.url}/#/`);
  await expect(page.getByText("Somebody has to say what it was.")).toBeVisible();
  await page.getByRole("alert").getByRole("link", { name: "Emergency" }).click();
  await page.getByLabel("False alarm").check();
  await page.getByLabel("What was it?").fill("nobody was in danger");
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/review.png`, fullPage: true });
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await expect(page.getByText("Somebody has to say what it was.")).toBeHidden();
  await expect(page.getByText(/Ended by Robin/)).toBeVisible();
});

test("maintenance is shown everywhere until it ends", async ({ signedIn: page, demo }) => {
  await page.goto(`${demo.url}/#/emergency`);
  const section = page.locator("section").filter({ has: page.locator("#maintenance") });
  await section.getByLabel("Reason").fill("cleaning the hall alarm");
  await section.getByRole("button", { name: "Begin" }).click();
  await page.getByRole("link", { name: "Home" }).click();
  await expect(page.getByRole("alert").first()).toContainText("by Robin: cleaning the hall alarm");
  await accessible(page);
  await page.getByRole("link", { name: "Emergency" }).click();
  await section.getByRole("button", { name: "End it" }).click();
  await expect(page.getByRole("alert").first()).not.toContainText("cleaning the hall alarm");
});
