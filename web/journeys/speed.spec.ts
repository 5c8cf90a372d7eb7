/// How quick it is: from the lock to the screen, on a slow phone, and in a house with a hundred doors. These run alone.
import { type Page } from "@playwright/test";
import { door, expect, signIn, test } from "./house.ts";

async function slow(page: Page, times: number): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: times });
}

test("the first door shows within a second with a processor four times slower", async ({ page, demo }) => {
  await signIn(page, demo.url, demo);
  await page.addInitScript(() => {
    const watch = new MutationObserver(() => {
      if (document.querySelector("article [data-bolt]") === null) return;
      watch.disconnect();
      requestAnimationFrame(() => setTimeout(() => Object.assign(window, { shownAfter: performance.now() })));
    });
    watch.observe(document, { childList: true, subtree: true });
  });
  const times: number[] = [];
  // The first visit fetches everything; each one here is a first one.
  for (let visit = 0; visit < 5; visit += 1) {
    await slow(page, 4);
    await page.goto("about:blank");
    await page.goto(demo.url);
    await page.evaluate(async () => {
      for (const one of await navigator.serviceWorker.getRegistrations()) await one.unregister();
      for (const name of await caches.keys()) await caches.delete(name);
    });
    await page.waitForFunction(() => "shownAfter" in window);
    times.push(
      await page.evaluate(() => Math.round((window as unknown as { shownAfter: number }).shownAfter)),
    );
    await page.evaluate(() => localStorage.clear());
  }
  times.sort((a, b) => a - b);
  console.log(`first door after ${times.join(", ")} ms`);
  // The second best: what the page itself takes it takes each time, what other programs take it does not.
  expect(times[1]).toBeLessThan(1000);
});

/// The longest task of the page in each of three passes of scrolling, in milliseconds. A task of the page itself is long each
/// time; what another program takes from the processor is long once.
async function scroll(page: Page): Promise<number[]> {
  return page.evaluate(async () => {
    let longest = 0;
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) longest = Math.max(longest, task.duration);
    }).observe({ type: "longtask" });
    const passes: number[] = [];
    for (const direction of [1, -1, 1]) {
      longest = 0;
      for (let step = 0; step < 120; step += 1) {
        window.scrollBy(0, direction * 120);
        await new Promise(requestAnimationFrame);
      }
      await new Promise((resolve) => setTimeout(resolve));
      passes.push(Math.round(longest));
    }
    return passes;
  });
}

test("a hundred doors scroll without a long task", async ({ page, demo }) => {
  await signIn(page, demo.url, demo);
  // The hub's own answer, many times over.
  await page.route("**/api/v1/locks", async (route) => {
    const locks = (await (await route.fetch()).json()) as { id: string; name: string }[];
    const many = Array.from({ length: 100 }, (_, number) => {
      const lock = locks[number % locks.length];
      return { ...lock, id: `lock-x${number}`, name: `${lock?.name} ${number}` };
    });
    await route.fulfill({ json: many });
  });
  await page.goto(demo.url);
  await expect(page.locator("article")).toHaveCount(100);
  const passes = await scroll(page);
  console.log(`longest task in each pass of scrolling: ${passes.join(", ")} ms`);
  expect(Math.min(...passes)).toBeLessThanOrEqual(50);
});

interface Person {
  id: string;
  name: string;
}
interface Credential {
  id: string;
  person: string;
}

test("five hundred people scroll and are searched without a long task", async ({ page, demo }) => {
  const PEOPLE = 500;
  await signIn(page, demo.url, demo);
  const { id } = (await (await demo.post("/people", { name: "Kim", role: "resident" })).json()) as Person;
  await demo.post("/credentials", { person: id, kind: "mechanical_key" });
  // The hub's own answers, many times over: each person with a code.
  const people = await demo.get<Person[]>("/people");
  const credentials = await demo.get<Credential[]>("/credentials");
  const many = <T>(some: T[], change: (one: T, number: number) => T): T[] =>
    Array.from({ length: PEOPLE }, (_, number) => change(some[number % some.length] as T, number));
  await page.route("**/api/v1/people", (route) =>
    route.fulfill({
      json: many(people, (one, number) => ({
        ...one,
        id: `person-x${number}`,
        name: `${one.name} ${number}`,
      })),
    }),
  );
  await page.route("**/api/v1/credentials", (route) =>
    route.fulfill({
      json: many(credentials, (one, number) => ({
        ...one,
        id: `credential-x${number}`,
        person: `person-x${number}`,
      })),
    }),
  );
  await page.goto(`${demo.url}/#/people`);
  await expect(page.locator("li .disc")).toHaveCount(PEOPLE);
  const passes = await scroll(page);
  console.log(`longest task in each pass of scrolling: ${passes.join(", ")} ms`);
  expect(Math.min(...passes)).toBeLessThanOrEqual(50);
  await page.getByLabel("Search").pressSequentially("499");
  await expect(page.locator("li .disc")).toHaveCount(1);
});

test("from the lock's word to pixels in under 50 ms", async ({ signedIn: page, demo }) => {
  const ROUNDS = 20;
  const card = door(page, "Garden door");
  const id = (await card.getAttribute("data-lock")) ?? "";
  // Each change of the shown bolt, with the time after the frame in which it was painted.
  await page.evaluate((lock) => {
    const seen: { bolt: string; at: number }[] = [];
    Object.assign(window, { seen });
    const shown = document.querySelector(`[data-lock="${lock}"] [data-bolt]`);
    if (shown === null) throw new Error("no such door");
    new MutationObserver(() => {
      const bolt = shown.getAttribute("data-bolt") ?? "";
      requestAnimationFrame(() => setTimeout(() => seen.push({ bolt, at: Date.now() })));
    }).observe(shown, { attributes: true, attributeFilter: ["data-bolt"] });
  }, id);
  const start = (await demo.get<{ seq: number }[]>("/events?limit=1"))[0]?.seq ?? 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const op = round % 2 === 0 ? "unlock" : "lock";
    expect((await demo.post(`/locks/${id}/commands?wait=20`, { op })).status).toBe(202);
    await expect(card.locator(`[data-bolt="${op}ed"]`)).toBeVisible();
  }
  const said = (
    await demo.get<{ at: string; data: { bolt: string } }[]>(
      `/events?after=${start}&lock=${id}&kind=lock.operated&limit=1000`,
    )
  ).map((entry) => ({ bolt: entry.data.bolt, at: Date.parse(entry.at) }));
  const seen = await page.evaluate(
    () => (window as unknown as { seen: { bolt: string; at: number }[] }).seen,
  );
  const delays = said
    .map(
      (word) =>
        (seen.find((pixel) => pixel.bolt === word.bolt && pixel.at >= word.at)?.at ?? Infinity) - word.at,
    )
    .filter((delay) => delay < 1000)
    .sort((a, b) => a - b);
  expect(delays.length).toBeGreaterThanOrEqual(ROUNDS - 2);
  const median = delays[Math.floor(delays.length / 2)] ?? Infinity;
  console.log(`from the lock's word to pixels: median ${median} ms, all ${delays.join(" ")}`);
  expect(median).toBeLessThan(50);
});
