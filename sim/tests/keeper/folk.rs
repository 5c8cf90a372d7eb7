//! What people do in a household: they ask the hub for codes, open doors, and press the buttons of locks.

use hubd_core::credentials::request::{
    CredentialsAnswer, CredentialsRefusal, CredentialsRequest, NewCredential, NewMeans, NewPerson,
};
use hubd_core::credentials::view::CodesView;
use hubd_core::engine::Engine;
use hubd_core::input::{Answer, Input, Refusal, Request, Ticket};
use hubd_model::{
    BoltState, CodeChange, CodeReport, CredentialId, LockSchedule, LockSignal, PersonId, Report, Role,
    Schedule, SlotKey, Source, UnixMillis, Usage, Via,
};

use crate::home::{Happening, Home, SECOND, address, pin};
use crate::lock::Held;

impl Home {
    pub fn ask(&mut self, what: CredentialsRequest) -> Result<CredentialsAnswer, CredentialsRefusal> {
        self.ticket += 1;
        let request = Request::Credentials {
            what: Box::new(what),
            requester: "anna".into(),
        };
        let ticket = Ticket(self.ticket);
        match self.give(Input::Request { ticket, request }) {
            Some(Ok(Answer::Credentials { answer, .. })) => Ok(answer),
            Some(Err(Refusal::Credentials(refusal))) => Err(refusal),
            other => panic!("no answer for the keeper: {other:?}"),
        }
    }

    pub fn person(&mut self, name: &str, role: Role) -> PersonId {
        let new = NewPerson {
            name: name.into(),
            role,
            may_sign_in: false,
        };
        match self.ask(CredentialsRequest::AddPerson(new)) {
            Ok(CredentialsAnswer::Person(view)) => view.id,
            other => panic!("{other:?}"),
        }
    }

    pub fn try_grant(
        &mut self,
        person: &PersonId,
        code: &str,
        nodes: &[u8],
        schedule: Schedule,
    ) -> Result<CredentialId, CredentialsRefusal> {
        let new = NewCredential {
            person: person.clone(),
            label: String::new(),
            means: NewMeans::Pin(pin(code)),
            usage: Usage::Daily,
            schedule,
            uses_left: None,
            locks: nodes.iter().map(|node| self.id(*node)).collect(),
        };
        self.add(new)
    }

    pub fn add(&mut self, new: NewCredential) -> Result<CredentialId, CredentialsRefusal> {
        match self.ask(CredentialsRequest::AddCredential(new))? {
            CredentialsAnswer::Credential { view, .. } => {
                self.touched.insert(view.id.clone());
                Ok(view.id)
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn grant(&mut self, person: &PersonId, code: &str, nodes: &[u8]) -> CredentialId {
        self.try_grant(person, code, nodes, Schedule::default()).unwrap()
    }

    pub fn revoke(&mut self, credential: &CredentialId) {
        self.touched.insert(credential.clone());
        self.ask(CredentialsRequest::RemoveCredential {
            credential: credential.clone(),
        })
        .unwrap();
    }

    pub fn codes(&self, node: u8) -> CodesView {
        self.engine.codes(&self.id(node)).unwrap()
    }

    /// The slots that the hub gave away, or is about to write.
    pub fn taken(&self, node: u8) -> std::collections::BTreeSet<SlotKey> {
        self.codes(node).slots.iter().map(|slot| slot.key).collect()
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether nothing is to be done anywhere.
    pub fn is_quiet(&self) -> bool {
        self.engine
            .all_codes()
            .iter()
            .all(|codes| codes.slots.iter().all(|slot| slot.pending.is_none()))
    }

    pub fn opens(&self, node: u8, code: &str) -> bool {
        let at = UnixMillis(i64::try_from(self.now).unwrap());
        self.locks[&node].opens(&pin(code), &self.zone, at)
    }

    /// Somebody opens a door with what is in a slot.
    pub fn enter(&mut self, node: u8, key: SlotKey) {
        let via = Via::slot(Source::Keypad, Some(key.slot));
        for signal in [
            LockSignal::Bolt {
                bolt: BoltState::Unlocked,
                via,
            },
            LockSignal::Bolt {
                bolt: BoltState::Locked,
                via: Via::source(Source::Auto),
            },
        ] {
            self.give_report(Report::Lock {
                device: address(node),
                signal,
            });
            self.wait(10 * SECOND);
        }
    }

    /// Somebody types a code into a slot at the keypad, or takes it out. The lock says so, if anybody hears it.
    pub fn type_in(&mut self, node: u8, key: SlotKey, code: Option<&str>) {
        self.changes += 1;
        let lock = self.locks.get_mut(&node).unwrap();
        let change = match (lock.held.contains_key(&key), code) {
            (false, _) => CodeChange::Added,
            (true, Some(_)) => CodeChange::Changed,
            (true, None) => CodeChange::Deleted,
        };
        match code {
            Some(code) => {
                let held = Held {
                    pin: pin(code),
                    schedule: LockSchedule::default(),
                    typed: true,
                };
                lock.held.insert(key, held);
            }
            None => {
                lock.held.remove(&key);
            }
        }
        if self.online.contains(&node) && self.running {
            self.code_report(
                node,
                CodeReport::Changed {
                    key: Some(key),
                    change,
                },
            );
        } else {
            self.untold.insert(node);
        }
    }

    /// A lock is reset at its buttons.
    pub fn reset(&mut self, node: u8, told: bool) {
        self.changes += 1;
        self.locks.get_mut(&node).unwrap().held.clear();
        self.condemned.retain(|(other, _)| *other != node);
        if told && self.online.contains(&node) && self.running {
            let change = CodeChange::AllDeleted;
            self.code_report(node, CodeReport::Changed { key: None, change });
        } else {
            self.untold.insert(node);
        }
    }

    /// A lock comes back, and says something.
    pub fn come_back(&mut self, node: u8) {
        self.online.insert(node);
        self.give_report(Report::Lock {
            device: address(node),
            signal: LockSignal::BoltRead(BoltState::Locked),
        });
    }

    pub fn store(&mut self, works: bool) {
        self.disk_works = works;
        if works {
            self.give(Input::StoreRecovered);
            let seq = self.last_staged();
            self.later(
                10,
                Happening::Durable {
                    seq,
                    boot: self.boots,
                },
            );
        } else {
            self.give(Input::StoreFailing {
                reason: "the disk is full".into(),
            });
        }
    }

    pub fn kinds(&self) -> Vec<&'static str> {
        self.journal.iter().map(|entry| entry.event.kind()).collect()
    }
}
