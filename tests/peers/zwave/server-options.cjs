// Options of @zwave-js/server for the side-by-side benchmark: the mock home's keys, no log, codes left alone, a cache of
// its own in CACHE_DIR.
module.exports = {
	securityKeys: {
		S0_Legacy: "0102030405060708090a0b0c0d0e0f10",
		S2_Unauthenticated: "11111111111111111111111111111111",
		S2_Authenticated: "22222222222222222222222222222222",
		S2_AccessControl: "33333333333333333333333333333333",
	},
	storage: { cacheDir: process.env.CACHE_DIR, lockDir: process.env.CACHE_DIR },
	logConfig: { enabled: false },
	interview: { queryAllUserCodes: true },
	enableSoftReset: false,
};
