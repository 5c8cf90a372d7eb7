/// Passkeys, with Chromium's own virtual authenticator: the first factor of a first run, the way in, a fresh proof, a
/// second one beside it, and the way back when the device is lost.
import { type Page, type Route } from "@playwright/test";
import { OWNER, accessible, expect, test } from "./house.ts";

test.use({ fresh: "passkeys" });
test.describe.configure({ mode: "serial" });

let recovery = "";

/// A device with a passkey that recognises its person; what takes it away again.
async function device(page: Page): Promise<() => Promise<void>> {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable", { enableUI: false });
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return () =>
    devtools.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId }).then(() => undefined);
}

/// A passkey belongs to a name, and the demo's address is one of numbers.
const named = (url: string) => url.replace("127.0.0.1", "localhost");

async function password(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByLabel("Your name").fill(OWNER.name);
  await page.getByLabel("Password").fill(OWNER.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "Second factor" })).toBeVisible();
}

const home = (page: Page) => page.getByRole("link", { name: "Front door" });

test("a first owner takes a passkey, comes back with it, and proves with it who it is", async ({
  page,
  demo,
}, info) => {
  const seen = async (name: string) => {
    await accessible(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(true);
    await page.screenshot({ path: `seen/${info.project.name}/${name}.png` });
  };
  await device(page);
  await page.goto(named(demo.url));
  await page.getByLabel("Setup code").fill(demo.setup);
  await page.getByLabel("Your name").fill(OWNER.name);
  await page.getByLabel("New password").fill(OWNER.password);
  await page.getByRole("button", { name: "Next" }).click();
  // The authenticator app is what is offered first.
  await expect(page.getByRole("img", { name: "QR code" })).toBeVisible();
  await page.getByRole("button", { name: "Use a passkey instead" }).click();
  await expect(page.getByLabel("Name of the passkey")).not.toHaveValue("");
  await seen("passkey-enrol");
  await page.getByLabel("Name of the passkey").fill("Robin's phone");
  await page.getByRole("button", { name: "Make the passkey" }).click();
  await expect(page.getByRole("heading", { name: "Recovery codes" })).toBeVisible();
  recovery = await page.locator(".codes li").first().innerText();
  await page.getByRole("button", { name: "I have them" }).click();
  await expect(home(page)).toBeVisible();

  await page.goto(`${named(demo.url)}/#/system`);
  const own = page.locator("section").filter({ has: page.locator("#own") });
  await expect(own.getByText("Robin's phone")).toBeVisible();
  await own.scrollIntoViewIfNeeded();
  await seen("passkeys");
  // It is the owner's only second factor.
  await own.getByRole("button", { name: "Remove Robin's phone" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(own.getByRole("alert")).toBeVisible();
  await expect(own.getByText("Robin's phone")).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "The doors of this home" })).toBeVisible();

  await password(page, named(demo.url));
  await seen("passkey-sign-in");
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await expect(home(page)).toBeVisible();
  const [opened] = await demo.get<{ data: { factor: string } }[]>("/events?kind=session.opened&limit=1");
  expect(opened?.data.factor).toBe("passkey");

  // What the hub answers five minutes after the sign-in; the journeys do not wait so long.
  const problem = {
    status: 403,
    title: "Forbidden",
    type: "about:blank",
    code: "confirmation_needed",
    detail: "prove",
  };
  const once = (route: Route) =>
    route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify(problem) });
  await page.goto(`${named(demo.url)}/#/system`);
  await page.route("**/recovery-codes", once, { times: 1 });
  await page.getByRole("button", { name: "New recovery codes" }).click();
  const proof = page.getByRole("dialog", { name: "Is it still you?" });
  await expect(proof).toBeVisible();
  await seen("passkey-proof");
  await proof.getByRole("button", { name: "Use a passkey" }).click();
  const codes = page.getByRole("dialog", { name: "Recovery codes" });
  recovery = (await codes.locator(".secret").innerText()).split("\n")[0] ?? "";
  await codes.getByRole("button", { name: "Done" }).click();
});

test("by an address of numbers there is no passkey, and the page says why", async ({ page, demo }, info) => {
  await device(page);
  await password(page, demo.url);
  await expect(page.getByText("Passkeys belong to a name")).toBeVisible();
  await expect(page.getByRole("button", { name: "Use a passkey" })).toHaveCount(0);
  await expect(page.getByLabel("Recovery code")).toBeVisible();
  await accessible(page);
  await page.screenshot({ path: `seen/${info.project.name}/passkey-no-name.png` });
});

test("who lost the device comes back by a recovery code and takes a new one", async ({
  page,
  demo,
}, info) => {
  const lose = await device(page);
  await password(page, named(demo.url));
  await page.getByRole("button", { name: "Use a recovery code" }).click();
  await page.getByLabel("Recovery code").fill("0000-0000-0000-0000");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toHaveText("This code is wrong, or was used already.");
  await page.getByLabel("Recovery code").fill(recovery);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(home(page)).toBeVisible();

  await page.goto(`${named(demo.url)}/#/system`);
  const own = page.locator("section").filter({ has: page.locator("#own") });
  await own.getByRole("button", { name: "Add a passkey" }).click();
  await own.getByLabel("Name of the passkey").fill("Robin's new phone");
  await own.getByRole("button", { name: "Make the passkey" }).click();
  await expect(own.getByText("Robin's new phone")).toBeVisible();
  await own.getByRole("button", { name: "Remove Robin's phone" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(own.getByText("Robin's phone", { exact: true })).toHaveCount(0);
  await accessible(page);
  await page.evaluate(() => localStorage.setItem("hubd.language", "de"));
  await page.reload();
  await expect(own.getByText("Robin's new phone")).toBeVisible();
  await own.scrollIntoViewIfNeeded();
  await page.screenshot({ path: `seen/${info.project.name}/passkeys-german.png` });
  await page.evaluate(() => localStorage.setItem("hubd.language", "en"));
  await page.reload();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "The doors of this home" })).toBeVisible();

  await password(page, named(demo.url));
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await expect(home(page)).toBeVisible();
  await lose();
});
