// The dongle's serial side over TCP: framing, acknowledgement with retransmission as a real dongle does it, and every
// fault that a cable, a hub or a bad dongle can show.
//
// The stock TCP front of zwave-js takes each TCP chunk for one frame, drops bytes that are no frame, and announces
// itself by multicast; so this is a front of our own before the same mock.
const net = require("node:net");
const serialapi = require("@zwave-js/serial/serialapi");
const { now, keep } = require("./clock.cjs");
const { Memory, NVM_OPERATIONS } = require("./memory.cjs");

const SOF = 0x01, ACK = 0x06, NAK = 0x15, CAN = 0x18;
const ADD_NODE = 0x4a, REMOVE_NODE = 0x4b, SEND_DATA = 0x13, SEND_DATA_BRIDGE = 0xa9, SOFT_RESET = 0x08;
const REMOVE_FAILED = 0x61, IS_FAILED = 0x62;
// What a dongle says of a request to remove a failed node: when it is made, and when it ended.
const REMOVAL_STARTED = 0x00, NOT_FAILED = 0x08;
const NODE_OK = 0, NODE_REMOVED = 1;
const IDLE = 0;
const ACK_TIMEOUT_MS = 1600;
const TRIES = 4;
const QUEUE_MAX = 16;

const checksum = (bytes) => bytes.reduce((sum, byte) => sum ^ byte, 0xff);

/** A data frame with this body (type, function, parameters). */
function frame(body) {
	const inner = [body.length + 1, ...body];
	return Uint8Array.from([SOF, ...inner, checksum(inner)]);
}

class SerialSide {
	constructor(controller, { rawlog }) {
		this.controller = controller;
		this.rawlog = rawlog;
		// How many of the next frames each fault hits.
		this.faults = {
			swallow: 0, // host frame is lost: no answer at all
			nak: 0, // host frame is answered with NAK
			can: 0, // host frame is answered with CAN
			garbage: 0, // garbage before the answer
			jam: 0, // SendData ends with "not idle" (the radio is jammed)
			corrupt: 0, // a frame to the host has a wrong checksum; the dongle repeats it after the NAK
			repeat: 0, // the host's ACK is lost: the dongle sends the frame a second time
			half: 0, // a frame to the host arrives in two pieces, 50 ms apart
		};
		this.cutAfter = undefined; // destroy the connection after so many further bytes to the host
		this.toHost = [];
		this.fromHost = [];
		this.log = { in: [], out: [] };
		this.connections = 0;
		this.removeNext = undefined;
		this.air = undefined; // asks nodes whether they are there
		this.memory = new Memory(controller);
		controller.mockPort.emitData = (data) => this.emit(data);
		this.server = net.createServer({ noDelay: true }, (socket) => this.connect(socket));
	}

	listen(port) {
		return new Promise((resolve, reject) => {
			this.server.once("error", reject);
			this.server.listen(port, "127.0.0.1", () => {
				this.server.off("error", reject);
				this.port = this.server.address().port;
				resolve(this.port);
			});
		});
	}

	/** The dongle is pulled out: whoever is connected is cut off, what it had buffered is gone. */
	unplug() {
		this.server.close();
		this.drop();
		clearTimeout(this.timer);
		this.toHost = [];
		this.reset();
	}

	/** The dongle is back. */
	plug() {
		return this.listen(this.port);
	}

	drop() {
		this.socket?.destroy();
		this.socket = undefined;
	}

	/** An exchange that was cut off must not block the next one. */
	reset() {
		this.controller.state.set("communicationState", IDLE);
		this.controller.state.delete("inclusionState");
		for (const ack of this.controller.expectedHostACKs.splice(0)) ack.resolve();
	}

	connect(socket) {
		if (this.socket && !this.socket.destroyed) {
			socket.destroy(); // a port has one owner
			return;
		}
		this.connections++;
		this.socket = socket;
		this.fromHost = [];
		socket.on("error", () => {});
		socket.on("close", () => {
			if (this.socket === socket) this.socket = undefined;
			this.reset();
		});
		socket.on("data", (data) => {
			for (const byte of data) this.fromHost.push(byte);
			this.deframe();
		});
	}

	write(bytes) {
		if (this.rawlog) console.error(now().toFixed(1), "<DEV", Buffer.from(bytes).toString("hex"));
		const socket = this.socket;
		if (!socket) return;
		if (this.cutAfter !== undefined && bytes.length >= this.cutAfter) {
			const part = Buffer.from(bytes).subarray(0, this.cutAfter);
			this.cutAfter = undefined;
			socket.write(part, () => socket.destroy());
			this.socket = undefined;
			return;
		}
		if (this.cutAfter !== undefined) this.cutAfter -= bytes.length;
		socket.write(Buffer.from(bytes));
	}

	// --- to the host: one data frame at a time, repeated until the host acknowledges it

	emit(data) {
		if (data[0] !== SOF) {
			this.write(data);
			return;
		}
		if (this.toHost.length >= QUEUE_MAX) return;
		this.toHost.push({ bytes: Uint8Array.from(data), tries: 0, twice: false });
		if (this.toHost.length === 1) this.transmit();
	}

	transmit() {
		const head = this.toHost[0];
		if (!head) return;
		head.tries++;
		keep(this.log.out, [now(), head.bytes[3], head.bytes.length]);
		let bytes = head.bytes;
		if (this.faults.corrupt > 0) {
			this.faults.corrupt--;
			bytes = Uint8Array.from(bytes);
			bytes[bytes.length - 1] ^= 0x55;
		}
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.unanswered(), ACK_TIMEOUT_MS);
		if (this.faults.half > 0) {
			this.faults.half--;
			const middle = bytes.length >> 1;
			this.write(bytes.subarray(0, middle));
			setTimeout(() => this.write(bytes.subarray(middle)), 50);
			return;
		}
		this.write(bytes);
	}

	unanswered() {
		clearTimeout(this.timer);
		if (this.toHost[0]?.tries >= TRIES) this.toHost.shift();
		this.transmit();
	}

	acknowledged() {
		clearTimeout(this.timer);
		const head = this.toHost[0];
		if (!head) return;
		if (this.faults.repeat > 0 && !head.twice) {
			this.faults.repeat--;
			head.twice = true;
			this.transmit();
			return;
		}
		this.toHost.shift();
		this.give(ACK);
		this.transmit();
	}

	// --- from the host

	deframe() {
		const bytes = this.fromHost;
		while (bytes.length) {
			const first = bytes[0];
			if (first !== SOF) {
				bytes.shift();
				if (this.rawlog) console.error(now().toFixed(1), "HOST>", first.toString(16));
				if (first === ACK) this.acknowledged();
				else if (first === NAK || first === CAN) this.unanswered();
				continue;
			}
			if (bytes.length < 2 || bytes.length < bytes[1] + 2) return;
			const data = Uint8Array.from(bytes.splice(0, bytes[1] + 2));
			if (this.rawlog) console.error(now().toFixed(1), "HOST>", Buffer.from(data).toString("hex"));
			this.receive(data);
		}
	}

	receive(data) {
		const fn = data[3];
		keep(this.log.in, [now(), fn, data.length]);
		if (checksum(data.subarray(1, -1)) !== data[data.length - 1]) return this.write([NAK]);
		if (this.hit("swallow")) return;
		if (this.hit("nak")) return this.write([NAK]);
		if (this.hit("can")) return this.write([CAN]);
		if (this.hit("garbage")) this.write([0xde, 0xad, 0xbe, 0xef]);
		if (fn === SOFT_RESET) {
			this.reset();
			return void this.memory.restart().then(() => this.give(data), (error) => console.error("mock:", error.message));
		}
		if (fn === NVM_OPERATIONS) return this.operate(data);
		if (fn === ADD_NODE || fn === REMOVE_NODE) return this.networkManagement(data);
		if (fn === IS_FAILED) {
			this.write([ACK]);
			return this.emit(frame([0x01, IS_FAILED, this.air.failed.has(data[4]) ? 1 : 0]));
		}
		if (fn === SEND_DATA || fn === SEND_DATA_BRIDGE) {
			const callback = data[data.length - 2];
			if (this.hit("jam")) {
				this.write([ACK]);
				this.emit(frame([0x01, fn, 0x01]));
				setTimeout(() => this.emit(frame([0x00, fn, callback, 0x01])), 60);
				return;
			}
			// The mock throws when it is given a second transmission before the first has ended; a dongle refuses it.
			if ((this.controller.state.get("communicationState") ?? IDLE) !== IDLE) {
				this.write([ACK]);
				this.emit(frame([0x01, fn, 0x00]));
				return;
			}
		}
		this.give(data);
	}

	hit(fault) {
		if (!(this.faults[fault] > 0)) return false;
		this.faults[fault]--;
		return true;
	}

	give(data) {
		this.controller.serialOnData(data).catch((error) => console.error("mock:", error.message));
	}

	// The mock takes a Stop in idle state for a start and knows nothing of SmartStart.
	networkManagement(data) {
		const mode = data[4] & 0x0f, options = data[4] & 0xf0, callback = data[5];
		if (mode === 0x05 && !this.controller.state.get("inclusionState")) return this.write([ACK]);
		if (data[3] === ADD_NODE && mode === 0x09) {
			this.smartStartListening = true;
			return this.write([ACK]);
		}
		if (data[3] === ADD_NODE && mode === 0x08) return this.give(frame([0x00, ADD_NODE, options | 0x01, callback]));
		return this.give(data);
	}

	// The mock has no memory.
	operate(data) {
		this.write([ACK]);
		this.memory.operate([...data.subarray(4, -1)]).then(
			(answer) => this.emit(frame([0x01, NVM_OPERATIONS, ...answer])),
			(error) => console.error("mock:", error.message),
		);
	}

	/** Removes a node as a dongle does: only one that it could not reach last, and after it was asked once more. */
	async removeFailed({ failedNodeId: id, callbackId }) {
		const node = this.controller.nodes.get(id);
		if (!node || !this.air.failed.has(id)) return this.emit(frame([0x01, REMOVE_FAILED, NOT_FAILED]));
		this.emit(frame([0x01, REMOVE_FAILED, REMOVAL_STARTED]));
		const answers = await this.air.ping(node);
		if (!answers) this.controller.removeNode(node);
		this.emit(frame([0x00, REMOVE_FAILED, callbackId, answers ? NODE_OK : NODE_REMOVED]));
	}

	/** What the mock's controller lacks: an exclusion that ends, and a failed node that is removed. */
	get behaviors() {
		const side = this;
		return [{
			onHostMessage(_controller, message) {
				if (!(message instanceof serialapi.RemoveFailedNodeRequest)) return false;
				side.removeFailed(message).catch((error) => console.error("mock:", error.message));
				return true;
			},
		}, {
			async onHostMessage(controller, message) {
				const { RemoveNodeFromNetworkRequest: Remove, RemoveNodeType, RemoveNodeStatus: Status } = serialapi;
				if (!(message instanceof Remove) || message.removeNodeType === RemoveNodeType.Stop) return false;
				if (side.removeNext === undefined) return false;
				const id = side.removeNext;
				side.removeNext = undefined;
				const send = (status, extra) =>
					controller.sendMessageToHost(
						new serialapi.RemoveNodeFromNetworkRequestStatusReport({ callbackId: message.callbackId, status, ...extra }),
					);
				await send(Status.Ready);
				await send(Status.NodeFound);
				await send(Status.RemovingSlave, { nodeId: id });
				const node = controller.nodes.get(id);
				if (node) controller.removeNode(node);
				await send(Status.Done, { nodeId: id });
				return true;
			},
		}];
	}
}

module.exports = { SerialSide, frame };
