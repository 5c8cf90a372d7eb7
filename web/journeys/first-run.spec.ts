/// From the setup code to a signed-in owner with a second factor, and the sessions that follow.
import { OWNER, accessible, expect, test, totp } from "./house.ts";

test.use({ fresh: "first run" });
test.describe.configure({ mode: "serial" });

let secret = "";
let recovery = "";

test("the setup code makes the first owner, who enrols a second factor", async ({ page, demo }, info) => {
  const seen = (name: string) => page.screenshot({ path: `seen/${info.project.name}/${name}.png` });
  await page.goto(demo.url);
  await expect(page.getByRole("heading", { name: "Set up the hub" })).toBeVisible();
  await accessible(page);
  await seen("setup");
  await page.getByLabel("Setup code").fill("0000-0000");
  await page.getByLabel("Your name").fill(OWNER.name);
  await page.getByLabel("New password").fill("password12");
  await page.getByRole("button", { name: "Next" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await page.getByLabel("Setup code").fill(demo.setup);
  await page.getByLabel("New password").fill(OWNER.password);
  await page.getByRole("button", { name: "Next" }).click();

  await expect(page.getByRole("img", { name: "QR code" })).toBeVisible();
  await accessible(page);
  await seen("enrol");
  await page.getByText("Type it instead").click();
  secret = await page.locator("details code").innerText();
  await page.getByLabel("Six-digit code").fill(totp(secret));
  await page.getByRole("button", { name: "Next" }).click();
  await expect(page.getByRole("heading", { name: "Recovery codes" })).toBeVisible();
  recovery = await page.locator(".codes li").first().innerText();
  await accessible(page);
  await seen("recovery-codes");
  await page.getByRole("button", { name: "I have them" }).click();
  await expect(page.getByRole("link", { name: "Front door" })).toBeVisible();
});

test("who comes back needs both factors; a recovery code helps when the phone is lost", async ({
  page,
  demo,
}, info) => {
  await page.goto(demo.url);
  await expect(page.getByRole("heading", { name: "The doors of this home" })).toBeVisible();
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/sign-in.png` });
  await page.getByLabel("Your name").fill(OWNER.name);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await page.getByLabel("Password").fill(OWNER.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByLabel("Six-digit code")).toBeVisible();
  await accessible(page);
  await page.getByRole("button", { name: "Use a recovery code" }).click();
  await page.getByLabel("Recovery code").fill(recovery);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("link", { name: "Front door" })).toBeVisible();
});

test("a session that is ended elsewhere is told so, and the ending asks for nothing", async ({
  browser,
  page,
  demo,
}) => {
  const signIn = async (it: typeof page, code: string) => {
    await it.goto(demo.url);
    await it.getByLabel("Your name").fill(OWNER.name);
    await it.getByLabel("Password").fill(OWNER.password);
    await it.getByRole("button", { name: "Sign in" }).click();
    await it.getByLabel("Six-digit code").fill(code);
    await it.getByRole("button", { name: "Sign in" }).click();
    await expect(it.getByRole("link", { name: "Front door" })).toBeVisible();
  };
  // A code counts once, so the other browser waits for none: it takes the next step's, which a slow clock may show.
  await signIn(page, totp(secret, Date.now() + 30_000));
  await page.goto(`${demo.url}/#/system`);
  await page.getByLabel("Name").last().fill("Home Assistant");
  await page.getByRole("button", { name: "Make", exact: true }).click();
  await expect(page.getByRole("dialog", { name: "Token for Home Assistant" })).toBeVisible();
  await accessible(page);
  await page.getByRole("button", { name: "Done" }).click();

  const others = page.getByRole("button", { name: "End all others" });
  await expect(others).toBeVisible();
  const context = await browser.newContext();
  const [cookie] = await page.context().cookies();
  await context.addCookies(cookie === undefined ? [] : [cookie]);
  const same = await context.newPage();
  await same.goto(demo.url);
  await expect(same.getByRole("link", { name: "Front door" })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "The doors of this home" })).toBeVisible();
  await expect(same.getByText("The hub ended this session.")).toBeVisible({ timeout: 30_000 });
  await context.close();
});
