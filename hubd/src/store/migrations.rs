//! The database's formats, oldest first. A released step is frozen; a newer format than the last one here is refused.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Marks a file as hubd's own ("hubd" in ASCII).
pub(crate) const APPLICATION_ID: i64 = 0x6875_6264;

const STEPS: [&str; 8] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
];

/// The newest format known here.
pub(crate) const NEWEST: i64 = 8;

/// Brings the database to the newest format, all steps or none.
pub(crate) fn migrate(db: &Connection, found: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(found).unwrap_or(0);
    if done >= STEPS.len() {
        return Ok(());
    }
    let step = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    for sql in STEPS.iter().skip(done) {
        step.execute_batch(sql)?;
    }
    step.pragma_update(None, "application_id", APPLICATION_ID)?;
    step.pragma_update(None, "user_version", NEWEST)?;
    step.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_newest_format_is_the_last_steps() {
        assert_eq!(usize::try_from(NEWEST), Ok(STEPS.len()));
    }

    #[test]
    fn released_steps_are_frozen() {
        let frozen = [
            "07020adbc8bceff20c7dca1736730912c37fca5b624cca75eeb763f0bb2c091b",
            "aebbc4d1c39293ef7f5926dc1384af8628e809d78b8dbfeea474c4443739be7f",
            "01fbffa5e94c3ba64c0a2b01b7f095227e299615af86d8f9f8f542a65dc02a04",
            "240514726726b242cd69d9f79025cfd18a1c3fed2084c64fb5a2ba548fff1491",
            "a66a44f59b897755aad91e0e333295c4093e1b04092454e34fe89f9d4b27fc51",
            "e56f52a35a846c9b095868ad0f3fd16506decdb84377be5998433d7b3d49bcd6",
            "ac2babe6005931e8ceb8f9436ef51bb6bd2a0861d4d0f4ee94cd453e99e267db",
            "2c1cfe6d4b751e6aff80b8d6a344a4deab23099f1aa3ec9407cb661383ffd497",
        ];
        for (step, digest) in STEPS.iter().zip(frozen) {
            let found = crate::store::shape::hex(&Sha256::digest(step.as_bytes()));
            assert_eq!(found, digest, "write a new migration instead");
        }
    }
}
