// The dongle's memory, which the mock lacks: a real NVM of the 700 series, written and read by zwave-js itself, so that
// a copy that is put into another dongle is judged by software that nobody here wrote.
//
// Spec: INS12350, NVM_BACKUP_RESTORE (0x2E)
const { jsonToNVM, nvmToJSON } = require("@zwave-js/nvmedit");

const NVM_OPERATIONS = 0x2e, SOFT_RESET = 0x08;
const OPEN = 0, READ = 1, WRITE = 2, CLOSE = 3;
const OK = 0x00, ERROR = 0x01, MISMATCH = 0x02, END = 0xff;
const VERSION = "7.17.0";

const hex = (homeId) => `0x${homeId.toString(16).padStart(8, "0")}`;

const described = (capabilities) => ({
	isListening: capabilities?.isListening ?? true,
	isFrequentListening: capabilities?.isFrequentListening ?? false,
	isRouting: true,
	supportedDataRates: [40000, 100000],
	protocolVersion: 3,
	optionalFunctionality: true,
	nodeType: 1,
	supportsSecurity: false,
	supportsBeaming: true,
	genericDeviceClass: capabilities?.genericDeviceClass ?? 2,
	specificDeviceClass: capabilities?.specificDeviceClass ?? 1,
	isVirtual: false,
	neighbors: [],
	sucUpdateIndex: 0,
	appRouteLock: false,
	routeSlaveSUC: false,
	sucPendingUpdate: false,
	pendingDiscovery: false,
});

class Memory {
	constructor(controller) {
		this.controller = controller;
		// Devices stay in their network, whichever dongle is plugged in.
		this.networks = new Map();
		this.done = undefined; // what the open session did first
		this.written = undefined;
		controller.capabilities.supportedFunctionTypes.push(NVM_OPERATIONS, SOFT_RESET);
	}

	get network() {
		const { homeId } = this.controller;
		if (!this.networks.has(homeId)) this.networks.set(homeId, new Map());
		return this.networks.get(homeId);
	}

	/** The memory as this dongle would have it. */
	async bytes() {
		const { controller } = this;
		const nodes = { [controller.ownNodeId]: described() };
		for (const [id, node] of controller.nodes) nodes[id] = described(node.capabilities);
		const json = {
			format: 7,
			controller: {
				protocolVersion: VERSION,
				applicationVersion: VERSION,
				homeId: hex(controller.homeId),
				nodeId: controller.ownNodeId,
				lastNodeId: Math.max(...Object.keys(nodes).map(Number)),
				staticControllerNodeId: controller.ownNodeId,
				sucLastIndex: 0,
				controllerConfiguration: 0,
				sucUpdateEntries: [],
				maxNodeId: 232,
				reservedId: 0,
				systemState: 0,
				commandClasses: { includedInsecurely: [], includedSecurelyInsecureCCs: [], includedSecurelySecureCCs: [] },
				preferredRepeaters: [],
			},
			nodes,
		};
		return Uint8Array.from(await jsonToNVM(json, VERSION));
	}

	/** The answer to one operation: status, length, offset or size, bytes. */
	async operate([operation, length = 0, high = 0, low = 0, ...bytes]) {
		const answer = (status, number = 0, read = []) => [status, read.length, (number >> 8) & 0xff, number & 0xff, ...read];
		if (operation === OPEN) {
			this.held = await this.bytes();
			this.done = 0;
			return answer(OK, this.held.length);
		}
		if (operation === CLOSE) {
			if (this.done === WRITE) this.written = this.held;
			this.done = undefined;
			return answer(OK);
		}
		const offset = (high << 8) | low;
		const end = offset + length;
		if (this.done === undefined || end > this.held.length) return answer(ERROR, offset);
		if (this.done !== 0 && this.done !== operation) return answer(MISMATCH, offset);
		this.done = operation;
		const status = end === this.held.length ? END : OK;
		if (operation === READ) return answer(status, offset, [...this.held.subarray(offset, end)]);
		if (operation !== WRITE || bytes.length !== length) return answer(ERROR, offset);
		this.held.set(bytes, offset);
		return answer(status, offset);
	}

	/** The dongle starts anew: it has the network that its memory says. */
	async restart() {
		if (!this.written) return;
		const { controller, nodes } = await nvmToJSON(this.written);
		this.written = undefined;
		this.enter(Number(controller.homeId), Object.keys(nodes).map(Number));
	}

	/** Another dongle is plugged in, which knows another network and no node. */
	replace(homeId) {
		this.enter(homeId, []);
	}

	enter(homeId, ids) {
		const { controller } = this;
		for (const node of [...controller.nodes.values()]) {
			this.network.set(node.id, node);
			controller.removeNode(node);
		}
		controller.homeId = homeId;
		for (const id of ids) {
			const node = this.network.get(id);
			if (node) controller.addNode(node);
		}
	}
}

module.exports = { Memory, NVM_OPERATIONS };
