// The devices of the mock home, and what zwave-js' mock nodes lack to be believed: batteries, a notification state, the
// lock's own log, and associations.
const cc = require("@zwave-js/cc");
const { CommandClasses: CC, SecurityClass: SC } = require("@zwave-js/core");
const { Bytes } = require("@zwave-js/shared");
const { ccCaps } = require("@zwave-js/testing");
const { now, keep } = require("./clock.cjs");

const hex = (text) => Bytes.from(text, "hex");

exports.HOME_ID = 0x7e570001;

/** Network keys of a test home: they protect nothing. */
exports.KEYS = {
	S0_Legacy: hex("0102030405060708090a0b0c0d0e0f10"),
	S2_Unauthenticated: hex("11111111111111111111111111111111"),
	S2_Authenticated: hex("22222222222222222222222222222222"),
	S2_AccessControl: hex("33333333333333333333333333333333"),
};

/** A command as raw bytes, for those whose zwave-js class cannot be serialised. */
const raw = (controller, ccId, ccCommand, bytes) =>
	new cc.CommandClass({ nodeId: controller.ownNodeId, ccId, ccCommand, payload: Bytes.from(bytes) });
exports.raw = raw;

exports.isS2 = (node) =>
	[SC.S2_AccessControl, SC.S2_Authenticated, SC.S2_Unauthenticated].some((key) => node.capabilities.securityClasses?.has(key));

exports.home = ({ txDelay, travel, users }) => {
	// Each application command as it reaches a node, decrypted, before any reply.
	const received = [];
	const stamp = {
		handleCC(_controller, self, command) {
			keep(received, { t: now(), node: self.id, cc: command?.ccId, cmd: command?.ccCommand, name: command?.constructor?.name });
		},
	};
	const battery = {
		handleCC(controller, self, command) {
			if (command instanceof cc.BatteryCCGet) {
				const level = self.state.get("battery") ?? 87;
				return { action: "sendCC", cc: new cc.BatteryCCReport({ nodeId: controller.ownNodeId, level }) };
			}
		},
	};
	const notification = {
		handleCC(controller, _self, command) {
			if (command instanceof cc.NotificationCCSet) return { action: "ok" };
			if (command instanceof cc.NotificationCCGet) {
				const report = new cc.NotificationCCReport({
					nodeId: controller.ownNodeId,
					notificationType: command.notificationType ?? 0,
					notificationEvent: command.notificationEvent ?? 0,
				});
				return { action: "sendCC", cc: report };
			}
		},
	};
	const logging = {
		handleCC(controller, self, command) {
			if (command instanceof cc.DoorLockLoggingCCRecordsSupportedGet) {
				return { action: "sendCC", cc: raw(controller, 0x4c, 0x02, [20]) };
			}
			if (command instanceof cc.DoorLockLoggingCCRecordGet) {
				const log = self.state.get("log");
				if (log) {
					// Record 1 is the newest, 0 asks for it.
					const number = command.recordNumber || 1;
					const record = log[number - 1];
					if (!record) return { action: "sendCC", cc: raw(controller, 0x4c, 0x04, [number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) };
					const [yearHigh, yearLow, month, day, hour, minute, second] = record.at;
					const at = [yearHigh, yearLow, month, day, (1 << 5) | hour, minute, second];
					return { action: "sendCC", cc: raw(controller, 0x4c, 0x04, [number, ...at, record.event, record.user, 0]) };
				}
				// 2026-03-14 09:26:53 UTC, unlocked with the code of slot 3, whose digits stand in the record.
				const digits = Buffer.from(self.state.get("UserCode_userCode_3") ?? "1234");
				const at = [0x07, 0xea, 3, 14, (1 << 5) | 9, 26, 53];
				return { action: "sendCC", cc: raw(controller, 0x4c, 0x04, [command.recordNumber || 1, ...at, 0x02, 3, digits.length, ...digits]) };
			}
		},
	};
	// zwave-js has no parser for this command from the node's side, and the mock stops for good on a parse error.
	cc.DoorLockLoggingCCRecordGet.from = function (bytes, context) {
		return new this({ nodeId: context.sourceNodeId, recordNumber: bytes.payload[0] });
	};
	// zwave-js has no parser for this command from the node's side either, its mock answers it never, and says of every lock
	// that it reports one code at a time: a lock of ours reports as many as fit into a frame.
	cc.UserCodeCCExtendedUserCodeGet.from = function (bytes, context) {
		return new this({ nodeId: context.sourceNodeId, userId: (bytes.payload[0] << 8) | bytes.payload[1], reportMore: !!(bytes.payload[2] & 1) });
	};
	const bulkBytes = 26;
	const userCode = {
		handleCC(controller, self, command) {
			const isSet = command instanceof cc.UserCodeCCSet || command instanceof cc.UserCodeCCExtendedUserCodeSet;
			if (isSet && self.state.get("deafToCodes")) return { action: "ok" }; // it says that it did it
			if (command instanceof cc.UserCodeCCGet && self.state.get("masksCodes")) {
				const code = self.state.get(`UserCode_userCode_${command.userId}`);
				if (code === undefined) return;
				const masked = [...Buffer.from(code)].map(() => 0x2a);
				return { action: "sendCC", cc: raw(controller, 0x63, 0x03, [command.userId, 1, ...masked]) };
			}
			if (command instanceof cc.UserCodeCCCapabilitiesGet) {
				const report = new cc.UserCodeCCCapabilitiesReport({
					nodeId: controller.ownNodeId,
					supportsAdminCode: true,
					supportsAdminCodeDeactivation: true,
					supportsUserCodeChecksum: true,
					supportsMultipleUserCodeReport: true,
					supportsMultipleUserCodeSet: false,
					supportedUserIDStatuses: [0, 1, 2],
					supportedKeypadModes: [0, 1],
					supportedASCIIChars: "0123456789",
				});
				return { action: "sendCC", cc: report };
			}
			if (!(command instanceof cc.UserCodeCCExtendedUserCodeGet)) return;
			const code = (slot) => self.state.get(`UserCode_userCode_${slot}`);
			const occupied = Array.from({ length: users }, (_, index) => index + 1).filter((slot) => code(slot) !== undefined);
			const slots = [command.userId, ...(command.reportMore ? occupied.filter((slot) => slot > command.userId) : [])];
			const bytes = [];
			let count = 0, last = command.userId;
			for (const slot of slots) {
				const digits = [...Buffer.from(code(slot) ?? "")];
				const status = self.state.get(`UserCode_userIdStatus_${slot}`) ?? 0;
				if (count && bytes.length + 4 + digits.length > bulkBytes) break;
				bytes.push(slot >> 8, slot & 0xff, status, digits.length, ...digits);
				count++;
				last = slot;
			}
			const next = occupied.find((slot) => slot > last) ?? 0;
			return { action: "sendCC", cc: raw(controller, 0x63, 0x0d, [count, ...bytes, next >> 8, next & 0xff]) };
		},
	};
	const association = {
		handleCC(controller, self, command) {
			const nodeId = controller.ownNodeId;
			if (command instanceof cc.AssociationCCSupportedGroupingsGet) {
				return { action: "sendCC", cc: new cc.AssociationCCSupportedGroupingsReport({ nodeId, groupCount: 1 }) };
			}
			if (command instanceof cc.AssociationCCGet) {
				const nodeIds = self.state.get("lifeline") ?? [];
				return { action: "sendCC", cc: new cc.AssociationCCReport({ nodeId, groupId: 1, maxNodes: 5, nodeIds, reportsToFollow: 0 }) };
			}
			if (command instanceof cc.AssociationCCSet) {
				self.state.set("lifeline", [...command.nodeIds]);
				return { action: "ok" };
			}
		},
	};

	const secure = (ccId, version, extra) => ccCaps({ ccId, version, secure: true, ...extra });
	const common = [CC["Z-Wave Plus Info"], ccCaps({ ccId: CC.Version, version: 2 }), CC["Manufacturer Specific"], CC["Device Reset Locally"]];
	const s2 = [CC["Security 2"], ccCaps({ ccId: CC.Supervision, version: 1 })];
	const lockEvents = { 6: [1, 2, 3, 4, 5, 6, 9, 11, 12, 13, 14, 15, 16, 19, 22, 23], 7: [3], 8: [10, 11] };
	const lockClasses = (doorLock, userCode) => [
		secure(CC["Door Lock"], doorLock, { travelTime: travel }),
		secure(CC["User Code"], userCode, { numUsers: users, supportedUserIDStatuses: [0, 1, 2], supportedKeypadModes: [0, 1] }),
		secure(CC.Notification, 8, { supportsV1Alarm: false, notificationTypesAndEvents: lockEvents }),
		secure(CC.Battery, 1),
		secure(CC["Door Lock Logging"], 1),
		secure(CC["Schedule Entry Lock"], 3, { numWeekDaySlots: 7, numYearDaySlots: 2, numDailyRepeatingSlots: 2 }),
		secure(CC.Association, 2),
	];
	const credentialClasses = [
		...lockClasses(4, 2).filter((entry) => entry.ccId !== CC["User Code"] && entry.ccId !== CC["Schedule Entry Lock"]),
		secure(CC["User Credential"], 2, {
			numberOfSupportedUsers: users,
			supportedCredentialRules: [cc.UserCredentialRule.Single],
			maxUserNameLength: 32,
			supportsAllUsersChecksum: true,
			supportsUserChecksum: true,
			supportsCredentialChecksum: true,
			supportedUserTypes: [cc.UserCredentialUserType.General],
			supportedCredentialTypes: new Map([[cc.UserCredentialType.PINCode, {
				numberOfCredentialSlots: users,
				minCredentialLength: 4,
				maxCredentialLength: 10,
				maxCredentialHashLength: 0,
				supportsCredentialLearn: false,
			}]]),
		}),
	];
	const alarmClasses = [
		secure(CC.Notification, 8, { supportsV1Alarm: false, notificationTypesAndEvents: { 1: [1, 2, 3, 4], 2: [1, 2, 3, 4], 8: [10, 11] } }),
		secure(CC.Battery, 1),
		secure(CC.Association, 2),
	];

	const maker = { txDelay, supportsSecurity: true, manufacturerId: 0xfff0, productType: 1, productId: 1, firmwareVersion: "2.3" };
	const lockClass = { basicDeviceClass: 4, genericDeviceClass: 0x40, specificDeviceClass: 0x03 };
	const alarmClass = { basicDeviceClass: 4, genericDeviceClass: 0x07, specificDeviceClass: 0x01 };
	// A lock sleeps and is woken by a beam. The mock cannot mock a sensor that sleeps for hours: the alarm listens.
	const beamed = { isListening: false, isFrequentListening: "1000ms" };

	const lock = (kind) => {
		switch (kind) {
			case "s2":
				return { ...maker, ...lockClass, ...beamed, commandClasses: [...common, ...s2, ...lockClasses(4, 2)], securityClasses: new Set([SC.S2_AccessControl]) };
			case "s0":
				return { ...maker, ...lockClass, ...beamed, commandClasses: [...common, CC.Security, ...lockClasses(2, 1)], securityClasses: new Set([SC.S0_Legacy]) };
			case "credential":
				return { ...maker, ...lockClass, ...beamed, commandClasses: [...common, ...s2, ...credentialClasses], securityClasses: new Set([SC.S2_AccessControl]) };
			case "none":
				return { ...maker, ...lockClass, ...beamed, supportsSecurity: false, commandClasses: [...common, ...lockClasses(2, 1).map((entry) => ({ ...entry, secure: false }))] };
			default:
				throw new Error(`no lock of kind ${kind}; there are s2, s0, credential, none`);
		}
	};
	const alarm = { ...maker, ...alarmClass, productType: 2, commandClasses: [...common, ...s2, ...alarmClasses], securityClasses: new Set([SC.S2_Unauthenticated]) };

	return {
		received,
		lock,
		behaviors: [stamp, battery, notification, logging, userCode, association],
		nodes: [
			{ id: 2, capabilities: lock("s2") },
			{ id: 3, capabilities: alarm },
			{ id: 4, capabilities: lock("s0") },
			{ id: 5, capabilities: lock("credential") },
		],
	};
};
