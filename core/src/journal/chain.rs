//! The journal's hash chain: each entry's hash covers its own header, its sealed payload and the hash of the
//! entry before it, so that nothing in the journal can be changed, left out or put in unseen.
//!
//! The hash covers the ciphertext: destroying a month's key makes its payloads unreadable and leaves the chain
//! verifiable. What a chain alone cannot show is that its newest entries were cut off; a copy of a later hash
//! (the mirror's, a backup's) shows that.
//!
//! # Layout
//!
//! `hash(n) = SHA-256(field(1) || field(2) || ... || field(9))`, where each field is its length as four bytes,
//! big endian, followed by its bytes. The length `FF FF FF FF`, followed by no bytes, stands for an absent
//! field; it differs from an empty one.
//!
//! | field | what | bytes |
//! |---|---|---|
//! | 1 | hash of the entry before, [`GENESIS`] for the first | 32 |
//! | 2 | `seq` | 8, big endian |
//! | 3 | `at`, milliseconds since 1970 | 8, big endian, two's complement |
//! | 4 | `clock_synced` | 1: `00` or `01` |
//! | 5 | `kind` | UTF-8 |
//! | 6 | lock id | ASCII, or absent |
//! | 7 | alarm id | ASCII, or absent |
//! | 8 | person id | ASCII, or absent |
//! | 9 | sealed payload | as stored |
//!
//! The layout is frozen: journals outlive programs.

use hubd_model::UnixMillis;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// What stands before the first entry.
pub const GENESIS: [u8; 32] = [0; 32];

/// The length that stands for an absent field.
const ABSENT: u32 = u32::MAX;

/// The part of an entry that is stored in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHeader<'a> {
    /// Its place in the journal, from 1, without gaps.
    pub seq: u64,
    /// When it happened, by the hub's clock.
    pub at: UnixMillis,
    /// Whether the clock could be trusted.
    pub clock_synced: bool,
    /// The stable name of what happened.
    pub kind: &'a str,
    /// The lock that it is about.
    pub lock: Option<&'a str>,
    /// The detector that it is about.
    pub alarm: Option<&'a str>,
    /// The person that it is about.
    pub person: Option<&'a str>,
}

/// An entry as it was stored, with the hash that was stored beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// The part in the clear.
    pub header: EntryHeader<'a>,
    /// The sealed payload.
    pub sealed: &'a [u8],
    /// The hash that the entry claims.
    pub hash: [u8; 32],
}

/// The hash of an entry that follows the entry with the hash `previous`.
pub fn entry_hash(previous: &[u8; 32], header: &EntryHeader<'_>, sealed: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    field(&mut hasher, previous);
    field(&mut hasher, &header.seq.to_be_bytes());
    field(&mut hasher, &header.at.0.to_be_bytes());
    field(&mut hasher, &[u8::from(header.clock_synced)]);
    field(&mut hasher, header.kind.as_bytes());
    for subject in [header.lock, header.alarm, header.person] {
        match subject {
            Some(id) => field(&mut hasher, id.as_bytes()),
            None => hasher.update(ABSENT.to_be_bytes()),
        }
    }
    field(&mut hasher, sealed);
    hasher.finalize().into()
}

/// A field that is four gigabytes long is not an entry of this journal; its length saturates below `ABSENT`, and
/// the bytes that follow still count.
fn field(hasher: &mut Sha256, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(ABSENT).min(ABSENT - 1);
    hasher.update(length.to_be_bytes());
    hasher.update(bytes);
}

/// The first entry that does not belong where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChainError {
    /// The numbers do not count up by one.
    #[error(
        "journal entry {found} stands where entry {expected} belongs: entries were removed or put in; compare with a backup"
    )]
    OutOfOrder {
        /// The number that belongs here.
        expected: u64,
        /// The number that is here.
        found: u64,
    },
    /// The entry or the one before it is not what was written.
    #[error(
        "journal entry {seq} does not match its hash: it, or the end of the entry before it, was altered; compare with a backup"
    )]
    Altered {
        /// The entry.
        seq: u64,
    },
}

impl ChainError {
    /// The number of the first bad entry: the one that is wrong, or the one that is missing.
    pub const fn entry(&self) -> u64 {
        match self {
            Self::OutOfOrder { expected, .. } => *expected,
            Self::Altered { seq } => *seq,
        }
    }
}

/// Walks along a chain, one entry at a time, without keeping any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verifier {
    seq: u64,
    hash: [u8; 32],
}

impl Verifier {
    /// Begins before the first entry.
    pub const fn new() -> Self {
        Self {
            seq: 0,
            hash: GENESIS,
        }
    }

    /// Begins after an entry that is known to be good.
    pub const fn after(seq: u64, hash: [u8; 32]) -> Self {
        Self { seq, hash }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// When the entry does not belong after the ones taken so far; the walk stays where it was.
    pub fn check(&mut self, link: &Link<'_>) -> Result<(), ChainError> {
        let expected = self.seq.saturating_add(1);
        let found = link.header.seq;
        if found != expected {
            return Err(ChainError::OutOfOrder { expected, found });
        }
        if entry_hash(&self.hash, &link.header, link.sealed) != link.hash {
            return Err(ChainError::Altered { seq: found });
        }
        *self = Self {
            seq: found,
            hash: link.hash,
        };
        Ok(())
    }

    /// The number of the last good entry; 0 when there is none.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The hash of the last good entry.
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

/// Verifies a whole journal and says where it ends.
///
/// # Errors
/// The first bad entry.
pub fn verify<'a>(links: impl IntoIterator<Item = Link<'a>>) -> Result<Verifier, ChainError> {
    let mut verifier = Verifier::new();
    for link in links {
        verifier.check(&link)?;
    }
    Ok(verifier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: EntryHeader<'static> = EntryHeader {
        seq: 1,
        at: UnixMillis(1_700_000_000_123),
        clock_synced: true,
        kind: "lock.operated",
        lock: Some("lock-1"),
        alarm: None,
        person: None,
    };

    #[test]
    fn the_layout_is_frozen() {
        // The same bytes, written out by hand.
        let mut bytes = Vec::new();
        bytes.extend([0, 0, 0, 32]);
        bytes.extend([0; 32]);
        bytes.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0, 0, 0, 8, 0x00, 0x00, 0x01, 0x8B, 0xCF, 0xE5, 0x68, 0x7B]);
        bytes.extend([0, 0, 0, 1, 1]);
        bytes.extend([0, 0, 0, 13]);
        bytes.extend(b"lock.operated");
        bytes.extend([0, 0, 0, 6]);
        bytes.extend(b"lock-1");
        bytes.extend([0xFF; 8]);
        bytes.extend([0, 0, 0, 2, 0xAB, 0xCD]);
        let by_hand: [u8; 32] = Sha256::digest(&bytes).into();
        let hash = entry_hash(&GENESIS, &HEADER, &[0xAB, 0xCD]);
        assert_eq!(hash, by_hand);
        let frozen: [u8; 32] = [
            0xF9, 0x60, 0x50, 0x39, 0x5E, 0x41, 0x88, 0x24, 0xC0, 0xCA, 0x20, 0xDA, 0xF8, 0xAF, 0xF7, 0x62,
            0x24, 0xF3, 0xA5, 0xDD, 0x0F, 0xD1, 0x07, 0x55, 0xF3, 0x9D, 0x76, 0x4A, 0x48, 0x27, 0xC1, 0x94,
        ];
        assert_eq!(hash, frozen);
    }

    #[test]
    fn every_field_changes_the_hash() {
        let base = entry_hash(&GENESIS, &HEADER, b"sealed");
        let changed = [
            entry_hash(&[1; 32], &HEADER, b"sealed"),
            entry_hash(&GENESIS, &EntryHeader { seq: 2, ..HEADER }, b"sealed"),
            entry_hash(
                &GENESIS,
                &EntryHeader {
                    at: UnixMillis(0),
                    ..HEADER
                },
                b"sealed",
            ),
            entry_hash(
                &GENESIS,
                &EntryHeader {
                    clock_synced: false,
                    ..HEADER
                },
                b"sealed",
            ),
            entry_hash(
                &GENESIS,
                &EntryHeader {
                    kind: "lock.jammed",
                    ..HEADER
                },
                b"sealed",
            ),
            entry_hash(&GENESIS, &EntryHeader { lock: None, ..HEADER }, b"sealed"),
            entry_hash(
                &GENESIS,
                &EntryHeader {
                    lock: Some(""),
                    ..HEADER
                },
                b"sealed",
            ),
            entry_hash(
                &GENESIS,
                &EntryHeader {
                    lock: None,
                    alarm: Some("lock-1"),
                    ..HEADER
                },
                b"sealed",
            ),
            entry_hash(
                &GENESIS,
                &EntryHeader {
                    lock: None,
                    person: Some("lock-1"),
                    ..HEADER
                },
                b"sealed",
            ),
            entry_hash(&GENESIS, &HEADER, b"seale"),
            entry_hash(&GENESIS, &HEADER, b""),
        ];
        for (index, hash) in changed.iter().enumerate() {
            assert_ne!(*hash, base, "{index}");
            assert!(!changed[..index].contains(hash), "{index}");
        }
    }

    type Stored = (u64, String, Vec<u8>, [u8; 32]);

    fn journal(payloads: &[(String, Vec<u8>)]) -> Vec<Stored> {
        let mut previous = GENESIS;
        let mut stored = Vec::new();
        for (seq, (kind, sealed)) in (1..).zip(payloads) {
            let hash = entry_hash(&previous, &EntryHeader { seq, kind, ..HEADER }, sealed);
            stored.push((seq, kind.clone(), sealed.clone(), hash));
            previous = hash;
        }
        stored
    }

    fn check(stored: &[Stored]) -> Result<Verifier, ChainError> {
        verify(stored.iter().map(|(seq, kind, sealed, hash)| Link {
            header: EntryHeader {
                seq: *seq,
                kind,
                ..HEADER
            },
            sealed,
            hash: *hash,
        }))
    }

    proptest! {
        #[test]
        fn invariant_the_first_bad_entry_is_named(
            payloads in proptest::collection::vec(("[a-z.]{1,12}", proptest::collection::vec(any::<u8>(), 0..40)), 2..20),
            place in any::<prop::sample::Index>(),
            what in 0..5_u8,
        ) {
            let mut stored = journal(&payloads);
            let good = check(&stored).unwrap();
            prop_assert_eq!(good.seq(), stored.len() as u64);
            prop_assert_eq!(good.hash(), stored.last().unwrap().3);
            let place = place.index(stored.len());
            let bad = match what {
                0 => { stored[place].1.push('x'); place + 1 }
                1 => { stored[place].2.push(0); place + 1 }
                2 => { stored[place].3[7] ^= 1; place + 1 }
                3 => {
                    // The newest entry's absence is not visible in the chain itself.
                    prop_assume!(place + 1 < stored.len());
                    stored.remove(place);
                    place + 1
                }
                _ => { let copy = stored[place].clone(); stored.insert(place, copy); place + 2 }
            };
            prop_assert_eq!(check(&stored).unwrap_err().entry(), bad as u64);
        }
    }

    #[test]
    fn a_walk_goes_on_after_a_known_entry() {
        let stored = journal(&[("a".into(), vec![1]), ("b".into(), vec![2])]);
        let mut verifier = Verifier::after(1, stored[0].3);
        let (seq, kind, sealed, hash) = &stored[1];
        let link = Link {
            header: EntryHeader {
                seq: *seq,
                kind,
                ..HEADER
            },
            sealed,
            hash: *hash,
        };
        assert_eq!(verifier.check(&link), Ok(()));
        assert_eq!(
            verifier.check(&link),
            Err(ChainError::OutOfOrder {
                expected: 3,
                found: 2
            })
        );
    }
}
