/// A house for the journeys: `hubd demo` on a free port, one for each worker, ended with it.
import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { type AxeBuilder as Axe, AxeBuilder } from "@axe-core/playwright";
import { type Locator, type Page, test as base, expect } from "@playwright/test";

export { expect };

const HUBD = process.env.HUBD_BIN ?? "../target/debug/hubd";

export const OWNER = { name: "Robin", password: "kettle orbit mango lantern" };

export interface Demo {
  url: string;
  /// The one-time code that makes the first owner.
  setup: string;
  /// The owner's cookie and authenticator, unless the demo was left fresh.
  owner: { cookie: string; secret: string } | null;
  token: string;
  /// The five digits on the label of the lock that waits in the shed.
  pin: string;
  get<T>(path: string): Promise<T>;
  post(path: string, body: unknown): Promise<Response>;
  put(path: string, body: unknown): Promise<Response>;
  patch(path: string, body: unknown): Promise<Response>;
}

/// The code that an authenticator with this secret shows (RFC 6238).
export function totp(secret: string, at = Date.now()): string {
  const bits = [...secret.replace(/=+$/, "")]
    .map((char) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(char).toString(2).padStart(5, "0"))
    .join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac("sha1", key).update(step).digest();
  const offset = (mac.at(-1) ?? 0) & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/// Goes through the setup without a page, so that other journeys begin signed in.
async function setUp(url: string, code: string): Promise<{ cookie: string; secret: string }> {
  const call = async (method: string, path: string, body?: unknown, cookie = "") => {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { "Content-Type": "application/json", Cookie: cookie },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const made = await call("POST", "/setup", { code, ...OWNER });
  const cookie = made.headers.get("set-cookie")?.split(";")[0] ?? "";
  const { secret } = (await (await call("POST", "/account/totp", undefined, cookie)).json()) as {
    secret: string;
  };
  await call("PUT", "/account/totp", { code: totp(secret) }, cookie);
  return { cookie, secret };
}

async function start(speed: number, fresh: boolean): Promise<{ demo: Demo; child: ChildProcess }> {
  const child = spawn(HUBD, ["demo", "--listen", "127.0.0.1:0", "--speed", String(speed)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const found = await new Promise<Pick<Demo, "url" | "token" | "setup" | "pin">>((resolve, reject) => {
    let told = "";
    const timer = setTimeout(() => reject(new Error(`the demo is not ready:\n${told}`)), 40_000);
    child.once("exit", () => reject(new Error(`the demo ended:\n${told}`)));
    child.stdout?.on("data", (bytes: Buffer) => {
      told += bytes.toString();
      const url = /API\s+(http:\S+)\/api\/v1/.exec(told)?.[1];
      const token = /Token\s+(\S+)/.exec(told)?.[1];
      const setup = /Setup\s+(\S+)/.exec(told)?.[1];
      const pin = /its label says (\d{5})/.exec(told)?.[1];
      if (url === undefined || token === undefined || setup === undefined || pin === undefined) return;
      clearTimeout(timer);
      resolve({ url, token, setup, pin });
    });
  });
  const headers = { Authorization: `Bearer ${found.token}`, "Content-Type": "application/json" };
  const send = (method: string, path: string, body: unknown) =>
    fetch(`${found.url}/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
  const demo: Demo = {
    ...found,
    owner: fresh ? null : await setUp(found.url, found.setup),
    get: async <T>(path: string) =>
      (await (await fetch(`${found.url}/api/v1${path}`, { headers })).json()) as T,
    post: (path, body) => send("POST", path, body),
    put: (path, body) => send("PUT", path, body),
    patch: (path, body) => send("PATCH", path, body),
  };
  return { demo, child };
}

export const test = base.extend<
  { signedIn: Page; complaints: string[] },
  { demo: Demo; speed: number; fresh: string }
>({
  /// How many times faster than the clock the people's days pass: calm, so that a journey is not run over by them.
  speed: [1, { option: true, scope: "worker" }],
  /// Who wants the hub as it is at its first start, for themselves: whoever has the same word here shares one.
  fresh: ["", { option: true, scope: "worker" }],
  demo: [
    async ({ speed, fresh }, use) => {
      const { demo, child } = await start(speed, fresh !== "");
      await use(demo);
      child.kill("SIGINT");
    },
    { scope: "worker", timeout: 60_000 },
  ],
  /// What the browser complains about: a refused style, a script that threw. A journey ends without any.
  complaints: [
    async ({ page }, use) => {
      const complaints: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(String(error)));
      await use(complaints);
      // That a request was refused, or that the hub was gone, is what some journeys are about.
      const wrong = complaints.filter((text) => !/Failed to load resource|net::ERR_/.test(text));
      expect(wrong).toEqual([]);
    },
    { auto: true },
  ],
  signedIn: async ({ page, demo }, use) => {
    await signIn(page, demo.url, demo);
    await page.goto(demo.url);
    await expect(door(page, "Front door")).toBeVisible();
    await use(page);
  },
});

/// Gives the browser the owner's session on this address.
export async function signIn(page: Page, url: string, demo: Demo): Promise<void> {
  const [name = "", value = ""] = demo.owner?.cookie.split("=") ?? [];
  await page.context().addCookies([{ name, value, url, httpOnly: true, sameSite: "Strict" }]);
}

/// Does something for which the hub may ask again who it is.
export async function confirmed(
  page: Page,
  demo: Demo,
  work: () => Promise<void>,
  done: () => Promise<void>,
): Promise<void> {
  await work();
  const dialog = page.getByRole("dialog", { name: "Is it still you?" });
  await Promise.race([done(), dialog.waitFor()]);
  if (await dialog.isVisible()) {
    await dialog.getByLabel("Six-digit code").fill(totp(demo.owner?.secret ?? "", Date.now() + 30_000));
    await dialog.getByRole("button", { name: "Confirm" }).click();
  }
  await done();
}

/// The card of a door.
export function door(page: Page, name: string): Locator {
  return page.locator("article").filter({ has: page.getByRole("heading", { name }) });
}

/// axe-core finds nothing against WCAG 2.2 AA on this page.
export async function accessible(page: Page): Promise<void> {
  const axe: Axe = new AxeBuilder({ page }).withTags([
    "wcag2a",
    "wcag2aa",
    "wcag21a",
    "wcag21aa",
    "wcag22aa",
    "best-practice",
  ]);
  const { violations } = await axe.analyze();
  const found = violations.map(
    (one) => `${one.id}: ${one.nodes.map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`,
  );
  expect(found).toEqual([]);
}
