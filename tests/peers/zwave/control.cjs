// The control channel: one JSON object a line in, one a line out. {"op":"notify","node":2,...} does it and answers with
// its result, or with {"error":"..."}. `rid`, when given, comes back.
const net = require("node:net");
const cc = require("@zwave-js/cc");
const core = require("@zwave-js/core");
const { Bytes } = require("@zwave-js/shared");
const { frame } = require("./serial.cjs");
const { now } = require("./clock.cjs");

const hex = (bytes) => Buffer.from(bytes).toString("hex");
// The mock's own name for it is off by one byte: a DSK is the first 16 bytes of the public key.
const dskOf = (node) => core.dskToString(node.ecdhKeyPair.publicKey.slice(0, 16));

function operations({ controller, wire, air, home }) {
	const host = controller.ownNodeId;
	const node = (id) => {
		const found = controller.nodes.get(id);
		if (!found) throw new Error(`there is no node ${id}`);
		return found;
	};
	let smartStartKeys;
	let lastJoined;

	return {
		// --- what devices say by themselves
		async notify({ node: id, type, event, params, supervise, seq }) {
			const report = new cc.NotificationCCReport({
				nodeId: host,
				notificationType: type,
				notificationEvent: event,
				eventParameters: params ? Bytes.from(params) : undefined,
				sequenceNumber: seq,
			});
			return { t: await air.say(node(id), report, { supervise }) };
		},
		async raw({ node: id, ccId, cmd, payload, plain, supervise }) {
			return { t: await air.say(node(id), air.raw(ccId, cmd, payload ?? []), { plain, supervise }) };
		},
		async battery({ node: id, level }) {
			node(id).state.set("battery", level);
			return { t: await air.say(node(id), air.raw(0x80, 0x03, [level])) };
		},
		/** Somebody moves the bolt at the door: the lock's state changes, it says nothing. */
		bolt({ node: id, mode }) {
			node(id).state.delete("DoorLock_transition");
			node(id).state.set("DoorLock_currentMode", mode);
			return {};
		},
		/** The lock reports this mode by itself; 254 is a jam. */
		async operation({ node: id, mode }) {
			node(id).state.set("DoorLock_currentMode", mode);
			return { t: await air.say(node(id), air.raw(0x62, 0x03, [mode, 0, mode === 255 ? 0x00 : 0x02, 0xfe, 0xfe])) };
		},

		// --- what devices know
		state({ node: id }) {
			return { bolt: node(id).state.get("DoorLock_currentMode") ?? 0, state: [...node(id).state].filter(([, value]) => typeof value !== "object") };
		},
		/** What the lock wrote down, the newest first: {at: seven bytes, event, user}. */
		setLog({ node: id, records }) {
			node(id).state.set("log", records);
			return {};
		},
		setCode({ node: id, slot, code }) {
			node(id).state.set(`UserCode_userIdStatus_${slot}`, 1);
			node(id).state.set(`UserCode_userCode_${slot}`, code);
			return {};
		},
		codes({ node: id }) {
			const codes = {};
			for (const [key, value] of node(id).state) {
				const slot = /^UserCode_userCode_(\d+)$/.exec(key)?.[1];
				if (slot && value !== undefined) codes[slot] = Buffer.from(value).toString();
			}
			return { codes };
		},
		/** Somebody deletes a code at the keypad; the lock says nothing. */
		deleteCode({ node: id, slot }) {
			node(id).state.set(`UserCode_userIdStatus_${slot}`, 0);
			node(id).state.set(`UserCode_userCode_${slot}`, undefined);
			return {};
		},
		/** Somebody deletes a credential at the keypad; the lock says nothing. */
		deleteCredential({ node: id, slot }) {
			node(id).state.delete(`UserCredential_cred_${cc.UserCredentialType.PINCode}_${slot}`);
			node(id).state.delete(`UserCredential_user_${slot}`);
			return {};
		},
		/** Every code, user and schedule is gone, as after a factory reset; the lock says nothing. */
		forgetCodes({ node: id }) {
			for (const key of [...node(id).state.keys()]) {
				if (/^(UserCode_user|UserCredential_(cred|user)_|ScheduleEntryLock_schedule_)/.test(key)) node(id).state.delete(key);
			}
			return {};
		},
		/** What a lock does wrong with codes: `deaf` takes every change and keeps none, `masks` shows no PIN. */
		codeFaults({ node: id, deaf, masks }) {
			node(id).state.set("deafToCodes", !!deaf);
			node(id).state.set("masksCodes", !!masks);
			return {};
		},
		/** The schedules of a user: [kind, slot, fields]. Kinds: 0 week day, 1 year day, 2 daily repeating. */
		schedules({ node: id, user }) {
			const schedules = [];
			for (const [key, value] of node(id).state) {
				const found = /^ScheduleEntryLock_schedule_(\d+)_(\d+)_(\d+)$/.exec(key);
				if (found && Number(found[1]) === user && value) schedules.push([Number(found[3]), Number(found[2]), value]);
			}
			return { schedules };
		},
		setCredential({ node: id, slot, code }) {
			node(id).state.set(`UserCredential_user_${slot}`, {
				userType: cc.UserCredentialUserType.General,
				active: true,
				credentialRule: cc.UserCredentialRule.Single,
				expiringTimeoutMinutes: 0,
				nameEncoding: cc.UserCredentialNameEncoding.ASCII,
				userName: `User ${slot}`,
				modifierType: cc.UserCredentialModifierType.Locally,
				modifierNodeId: 0,
			});
			node(id).state.set(`UserCredential_cred_${cc.UserCredentialType.PINCode}_${slot}`, {
				userId: slot,
				credentialData: Bytes.from(code, "ascii"),
				modifierType: cc.UserCredentialModifierType.Locally,
				modifierNodeId: 0,
			});
			return {};
		},
		/** What each user is called, and whether it is active. */
		users({ node: id }) {
			const users = {};
			for (const [key, value] of node(id).state) {
				const user = /^UserCredential_user_(\d+)$/.exec(key)?.[1];
				if (user && value) users[user] = { name: value.userName, active: value.active };
			}
			return { users };
		},
		credentials({ node: id }) {
			const codes = {};
			for (const [key, value] of node(id).state) {
				const slot = /^UserCredential_cred_1_(\d+)$/.exec(key)?.[1];
				if (slot && value?.credentialData) codes[slot] = Buffer.from(value.credentialData).toString();
			}
			return { codes };
		},

		// --- joining and leaving
		/** The next inclusion takes this device; `kind` is s2, s0, credential or none. */
		include({ id, kind }) {
			controller.nodePendingInclusion = {
				id,
				capabilities: home.lock(kind),
				setup(joined) {
					if (smartStartKeys) joined.ecdhKeyPair = smartStartKeys;
					smartStartKeys = undefined;
					joined.defineBehavior(...home.behaviors);
					air.adopt(joined);
					air.forgetKeys(joined);
					lastJoined = joined;
				},
			};
			return {};
		},
		/** Phase 1 makes a device and tells its DSK; in phase 2 it announces itself. */
		async smartstart({ id, phase }) {
			if (phase === 1) {
				this.include({ id, kind: "s2" });
				smartStartKeys = await core.generateECDHKeyPair();
				this.announced = smartStartKeys.publicKey.slice(0, 16);
				return { dsk: core.dskToString(this.announced) };
			}
			const homeId = core.nwiHomeIdFromDSK(Uint8Array.from(this.announced));
			wire.emit(frame([0x00, 0x49, 0x85, 0, 0, ...homeId, 3, 4, 0x40, 0x03, 0x5e, 0x9f, 0x86]));
			return { listening: !!wire.smartStartListening };
		},
		dsk() {
			return lastJoined ? { dsk: dskOf(lastJoined) } : {};
		},
		remove({ id }) {
			wire.removeNext = id;
			return {};
		},
		nodes() {
			return { nodes: [...controller.nodes.keys()] };
		},
		/** The keys that a node got: hexadecimal, by class. */
		grantedKeys({ id }) {
			const { securityManager, securityManager2 } = node(id).securityManagers;
			const keys = {};
			for (const [name, value] of Object.entries(core.SecurityClass)) {
				const pnk = typeof value === "number" ? securityManager2?.networkKeys.get(value)?.pnk : undefined;
				if (pnk) keys[name] = hex(pnk);
			}
			if (securityManager) keys.S0_Legacy = hex(securityManager.networkKey);
			return { keys };
		},

		// --- faults
		faults({ rid: _, ...faults }) {
			Object.assign(wire.faults, faults);
			return { faults: wire.faults };
		},
		/** A node hears nothing any more, or nothing of the next `frames`, or hears again. */
		dead({ node: id, dead, frames }) {
			dead ? air.dead.set(id, frames ?? Infinity) : air.dead.delete(id);
			return {};
		},
		loseSpan({ node: id }) {
			node(id).securityManagers.securityManager2.deleteNonce(host);
			return {};
		},
		/** How long a frame to or from a node takes; without a node, for every one. */
		txDelay({ ms, node: id }) {
			const nodes = id === undefined ? controller.nodes.values() : [node(id)];
			for (const each of nodes) each.capabilities.txDelay = ms;
			return {};
		},
		/** Ends the host's connection after so many further bytes to it. */
		cut({ after }) {
			if (after > 0) wire.cutAfter = after;
			else wire.drop();
			return {};
		},
		unplug({ seconds }) {
			wire.unplug();
			if (seconds) setTimeout(() => wire.plug().catch((error) => console.error(error)), seconds * 1000);
			return {};
		},
		/** Somebody plugs in another dongle of the same kind: it has a network of its own, and no node in it. */
		async replaceDongle({ homeId }) {
			wire.unplug();
			wire.memory.replace(homeId);
			await wire.plug();
			return {};
		},
		/** The network that the dongle is in. */
		network() {
			return { homeId: controller.homeId, nodes: [...controller.nodes.keys()] };
		},
		async plug() {
			await wire.plug();
			return {};
		},
		serialHex({ data }) {
			wire.write(Buffer.from(data, "hex"));
			return {};
		},
		die() {
			process.kill(process.pid, "SIGKILL");
		},

		// --- evidence
		/** Application commands as nodes decrypted them; frames on the serial wire from the host and to it ([t, function, length]);
		 * frames that left for a node ([t, node]). Times are CLOCK_MONOTONIC milliseconds. */
		stamps({ clear }) {
			const { in: serialIn, out: serialOut } = wire.log;
			const lists = { received: home.received, serialIn, serialOut, air: air.sent };
			const all = Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, list.slice()]));
			if (clear) for (const list of Object.values(lists)) list.length = 0;
			return all;
		},
		/** Answers when nothing has been said on the serial wire for so long, or says that this did not come within a time. */
		silence({ ms, within }) {
			return new Promise((resolve) => {
				const look = () => {
					const last = Math.max(wire.log.in.at(-1)?.[0] ?? 0, wire.log.out.at(-1)?.[0] ?? 0, started);
					const left = ms - (now() - last);
					if (left <= 0) return resolve({ silent: true });
					const patience = within - (now() - started);
					if (patience <= 0) return resolve({ silent: false });
					setTimeout(look, Math.min(left, patience));
				};
				const started = now();
				look();
			});
		},
		connections() {
			return { connections: wire.connections, connected: !!wire.socket, waiting: wire.toHost.length };
		},
		memory() {
			return { rss: process.memoryUsage().rss };
		},
	};
}

/** Listens on 127.0.0.1; resolves with the port. */
exports.listen = (parts, port) => {
	const ops = operations(parts);
	const server = net.createServer({ noDelay: true }, (socket) => {
		let text = "";
		socket.on("error", () => {});
		socket.on("data", async (data) => {
			text += data;
			let end;
			while ((end = text.indexOf("\n")) >= 0) {
				const line = text.slice(0, end);
				text = text.slice(end + 1);
				let rid, answer;
				try {
					const { op, ...rest } = JSON.parse(line);
					rid = rest.rid;
					if (!Object.hasOwn(ops, op)) throw new Error(`no operation ${op}`);
					answer = await ops[op](rest);
				} catch (error) {
					answer = { error: String(error.stack) };
				}
				socket.write(JSON.stringify({ rid, ...answer }) + "\n");
			}
		});
	});
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, "127.0.0.1", () => resolve(server.address().port));
	});
};
