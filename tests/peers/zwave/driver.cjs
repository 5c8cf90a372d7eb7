// The Z-Wave host of zwave-js itself on a mock home, as an owner has it who moves to hubd: it interviews every node and
// leaves its node cache behind.
//
//   node driver.cjs PORT FOLDER      prints "ready" when every node is interviewed and the cache is written
const { Driver, InterviewStage } = require("zwave-js");
const devices = require("./devices.cjs");

const [port, folder] = process.argv.slice(2);

const driver = new Driver(`tcp://127.0.0.1:${port}`, {
	logConfig: { enabled: false },
	storage: { cacheDir: folder, throttle: "fast" },
	securityKeys: devices.KEYS,
	// The codes on the locks are to be there afterwards: by default it deletes them.
	interview: { queryAllUserCodes: true },
	attempts: { nodeInterview: 3 },
});
driver.on("error", (error) => console.error("driver:", error.message));

driver.once("driver ready", async () => {
	const done = (node) => node.isControllerNode || node.interviewStage === InterviewStage.Complete;
	while (![...driver.controller.nodes.values()].every(done)) await new Promise((resolve) => setTimeout(resolve, 100));
	await driver.destroy();
	console.log("ready");
	process.exit(0);
});
driver.start().catch((error) => {
	console.error(error.message);
	process.exit(1);
});
