// A Z-Wave home behind a network dongle, made of the mock controller and nodes of zwave-js: software that nobody here
// wrote judges our host. This file only starts it.
//
//   node mock.cjs            prints one JSON line, {"port":N,"control":N}, as soon as both listen on 127.0.0.1
//
// Environment (all optional):
//   SERIAL_PORT, CONTROL_PORT   0 or unset: any free port
//   NODES      which nodes exist, for example "2,3" or "2-201" (default 2-5: 2 S2 lock, 3 smoke and CO alarm, 4 S0 lock,
//              5 S2 lock with User Credential; every other number is an S2 lock)
//   TX_DELAY   milliseconds that each frame spends in the air (default 0)
//   TRAVEL     milliseconds that a bolt takes (default 0)
//   USERS      code slots of a lock (default 20)
//   RAWLOG=1   every byte on the serial side to standard error
const { MockController, MockNode } = require("@zwave-js/testing");
const { createAndOpenMockedZWaveSerialPort } = require("@zwave-js/serial/mock");
const { createDefaultMockControllerBehaviors, createDefaultMockNodeBehaviors } = require("zwave-js/Testing");
const { SerialSide } = require("./serial.cjs");
const { Air } = require("./air.cjs");
const devices = require("./devices.cjs");
const { listen } = require("./control.cjs");

// The mock's promises time out when a host goes away in the middle of an exchange. A dongle survives that.
process.on("unhandledRejection", (error) => console.error("mock:", error && error.message));

const number = (name, fallback) => Number(process.env[name] ?? fallback);

async function main() {
	const wanted = (process.env.NODES ?? "2-5").split(",").flatMap((part) => {
		const [first, last = first] = part.split("-").map(Number);
		return Array.from({ length: last - first + 1 }, (_, index) => first + index);
	});
	const home = devices.home({
		txDelay: number("TX_DELAY", 0),
		travel: number("TRAVEL", 0),
		users: number("USERS", 20),
	});
	const { serial, port } = await createAndOpenMockedZWaveSerialPort();
	const controller = await MockController.create({
		homeId: devices.HOME_ID,
		ownNodeId: 1,
		mockPort: port,
		serial,
		securityKeys: devices.KEYS,
	});
	controller.defineBehavior(...createDefaultMockControllerBehaviors());
	const wire = new SerialSide(controller, { rawlog: !!process.env.RAWLOG });
	controller.defineBehavior(...wire.behaviors);

	const air = new Air(controller);
	wire.air = air;
	for (const id of wanted) {
		const options = home.nodes.find((node) => node.id === id) ?? { id, capabilities: home.lock("s2") };
		const node = await MockNode.create({ ...options, controller });
		controller.addNode(node);
		node.defineBehavior(...createDefaultMockNodeBehaviors());
		node.defineBehavior(...home.behaviors);
		air.adopt(node);
		await air.restrictKeys(node);
	}

	const serialPort = await wire.listen(number("SERIAL_PORT", 0));
	const controlPort = await listen({ controller, wire, air, home }, number("CONTROL_PORT", 0));
	console.log(JSON.stringify({ port: serialPort, control: controlPort }));
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
