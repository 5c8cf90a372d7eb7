//! No dump of this process is ever written: its memory holds the PINs that it writes to locks. See ADR 15.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Tells the kernel to write no core dump of this process and to let no other one read its memory.
pub(crate) fn refuse() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "a crash of the hub could leave a dump of its memory, with PINs in it, on the disk");
    }
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // systemd's unit sets this limit itself and forbids to change limits; then it is 0 already.
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::debug!(%error, "the limit of core dumps stays as it is");
    }
}
