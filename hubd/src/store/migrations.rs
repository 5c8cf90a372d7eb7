//! The database's formats, oldest first. A released step is frozen; a newer format than the last one here is refused.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Marks a file as hubd's own ("hubd" in ASCII).
pub(crate) const APPLICATION_ID: i64 = 0x6875_6264;

const STEPS: [&str; 1] = [include_str!("migrations/0001.sql")];

/// The newest format known here.
pub(crate) const NEWEST: i64 = STEPS.len() as i64;

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
    fn released_steps_are_frozen() {
        let frozen = ["443491c6125444110b81ad62caed92c274263325461f24f2fa6507e16b6c075b"];
        for (step, digest) in STEPS.iter().zip(frozen) {
            let found: String = Sha256::digest(step.as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(found, digest, "write a new migration instead");
        }
    }
}
