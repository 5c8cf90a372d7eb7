// CLOCK_MONOTONIC in milliseconds: the same clock as every other process of this machine, so stamps can be compared.
exports.now = () => Number(process.hrtime.bigint()) / 1e6;

/** Appends to a list that never grows beyond 20,000 entries. */
exports.keep = (list, entry) => {
	if (list.length >= 20000) list.splice(0, 10000);
	list.push(entry);
};
