/// The daemon as it is installed - `hubd run`, with the TLS that it makes for itself - on the dongle and devices of zwave-js,
/// which nobody here wrote. `restart` kills it in the middle of whatever goes on, as a power cut does.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { type AddressInfo } from "node:net";
import { type Page, test as base, expect } from "@playwright/test";
import { totp } from "./house.ts";

const HUBD = resolve(process.env.HUBD_BIN ?? "../target/debug/hubd");
const MOCK = resolve("../tests/peers/zwave");
/// The network keys of the mock home.
const KEYS = {
  S0_Legacy: "0102030405060708090a0b0c0d0e0f10",
  S2_Unauthenticated: "11111111111111111111111111111111",
  S2_Authenticated: "22222222222222222222222222222222",
  S2_AccessControl: "33333333333333333333333333333333",
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/// A child's first line that fits.
function line<T>(child: ChildProcess, what: string, find: (text: string) => T | null): Promise<T> {
  return new Promise((done, failed) => {
    const told: string[] = [];
    const timer = setTimeout(() => failed(new Error(`no ${what}:\n${told.join("\n")}`)), 90_000);
    child.once("exit", () => failed(new Error(`ended before ${what}:\n${told.join("\n")}`)));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface(stream).on("line", (text) => {
        told.push(text);
        const found = find(text);
        if (found === null) return;
        clearTimeout(timer);
        done(found);
      });
    }
  });
}

export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), "hubd-journey-"));
  readonly config = join(this.folder, "hubd.toml");
  url = "";
  setup = "";
  owner = { name: "Robin", password: "kettle orbit mango lantern", secret: "", recovery: [] as string[] };
  #mock: ChildProcess | null = null;
  #control: Socket | null = null;
  #answers: ((text: string) => void)[] = [];
  #hub: ChildProcess | null = null;

  async open(): Promise<void> {
    this.#mock = spawn("node", ["mock.cjs"], {
      cwd: MOCK,
      env: { ...process.env, SERIAL_PORT: "0", TX_DELAY: "0", TRAVEL: "300", NODES: "2,3" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ports = await line(this.#mock, "mock home", (text) =>
      text.startsWith("{") ? (JSON.parse(text) as { port: number; control: number }) : null,
    );
    this.#control = connect(ports.control, "127.0.0.1");
    createInterface(this.#control).on("line", (text) => this.#answers.shift()?.(text));
    const port = await freePort();
    this.url = `https://127.0.0.1:${port}`;
    writeFileSync(
      this.config,
      `data_dir = "${join(this.folder, "data")}"\n[http]\nlisten = "127.0.0.1:${port}"\n` +
        `[[radio]]\nname = "zwave"\nkind = "zwave"\nport = "tcp://127.0.0.1:${ports.port}"\n`,
    );
    this.command(["radio", "import-keys", "zwave"], JSON.stringify(KEYS));
    await this.start();
  }

  /// A command of the command line.
  command(args: string[], input = ""): string {
    const [first = "", ...rest] = args;
    const done = spawnSync(HUBD, [first, ...rest, "--config", this.config], { input, encoding: "utf8" });
    if (done.status !== 0) throw new Error(`hubd ${args.join(" ")}: ${done.stderr}`);
    return done.stdout;
  }

  async start(): Promise<void> {
    const hub = spawn(HUBD, ["run", "--config", this.config], { stdio: ["ignore", "pipe", "pipe"] });
    this.#hub = hub;
    await line(hub, "running hub", (text) => {
      this.setup = /setup code ([0-9A-Z-]+)/.exec(text)?.[1] ?? this.setup;
      return text.includes("the hub runs") ? true : null;
    });
  }

  /// Kills the hub as a power cut does, waits until the page says so, and starts it again.
  async restart(page: Page): Promise<void> {
    const hub = this.#hub;
    if (hub === null) throw new Error("no hub runs");
    const gone = new Promise((done) => hub.once("exit", done));
    hub.kill("SIGKILL");
    await gone;
    await expect(
      page.getByText(/Shown is what was known last|The hub does not answer/).first(),
    ).toBeVisible();
    await this.start();
    await expect(page.getByText("The hub does not answer.", { exact: true })).toBeHidden();
  }

  /// Does one thing of the mock home.
  async mock(op: string, args: Record<string, unknown>): Promise<Record<string, unknown>> {
    const answer = new Promise<string>((done) => this.#answers.push(done));
    this.#control?.write(`${JSON.stringify({ ...args, op })}\n`);
    const told = JSON.parse(await answer) as Record<string, unknown>;
    if ("error" in told) throw new Error(`the mock refused ${op}: ${String(told.error)}`);
    return told;
  }

  close(): void {
    this.#control?.destroy();
    this.#hub?.kill("SIGKILL");
    this.#mock?.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export { expect, totp };

export const test = base.extend<object, { rig: Rig }>({
  rig: [
    async ({}, use) => {
      const rig = new Rig();
      await rig.open();
      await use(rig);
      rig.close();
    },
    { scope: "worker", timeout: 120_000 },
  ],
});
