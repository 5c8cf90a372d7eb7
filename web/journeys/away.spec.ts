/// The hub goes away and comes back: what was known stays, said to be old, and what happened meanwhile is shown at once.
import { type Server, type Socket, connect, createServer } from "node:net";
import { type AddressInfo } from "node:net";
import { door, expect, signIn, test } from "./house.ts";

/// A wire between browser and hub that can be cut.
class Wire {
  #server: Server;
  #sockets = new Set<Socket>();
  #cut = false;

  constructor(port: number) {
    this.#server = createServer((near) => {
      if (this.#cut) return near.destroy();
      const far = connect(port, "127.0.0.1");
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.on("error", () => other.destroy()).on("close", () => other.destroy());
        one.pipe(other);
      }
    });
  }
  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }
  mend(): void {
    this.#cut = false;
  }
  close(): void {
    this.cut();
    this.#server.close();
  }
}

test("what was known last is shown with its age, and what happened meanwhile once the hub is back", async ({
  page,
  demo,
}) => {
  const wire = new Wire(Number(new URL(demo.url).port));
  const url = await wire.open();
  await signIn(page, url, demo);
  await page.goto(url);
  const card = door(page, "Back door");
  const id = await card.getAttribute("data-lock");
  await demo.post(`/locks/${id}/commands?wait=20`, { op: "lock" });
  await expect(card.getByText("Locked", { exact: true })).toBeVisible();

  wire.cut();
  await expect(page.getByText("The hub does not answer.", { exact: true })).toBeVisible();
  await expect(page.getByText("Shown is what was known last, just now.")).toBeVisible();
  await expect(card.getByText("Locked", { exact: true })).toBeVisible();
  await expect(card.getByRole("button", { name: "Hold to unlock" })).toBeDisabled();
  expect((await demo.post(`/locks/${id}/commands?wait=20`, { op: "unlock" })).status).toBe(202);
  await expect(card.getByText("Locked", { exact: true })).toBeVisible();

  // The page opens without the hub, from what the browser keeps.
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.reload();
  await expect(card.getByText("Locked", { exact: true })).toBeVisible();
  await expect(page.getByText("The hub does not answer.", { exact: true })).toBeVisible();

  wire.mend();
  await expect(card.getByText("Unlocked", { exact: true })).toBeVisible();
  await expect(page.getByText("The hub does not answer.", { exact: true })).toBeHidden();
  await page.goto(`${url}/#/door/${id}`);
  await expect(page.getByText("Unlock, asked by demo: done").first()).toBeVisible();
  wire.close();
});
