// The air between the mock's controller and its nodes: encapsulation of what a node says by itself, dead nodes, and a
// log of every frame that costs a node battery.
const cc = require("@zwave-js/cc");
const { SecurityClass: SC, SecurityManager2 } = require("@zwave-js/core");
const { createMockZWaveRequestFrame, MockZWaveFrameType } = require("@zwave-js/testing");
const { isS2, raw } = require("./devices.cjs");
const { now, keep } = require("./clock.cjs");

// States of a SPAN in zwave-js' SecurityManager2.
const SPAN_REMOTE_NONCE = 1, SPAN_READY = 3;
// How long a device waits for a host that could not read it before it says the next thing.
const SAID_MS = 100;
const S2_CLASSES = [SC.S2_Unauthenticated, SC.S2_Authenticated, SC.S2_AccessControl];

class Air {
	constructor(controller) {
		this.controller = controller;
		this.dead = new Map(); // node -> how many frames it will not hear any more
		this.failed = new Set(); // nodes that did not acknowledge the last frame to them
		/** Every frame that left for a node: [t, node], parsed or not. */
		this.sent = [];
		this.transmit = new Map(); // node -> its radio
		this.sessions = new Map(); // node -> last Supervision session
		this.said = new Map(); // node -> settled when what it said last can no longer come back
		this.asking = new Set(); // nodes that wait for a nonce
		this.taken = new WeakSet(); // frames whose S0 nonce somebody has
		const transmit = controller.sendToNode.bind(controller);
		controller.sendToNode = (node, frame) => {
			if (frame.type === MockZWaveFrameType.Request) keep(this.sent, [now(), node.id]);
			// Three tries of about a second each, as a controller needs to give a node up.
			if (this.isDead(node.id)) {
				this.failed.add(node.id);
				return new Promise((resolve) => setTimeout(() => resolve(undefined), 1000));
			}
			this.failed.delete(node.id);
			if (typeof frame.payload === "function") frame = { ...frame, payload: this.lenient(frame.payload) };
			return transmit(node, frame);
		};
	}

	/** Whether a node does not hear this frame. */
	isDead(id) {
		const left = this.dead.get(id);
		if (left === undefined) return false;
		left > 1 ? this.dead.set(id, left - 1) : this.dead.delete(id);
		return true;
	}

	/** Whether a node acknowledges a frame that says nothing. */
	async ping(node) {
		const question = createMockZWaveRequestFrame(new cc.NoOperationCC({ nodeId: node.id }), { ackRequested: true });
		return !!(await this.controller.sendToNode(node, question));
	}

	/** One command that the mock cannot parse ends its loop for good: the node hears nothing instead. */
	lenient(parse) {
		return async () => {
			try {
				return await parse();
			} catch (error) {
				console.error("mock could not parse a command:", error.message);
				return new cc.CommandClass({ nodeId: this.controller.ownNodeId, ccId: 0 });
			}
		};
	}

	/** Gives a node what the mock leaves out. */
	adopt(node) {
		const transmit = node.sendToController.bind(node);
		this.transmit.set(node.id, transmit);
		// User Credential reports leave the mock in the clear although the class is secure.
		node.sendToController = async (frame) => {
			const command = frame.payload;
			const bare = frame.type === MockZWaveFrameType.Request && command instanceof cc.CommandClass;
			if (bare && node.capabilities.securityClasses?.size && node.implementedCCs.get(command.ccId)?.secure) {
				frame = { ...frame, payload: await this.encapsulate(node, command) };
			}
			return transmit(frame);
		};
		// One S0 nonce would go to everybody who waits for one, and what the second makes of it no host can read.
		const expect = node.expectControllerFrame.bind(node);
		node.expectControllerFrame = (predicate, options) =>
			expect((frame) => !this.taken.has(frame) && predicate(frame) && this.take(frame), options);
	}

	/** Notes who has an S0 nonce; always true. */
	take(frame) {
		if (frame.payload instanceof cc.SecurityCCNonceReport) this.taken.add(frame);
		return true;
	}

	/** A node that is included from the start has every S2 key of the controller: leave it those that it was granted. */
	async restrictKeys(node) {
		if (!isS2(node) || !node.securityManagers.securityManager2) return;
		const granted = await SecurityManager2.create();
		for (const key of S2_CLASSES) {
			const has = node.capabilities.securityClasses.has(key);
			node.encodingContext.setSecurityClass(this.controller.ownNodeId, key, has);
			node.encodingContext.setSecurityClass(node.id, key, has);
			const pnk = this.controller.securityManagers.securityManager2.getKeysForSecurityClass(key)?.pnk;
			if (has && pnk) await granted.setKey(key, pnk);
		}
		node.securityManagers.securityManager2 = granted;
	}

	/** A node that is about to join has no S2 key at all before it is given one. */
	forgetKeys(node) {
		node.securityManagers.securityManager2?.networkKeys.clear();
		for (const key of S2_CLASSES) node.encodingContext.setSecurityClass(this.controller.ownNodeId, key, false);
	}

	/** Protects what a node says by itself: Supervision, then S2 with a fresh nonce where there is none, or S0. */
	async encapsulate(node, command, supervise) {
		const host = this.controller.ownNodeId;
		if (supervise) {
			const session = ((this.sessions.get(node.id) ?? 0) + 1) & 0x3f;
			this.sessions.set(node.id, session);
			command = cc.SupervisionCC.encapsulate(command, session);
		}
		if (isS2(node)) {
			const span = node.securityManagers.securityManager2.getSPANState(host).type;
			if (span !== SPAN_READY && span !== SPAN_REMOTE_NONCE) {
				const isNonce = (payload) => payload instanceof cc.Security2CCNonceReport && payload.SOS;
				await this.ask(node, new cc.Security2CCNonceGet({ nodeId: host }), isNonce);
			}
			return cc.Security2CC.encapsulate(command, node.id, node.securityManagers);
		}
		if (node.capabilities.securityClasses?.has(SC.S0_Legacy)) {
			const isNonce = (payload) => payload instanceof cc.SecurityCCNonceReport;
			const report = await this.ask(node, new cc.SecurityCCNonceGet({ nodeId: host }), isNonce);
			const encapsulated = cc.SecurityCC.encapsulate(node.id, node.securityManagers.securityManager, command);
			encapsulated.nonce = report.payload.nonce;
			return encapsulated;
		}
		return command;
	}

	async ask(node, question, isAnswer) {
		this.asking.add(node.id);
		try {
			const answer = node.expectControllerFrame(
				(frame) => frame.type === MockZWaveFrameType.Request && isAnswer(frame.payload),
				{ timeout: 2000 },
			);
			await node.sendToController(createMockZWaveRequestFrame(question, { ackRequested: false }));
			return await answer;
		} finally {
			this.asking.delete(node.id);
		}
	}

	/** A node says this by itself, one thing after the other; resolves with the moment at which it left. */
	async say(node, command, { plain = false, supervise = false } = {}) {
		await this.said.get(node.id);
		const frame = plain ? command : await this.encapsulate(node, command, supervise);
		const t = now();
		if (frame instanceof cc.Security2CC) this.said.set(node.id, this.repeatWhenOutOfSync(node, frame.encapsulated));
		const transmit = this.transmit.get(node.id); // as it is: what is plain stays plain
		await transmit(createMockZWaveRequestFrame(frame, { ackRequested: false }));
		return t;
	}

	/** A host that lost the SPAN answers with a nonce that nobody asked for. A real device says it once more then; the mock
	 * would not. */
	async repeatWhenOutOfSync(node, command) {
		const isNonce = ({ type, payload }) =>
			type === MockZWaveFrameType.Request
			&& payload instanceof cc.Security2CCNonceReport
			&& payload.SOS
			&& !this.asking.has(node.id);
		try {
			await node.expectControllerFrame(isNonce, { timeout: SAID_MS });
		} catch {
			return; // in step
		}
		const again = cc.Security2CC.encapsulate(command, node.id, node.securityManagers);
		await node.sendToController(createMockZWaveRequestFrame(again, { ackRequested: false }));
	}

	raw(ccId, command, bytes) {
		return raw(this.controller, ccId, command, bytes);
	}
}

module.exports = { Air };
