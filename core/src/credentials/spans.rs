//! When a credential's time begins and when it is over: told once each, whoever keeps the schedule.
//!
//! A lock that keeps a schedule by itself says nothing when a code begins or ends, so the household hears of both from
//! the hub's own clock. Windows of the week are the everyday course of a code and no news.

use hubd_model::{UnixMillis, WallTime};

use super::event::{Change, CredentialsEvent};
use super::mirror::Dates;
use super::record::{Phase, Standing};
use super::{Around, Keeper, hours};
use crate::event::Event;
use crate::outbox::Outbox;

impl Keeper {
    /// Tells whose time began or is over. While the date is unknown nothing is told, and afterwards what came meanwhile.
    pub(super) fn follow_spans(&mut self, around: &Around<'_>, out: &mut Outbox) {
        let wall = around.now.wall;
        if !self.spans.are_past(wall) && self.changed_credentials.is_empty() {
            return;
        }
        let mut next = None;
        if let WallTime::Synced(at) = wall {
            for credential in self.credentials.values_mut() {
                let in_use = match credential.standing {
                    Standing::Ready | Standing::Enabled { .. } | Standing::Withheld(_) => true,
                    Standing::UsedUp | Standing::Removed => false,
                };
                if !in_use {
                    continue;
                }
                let (from, until) = (credential.schedule.from, credential.schedule.until);
                let to_come = from.into_iter().chain(until).filter(|edge| *edge > at);
                next = to_come.chain(next).min();
                let phase = hours::phase(&credential.schedule, at);
                // A date that goes back takes nothing back.
                if credential.phase.is_some_and(|before| before >= phase) {
                    continue;
                }
                let before = credential.phase.replace(phase);
                // Of a schedule that is new only what comes is told.
                let Some(before) = before else {
                    self.changed_credentials.insert(credential.id.clone());
                    continue;
                };
                let passed: [(Phase, Change, Option<UnixMillis>); 2] = [
                    (Phase::Within, Change::Began, from),
                    (Phase::After, Change::Expired, until),
                ];
                for (edge, change, due) in passed {
                    // Without a beginning there is none to tell.
                    if before < edge && edge <= phase && due.is_some() {
                        let event = CredentialsEvent::CredentialChanged {
                            credential: credential.id.clone(),
                            person: credential.person.clone(),
                            change,
                            by: None,
                            due,
                        };
                        out.journal(None, Event::Credentials(event));
                    }
                }
                self.changed_credentials.insert(credential.id.clone());
            }
        }
        self.spans = Dates::new(wall, next);
    }
}
