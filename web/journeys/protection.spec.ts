/// What the household asks for besides: a fresh proof before a door is unlocked. And names that are markup stay text.
import { type Route } from "@playwright/test";
import { type Demo, accessible, door, expect, signIn, test } from "./house.ts";

test.describe.configure({ mode: "serial" });

async function set(demo: Demo, on: boolean): Promise<number> {
  const answer = await fetch(`${demo.url}/api/v1/security`, {
    method: "PUT",
    headers: { "Content-Type": "application/json", Cookie: demo.owner?.cookie ?? "" },
    body: JSON.stringify({ confirm_unlock: on }),
  });
  return answer.status;
}

test("an owner wants a proof before doors open, and the page asks for it and goes on", async ({
  browser,
  signedIn: page,
  demo,
}, info) => {
  await page.goto(`${demo.url}/#/system`);
  const section = page.locator("section").filter({ has: page.locator("#security") });
  const box = section.getByLabel("Ask again who it is before a door is unlocked");
  await expect(box).not.toBeChecked();
  await accessible(page);
  await box.check();
  await expect.poll(() => demo.get("/security")).toEqual({ confirm_unlock: true });
  await page.screenshot({ path: `seen/${info.project.name}/protection.png`, fullPage: true });

  // A resident without a second factor, who signed in a while ago: the hub has to be asked to forget the proof.
  const name = `Resident ${info.project.name}`;
  const made = await fetch(`${demo.url}/api/v1/accounts`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Cookie: demo.owner?.cookie ?? "" },
    body: JSON.stringify({ name, role: "resident" }),
  });
  const { invitation } = (await made.json()) as { invitation: string };
  const password = "violet harbour cactus tempo";
  const other = await (await browser.newContext({ locale: "en-GB" })).newPage();
  await other.goto(demo.url);
  await other.getByRole("button", { name: "I was invited" }).click();
  await other.getByLabel("Code of the invitation").fill(invitation);
  await other.getByLabel("Your name").fill(name);
  await other.getByLabel("New password").fill(password);
  await other.getByRole("button", { name: "Next" }).click();
  const card = door(other, "Back door");
  await expect(card).toBeVisible();
  const id = await card.getAttribute("data-lock");
  await demo.post(`/locks/${id}/commands?wait=20`, { op: "lock" });
  await expect(card.locator('[data-bolt="locked"]')).toBeVisible();
  // What the hub answers five minutes after the sign-in; the journeys do not wait so long.
  const once = async (route: Route) => {
    const problem = {
      status: 403,
      title: "Forbidden",
      type: "about:blank",
      code: "confirmation_needed",
      detail: "prove",
    };
    return route.fulfill({
      status: 403,
      contentType: "application/problem+json",
      body: JSON.stringify(problem),
    });
  };
  await other.route("**/commands*", once, { times: 1 });
  await card.getByRole("button", { name: "Hold to unlock" }).click();
  await other.getByRole("dialog").getByRole("button", { name: "Unlock" }).click();
  const proof = other.getByRole("dialog", { name: "Is it still you?" });
  await expect(proof).toBeVisible();
  await accessible(other);
  await other.screenshot({ path: `seen/${info.project.name}/proof.png` });
  await proof.getByLabel("Password").fill(password);
  await proof.getByRole("button", { name: "Confirm" }).click();
  await expect(card.locator('[data-bolt="unlocked"]')).toBeVisible();
  // The hub did it for this person, once it had asked.
  const last = async () =>
    (await demo.get<{ data: unknown }[]>(`/events?lock=${id}&kind=command.ended&limit=1`))[0]?.data;
  await expect.poll(last).toMatchObject({ requester: name, op: "unlock" });
  await other.context().close();
  expect(await set(demo, false)).toBe(200);
});

test("names that are markup are shown as text on every screen", async ({ page, demo }) => {
  const NAME = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>\'&quot;';
  const owner = { "Content-Type": "application/json", Cookie: demo.owner?.cookie ?? "" };
  const call = async <T>(method: string, path: string, body: unknown): Promise<T> => {
    const answer = await fetch(`${demo.url}/api/v1${path}`, {
      method,
      headers: owner,
      body: JSON.stringify(body),
    });
    expect(answer.ok, `${method} ${path}: ${answer.status}`).toBe(true);
    return (await answer.json()) as T;
  };
  const [lock] = await demo.get<{ id: string; name: string }[]>("/locks");
  const [alarm] = await demo.get<{ id: string; name: string }[]>("/alarms");
  const short = NAME.slice(0, 64);
  await call("PATCH", `/locks/${lock?.id}`, { name: short });
  await call("PATCH", `/alarms/${alarm?.id}`, { name: short });
  const person = await call<{ id: string }>("POST", "/people", { name: short, role: "guest" });
  await call("POST", "/credentials", {
    person: person.id,
    kind: "fob",
    label: short,
    locks: [],
    usage: "daily",
  });
  await call("POST", "/tokens", { name: short, scope: "read" });
  const account = await call<{ id: string }>("POST", "/accounts", { name: short, role: "guest" });
  await signIn(page, demo.url, demo);
  const places = [
    "",
    `door/${lock?.id}`,
    "people",
    `people/${person.id}`,
    "activity",
    "emergency",
    "radios",
    "system",
    "responder",
  ];
  for (const place of places) {
    await page.goto(`${demo.url}/#/${place}`);
    await expect(page.getByText("<img src=x onerror").first()).toBeAttached();
    expect(
      await page.evaluate(() => [document.querySelectorAll("img[src=x]").length, "ran" in window]),
    ).toEqual([0, false]);
  }
  await fetch(`${demo.url}/api/v1/accounts/${account.id}`, { method: "DELETE", headers: owner });
  await call("PATCH", `/locks/${lock?.id}`, { name: lock?.name });
  await call("PATCH", `/alarms/${alarm?.id}`, { name: alarm?.name });
});
