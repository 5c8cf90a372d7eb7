//! Whether a year keeps its promises: at every quiet moment, and at its end.

use std::collections::{BTreeMap, BTreeSet};

use hubd_core::credentials::hours;
use hubd_core::credentials::record::{CredentialsRecord, Means, Standing};
use hubd_core::credentials::request::CredentialsRequest;
use hubd_core::credentials::view::{CodesView, KeptBy};
use hubd_model::{SlotKey, UnixMillis};

use super::{Seen, Year};
use crate::home::{DAY, HOUR, MINUTE};
use crate::lock::Held;

impl Year {
    /// Where the hub says that nothing is pending, the locks hold exactly what is wanted.
    pub(super) fn judge(&mut self) {
        if !self.home.running || !self.home.synced || !self.home.disk_works {
            return;
        }
        for node in self.nodes.clone() {
            if !self.home.online.contains(&node) || self.home.untold.contains(&node) {
                continue;
            }
            // As long as nothing was said and nothing done, time alone can make a difference.
            let seen = self.seen.remove(&node);
            let seen = seen.filter(|seen| seen.changes == self.home.changes);
            let unchanged = seen.is_some();
            let seen = seen.unwrap_or_else(|| Seen {
                changes: self.home.changes,
                codes: self.home.codes(node),
            });
            let slots = &seen.codes.slots;
            let quiet = slots.iter().all(|slot| slot.pending.is_none()) && seen.codes.emptied.is_none();
            if seen.codes.read_at.is_some() && quiet {
                self.judge_lock(node, &seen.codes, unchanged, "invariant_quiet_means_as_wanted");
            }
            self.seen.insert(node, seen);
        }
    }

    /// `again` when it was judged before and only the time is another one: then what has no schedule is as it was.
    fn judge_lock(&self, node: u8, codes: &CodesView, again: bool, invariant: &str) {
        let (home, lock) = (&self.home, &self.home.locks[&node]);
        let lock_id = &codes.lock;
        let mut held: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
        let is_foreign = |key: &SlotKey| {
            let mut slots = codes.slots.iter();
            let mut shown = || {
                slots
                    .find(|slot| slot.key == *key)
                    .map(|slot| slot.holder.as_str())
            };
            self.given_up.contains(&(node, *key)) && matches!(shown(), Some("foreign" | "ignored"))
        };
        for (_, there) in lock.held.iter().filter(|(key, _)| !is_foreign(key)) {
            held.entry(there.pin.expose()).or_default().push(there);
        }
        let kept_by: BTreeMap<_, _> = codes
            .slots
            .iter()
            .filter_map(|slot| Some((slot.credential.as_ref()?, slot.wanted.as_ref()?.kept_by)))
            .collect();
        let left_out: BTreeSet<_> = codes.left_out.iter().map(|left| &left.credential).collect();
        for row in home.credentials.values() {
            let Means::Pin(pin) = &row.means else { continue };
            let there = held.get(pin.expose()).map_or(&[][..], Vec::as_slice);
            let timeless = row.schedule.is_always() && there.iter().all(|held| held.schedule.is_none());
            if timeless && again {
                continue;
            }
            let wanted =
                row.standing == Standing::Ready && row.locks.contains(lock_id) && !left_out.contains(&row.id);
            // Later on, only a lock that keeps the whole schedule can be judged.
            let by_lock = matches!(kept_by.get(&row.id), Some(KeptBy::Lock | KeptBy::Nobody));
            for around in [0, 3 * HOUR, DAY + 7 * HOUR] {
                if around > 0 && (timeless || !by_lock) {
                    break;
                }
                let at = UnixMillis(i64::try_from(home.now + around).unwrap());
                // The minute in which it changes is rounded, by lock and hub.
                let edge = UnixMillis(at.0 - 61_000);
                let soon = hours::next_change(&row.schedule, &home.zone, edge)
                    .is_some_and(|change| change.0 <= at.0 + 61_000);
                if soon {
                    continue;
                }
                let open = wanted && hours::is_open(&row.schedule, &home.zone, at);
                let folded = home
                    .zone
                    .next_transition(UnixMillis(at.0 - i64::try_from(2 * DAY).unwrap()));
                if folded.is_some_and(|transition| transition.0 < at.0 + i64::try_from(2 * DAY).unwrap())
                    && around > 0
                {
                    continue;
                }
                let opens = there.iter().any(|held| held.is_valid(&home.zone, at));
                assert_eq!(
                    opens, open,
                    "{invariant}: {} {:?} at node {node}, {around} ms after {}; {row:?}\n{codes:#?}\n{:?}",
                    row.id, row.standing, home.now, lock.held
                );
            }
        }
    }

    /// A lock that keeps names has those of the people whose codes it holds.
    fn judge_names(&self, node: u8, codes: &CodesView) {
        let lock = &self.home.locks[&node];
        if !lock.capabilities.names || lock.manners.refuses_names {
            return;
        }
        for slot in &codes.slots {
            let Some(wanted) = &slot.wanted else { continue };
            assert_eq!(
                lock.names.get(&slot.key),
                Some(&wanted.name),
                "invariant_everything_ends_as_wanted: the name in {} of node {node}: {slot:#?}",
                slot.key
            );
        }
    }

    /// Whether the hub began less than some minutes ago to change something on a lock.
    fn is_changing(&self) -> bool {
        let lately = i64::try_from(self.home.now - 5 * MINUTE).unwrap();
        self.nodes.iter().any(|node| {
            let codes = self.home.codes(*node);
            let mut pending = codes.slots.iter().filter_map(|slot| slot.pending.as_ref());
            pending.any(|pending| pending.since.0 >= lately)
        })
    }

    /// Everything works again, and a few days later everything is as wanted.
    pub(super) fn end_well(&mut self) {
        self.home.learn_date();
        self.home.touched.clear();
        if !self.home.disk_works {
            self.home.store(true);
        }
        for node in self.nodes.clone() {
            let lock = self.home.locks.get_mut(&node).unwrap();
            lock.manners.answer_lost = 0;
            lock.manners.order_lost = 0;
            lock.manners.ignores_clear = 0;
            self.home.come_back(node);
        }
        self.home.wait(HOUR);
        for node in self.nodes.clone() {
            let lock = self.home.id(node);
            self.home.ask(CredentialsRequest::ReadLock { lock }).unwrap();
        }
        self.home.wait(HOUR);
        for node in self.nodes.clone() {
            let lock = self.home.id(node);
            let _ = self.home.ask(CredentialsRequest::Refill { lock, from: None });
        }
        self.home.wait(4 * DAY);
        // A window may begin or end at this very moment.
        for _ in 0..3 {
            if !self.is_changing() {
                break;
            }
            self.home.wait(10 * MINUTE);
        }
        for node in self.nodes.clone() {
            let codes = self.home.codes(node);
            let waits: Vec<_> = codes.slots.iter().filter(|slot| slot.pending.is_some()).collect();
            assert!(
                waits.is_empty(),
                "invariant_everything_ends_as_wanted: node {node}: {waits:#?}"
            );
            self.judge_lock(node, &codes, false, "invariant_everything_ends_as_wanted");
            self.judge_names(node, &codes);
        }
        let removed = self.home.engine().credentials();
        let removed: Vec<_> = removed
            .iter()
            .filter(|view| view.standing == Standing::Removed)
            .collect();
        assert!(
            removed.is_empty(),
            "invariant_a_revocation_ends_with_proof: {removed:#?}"
        );
        let lost = self
            .home
            .rows
            .values()
            .filter(|row| matches!(row, CredentialsRecord::Person(person) if person.removed));
        assert_eq!(lost.count(), 0, "a removed person is forgotten");
    }
}
