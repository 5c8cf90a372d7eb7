/// A house for the journeys: `hubd demo` on a free port, one for each worker, ended with it.
import { type ChildProcess, spawn } from "node:child_process";
import { type AxeBuilder as Axe, AxeBuilder } from "@axe-core/playwright";
import { type Locator, type Page, test as base, expect } from "@playwright/test";

export { expect };

const HUBD = process.env.HUBD_BIN ?? "../target/debug/hubd";

export interface Demo {
  url: string;
  token: string;
  /// The five digits on the label of the lock that waits in the shed.
  pin: string;
  get<T>(path: string): Promise<T>;
  post(path: string, body: unknown): Promise<Response>;
}

async function start(speed: number): Promise<{ demo: Demo; child: ChildProcess }> {
  const child = spawn(HUBD, ["demo", "--listen", "127.0.0.1:0", "--speed", String(speed)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const found = await new Promise<{ url: string; token: string; pin: string }>((resolve, reject) => {
    let told = "";
    const timer = setTimeout(() => reject(new Error(`the demo is not ready:\n${told}`)), 40_000);
    child.once("exit", () => reject(new Error(`the demo ended:\n${told}`)));
    child.stdout?.on("data", (bytes: Buffer) => {
      told += bytes.toString();
      const url = /API\s+(http:\S+)\/api\/v1/.exec(told)?.[1];
      const token = /Token\s+(\S+)/.exec(told)?.[1];
      const pin = /its label says (\d{5})/.exec(told)?.[1];
      if (url === undefined || token === undefined || pin === undefined) return;
      clearTimeout(timer);
      resolve({ url, token, pin });
    });
  });
  const headers = { Authorization: `Bearer ${found.token}`, "Content-Type": "application/json" };
  const demo: Demo = {
    ...found,
    get: async <T>(path: string) =>
      (await (await fetch(`${found.url}/api/v1${path}`, { headers })).json()) as T,
    post: (path, body) =>
      fetch(`${found.url}/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) }),
  };
  return { demo, child };
}

export const test = base.extend<{ signedIn: Page; complaints: string[] }, { demo: Demo; speed: number }>({
  /// How many times faster than the clock the people's days pass: calm, so that a journey is not run over by them.
  speed: [1, { option: true, scope: "worker" }],
  demo: [
    async ({ speed }, use) => {
      const { demo, child } = await start(speed);
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
    await page.addInitScript((token) => localStorage.setItem("hubd.token", token), demo.token);
    await page.goto(demo.url);
    await expect(door(page, "Front door")).toBeVisible();
    await use(page);
  },
});

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
