//! How long it takes to plan a large house: 20 locks with 250 codes each, as wanted, new, and all changed.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hubd_core::credentials::plan::{self, Household, LockFacts, SlotFacts};
use hubd_core::credentials::record::{
    Credential, Generation, Holder, Means, Person, Proof, SlotRecord, Standing, Written,
};
use hubd_core::view::Reported;
use hubd_model::{
    CodeCapabilities, CodeSlot, CredentialId, LockId, LockSchedule, PersonId, Pin, Role, Schedule,
    SecretString, SlotContent, SlotKey, UnixMillis, Usage, WallTime, Zone,
};
use hubd_peers::clock::now_ms;

use crate::document;
use crate::stats::Samples;

const LOCKS: u16 = 20;
const CODES: u16 = 250;
const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

struct House {
    locks: Vec<LockId>,
    people: BTreeMap<PersonId, Person>,
    credentials: BTreeMap<CredentialId, Credential>,
    zone: Zone,
    capabilities: CodeCapabilities,
}

/// Measures the planner.
///
/// # Errors
/// When the document cannot be written.
pub(crate) fn run(samples: usize) -> Result<()> {
    let house = House::new()?;
    let mut lines = vec![
        format!("## Planning {CODES} codes on each of {LOCKS} locks"),
        String::new(),
        format!(
            "Measured on {}; all {LOCKS} locks in turn, {samples} times; ms, median / 95th percentile.",
            document::machine()
        ),
        String::new(),
        "| the locks | ms | tasks |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    for (name, written) in [
        ("hold what is wanted", Some(0)),
        ("hold older PINs", Some(1)),
        ("are empty", None),
    ] {
        let slots: Vec<Vec<SlotRecord>> = house
            .locks
            .iter()
            .map(|lock| house.slots(lock, written))
            .collect::<Result<_>>()?;
        let mut times = Samples::default();
        let mut tasks = 0;
        for _ in 0..samples {
            let begun = now_ms();
            let household = Household::new(
                &house.people,
                &house.credentials,
                &house.zone,
                WallTime::Synced(NOW),
            );
            tasks = house
                .locks
                .iter()
                .zip(&slots)
                .map(|(lock, slots)| house.plan(&household, lock, slots))
                .sum();
            times.add(now_ms() - begun);
        }
        lines.push(format!("| {name} | {} | {tasks} |", times.cell()));
    }
    document::write("codes", &lines.join("\n"))
}

fn pin(number: u32) -> Result<Pin> {
    Pin::parse(SecretString::new(format!("{number:06}"))).context("six digits are a PIN")
}

impl House {
    /// 250 people with a code on every lock.
    fn new() -> Result<Self> {
        let mut house = Self {
            locks: (1..=LOCKS)
                .map(|number| LockId::parse(&format!("lock-{number}")))
                .collect::<Result<_, _>>()?,
            people: BTreeMap::new(),
            credentials: BTreeMap::new(),
            zone: Zone::fixed(60),
            capabilities: CodeCapabilities {
                pin_slots: CODES,
                ..CodeCapabilities::default()
            },
        };
        for number in 1..=CODES {
            let person = Person {
                id: PersonId::parse(&format!("person-{number}"))?,
                name: format!("Person {number}"),
                role: Role::Resident,
                may_sign_in: false,
                created_at: NOW,
                removed: false,
            };
            let credential = Credential {
                id: CredentialId::parse(&format!("credential-{number}"))?,
                person: person.id.clone(),
                label: String::new(),
                means: Means::Pin(pin(100_000 + u32::from(number) * 37)?),
                usage: Usage::Daily,
                schedule: Schedule::default(),
                uses_left: None,
                locks: house.locks.iter().cloned().collect(),
                standing: Standing::Ready,
                phase: None,
                created_at: NOW,
                rotated_at: NOW,
                generation: Generation(u64::from(number)),
            };
            house.people.insert(person.id.clone(), person);
            house.credentials.insert(credential.id.clone(), credential);
        }
        Ok(house)
    }

    /// The slots of a lock that holds the PINs, others in their place, or nothing.
    fn slots(&self, lock: &LockId, older: Option<u32>) -> Result<Vec<SlotRecord>> {
        let Some(older) = older else { return Ok(Vec::new()) };
        let mut records = Vec::new();
        for (number, credential) in (1..).zip(self.credentials.values()) {
            let Means::Pin(wanted) = &credential.means else {
                continue;
            };
            let held = if older == 0 {
                wanted.clone()
            } else {
                pin(500_000 + u32::from(number))?
            };
            let written = Written {
                generation: credential.generation,
                pin: Some(held.clone()),
                schedule: LockSchedule::default(),
                at: NOW,
            };
            records.push(SlotRecord {
                lock: lock.clone(),
                key: SlotKey::pin(CodeSlot::new(number).context("slots count from one")?),
                holder: Holder::Ours(credential.id.clone()),
                reported: Some(Reported {
                    value: SlotContent::Pin {
                        pin: held,
                        enabled: true,
                    },
                    at: NOW,
                }),
                reported_schedule: None,
                confirmed: Some((written, Proof::Read)),
                attempts: Vec::new(),
                tried: None,
                pending_since: None,
                failures: 0,
                named: None,
                schedule_refused: None,
                unread: false,
                void: false,
            });
        }
        Ok(records)
    }

    /// Plans one lock; how much there is to do.
    fn plan(&self, household: &Household<'_>, lock: &LockId, records: &[SlotRecord]) -> usize {
        let facts = LockFacts {
            lock,
            capabilities: &self.capabilities,
            secure: true,
            gone: false,
            read: true,
            emptied: false,
        };
        let slots: Vec<SlotFacts<'_>> = records
            .iter()
            .map(|record| SlotFacts {
                record,
                fresh: true,
                settled: true,
                refused: false,
            })
            .collect();
        let plan = plan::plan(facts, household, &slots);
        plan.tasks.len() + plan.claims.len()
    }
}
