import { describe, expect, test, vi } from "vitest";
import { Asking } from "./asking.svelte.ts";

const house = vi.hoisted(() => ({ phase: "live" }));
vi.mock("./house.svelte.ts", () => ({ house }));
vi.mock("../say/failure.ts", () => ({ why: (error: Error) => error.message }));

const refuse = (why: string) => () => Promise.reject(new Error(why));

/// A piece of work that ends when it is told to.
function held() {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { work: () => ended, end };
}

describe("a wish", () => {
  test("that is refused says why until the next one begins", async () => {
    const asking = new Asking();
    expect(await asking.run(refuse("no"))).toBe(false);
    expect(asking.fault).toBe("no");
    const next = held();
    const ran = asking.run(next.work);
    expect(asking.fault).toBeNull();
    next.end();
    expect(await ran).toBe(true);
  });

  test("is told once it is done, and no longer than until the next", async () => {
    const asking = new Asking();
    const first = held();
    const ran = asking.run(first.work, "saved");
    expect(asking.told).toBeNull();
    first.end();
    await ran;
    expect(asking.told).toBe("saved");
    await asking.run(refuse("no"), "saved");
    expect(asking.told).toBeNull();
  });

  test("is followed by reading, whatever came of it", async () => {
    const read = vi.fn(() => Promise.resolve());
    const asking = new Asking(read);
    await asking.run();
    await asking.run(refuse("no"));
    expect(read).toHaveBeenCalledTimes(2);
    expect(asking.fault).toBe("no");
  });

  test("keeps it busy, and of two the longer one", async () => {
    const asking = new Asking();
    const [one, other] = [held(), held()];
    const both = [asking.run(one.work), asking.run(other.work)];
    expect(asking.busy).toBe(true);
    one.end();
    await both[0];
    expect(asking.busy).toBe(true);
    other.end();
    await both[1];
    expect(asking.busy).toBe(false);
  });
});

describe("reading", () => {
  test("that fails says why until it works", async () => {
    let fails = true;
    const asking = new Asking(() => (fails ? Promise.reject(new Error("away")) : Promise.resolve()));
    await asking.read();
    expect(asking.fault).toBe("away");
    fails = false;
    await asking.read();
    expect(asking.fault).toBeNull();
  });

  test("that fails because the hub is away is not said by each part", async () => {
    const asking = new Asking(refuse("away"));
    await asking.read();
    house.phase = "away";
    expect(asking.fault).toBeNull();
    house.phase = "live";
    expect(asking.fault).toBe("away");
  });

  test("takes away nothing that a person should know", async () => {
    const asking = new Asking();
    await asking.run(refuse("no"));
    await asking.read();
    expect(asking.fault).toBe("no");
  });
});
