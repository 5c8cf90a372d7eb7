/// The journeys: the real daemon with its simulated home, looked at in the system's own Chromium.
import { defineConfig } from "@playwright/test";

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const desktop = { viewport: { width: 1280, height: 860 } };

export default defineConfig({
  testDir: "journeys",
  outputDir: "test-results",
  // Each worker runs a house of its own; two are what a small machine bears beside them.
  workers: 2,
  fullyParallel: false,
  // A journey that needed a second try is shown as flaky, and is a fault to be found.
  retries: 1,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: "list",
  use: {
    browserName: "chromium",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  projects: [
    // A keyboard stands before a large screen.
    {
      name: "phone",
      use: { ...phone, colorScheme: "light" },
      testIgnore: ["speed.spec.ts", "keyboard.spec.ts"],
    },
    { name: "desktop-dark", use: { ...desktop, colorScheme: "dark" }, testIgnore: "speed.spec.ts" },
    { name: "phone-dark", use: { ...phone, colorScheme: "dark" }, testMatch: "screens.spec.ts" },
    { name: "desktop", use: { ...desktop, colorScheme: "light" }, testMatch: "screens.spec.ts" },
    {
      name: "speed",
      use: { ...phone, colorScheme: "light" },
      testMatch: "speed.spec.ts",
      // What is measured is not disturbed by what else is tested.
      dependencies: ["phone", "desktop-dark", "phone-dark", "desktop"],
    },
  ],
});
