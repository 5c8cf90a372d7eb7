/// Opening and closing a door: by finger, by keyboard, and what is shown while it happens and when it does not.
import { accessible, door, expect, test } from "./house.ts";

const NAME = "Garden door";

test("a held button unlocks, and the page shows what the lock said", async ({ signedIn: page, demo }) => {
  const card = door(page, NAME);
  await demo.post(`/locks/${await card.getAttribute("data-lock")}/commands?wait=20`, { op: "lock" });
  await expect(card.getByText("Locked", { exact: true })).toBeVisible();
  const hold = card.getByRole("button", { name: "Hold to unlock" });
  await hold.hover();
  await page.mouse.down();
  await expect(card.getByText("Unlocking…")).toBeVisible();
  await page.mouse.up();
  await expect(card.getByText("Unlocked", { exact: true })).toBeVisible();
  await expect(card.getByText("Unlocking…")).toBeHidden();
  await expect(page.getByRole("dialog")).toBeHidden();
  await card.getByRole("button", { name: `Lock ${NAME}`, exact: true }).click();
  await expect(card.getByText("Locked", { exact: true })).toBeVisible();
});

test("a slip of the finger opens nothing, it asks", async ({ signedIn: page, demo }) => {
  const card = door(page, NAME);
  const id = await card.getAttribute("data-lock");
  await demo.post(`/locks/${id}/commands?wait=20`, { op: "lock" });
  await expect(card.getByText("Locked", { exact: true })).toBeVisible();
  const before = (await demo.get<{ seq: number }[]>("/events?limit=1"))[0]?.seq ?? 0;
  await card.getByRole("button", { name: "Hold to unlock" }).click();
  const dialog = page.getByRole("dialog", { name: `Unlock ${NAME}?` });
  await expect(dialog).toBeVisible();
  await accessible(page);
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  // The people of the house may do with their door what they want meanwhile; nobody asked the hub for anything.
  expect((await demo.get<{ wish?: unknown }>(`/locks/${id}`)).wish).toBeUndefined();
  expect(await demo.get<unknown[]>(`/events?after=${before}&lock=${id}&kind=command.ended`)).toEqual([]);
});

test("with the keyboard alone", async ({ signedIn: page, demo }) => {
  const card = door(page, NAME);
  await demo.post(`/locks/${await card.getAttribute("data-lock")}/commands?wait=20`, { op: "lock" });
  await expect(card.getByText("Locked", { exact: true })).toBeVisible();
  const hold = card.getByRole("button", { name: "Hold to unlock" });
  for (let presses = 0; !(await hold.evaluate((it) => it === document.activeElement)); presses += 1) {
    expect(presses, "the button is reached with Tab").toBeLessThan(40);
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toBeVisible();
  // The dialog keeps the focus: Cancel, then the answer.
  await expect(dialog.getByRole("button", { name: "Cancel" })).toBeFocused();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(card.getByText("Unlocked", { exact: true })).toBeVisible();
  await expect(hold).toBeFocused();
});
