//! Who there is and what time it is, put in order once for all locks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hubd_model::{CredentialId, PersonId, Role, UnixMillis, Usage, WallTime, Zone};

use crate::credentials::record::{Credential, Means, Person, Standing};

/// Who there is and what time it is. It is made once and serves the plans of all locks.
#[derive(Debug)]
pub struct Household<'a> {
    pub(super) zone: &'a Zone,
    pub(super) wall: WallTime,
    /// By the credential's id.
    pub(super) members: Vec<Member<'a>>,
    /// Who goes first, and who has equal PINs.
    pub(super) ranking: Cow<'a, Ranking>,
}

/// A credential and its person.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) credential: &'a Credential,
    /// Whether the person may have codes at all.
    pub(super) is_there: bool,
    people: &'a BTreeMap<PersonId, Person>,
}

/// Who goes first, and who has equal PINs: the same as long as nobody changes a person or credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    /// Places in the order of the credentials' ids: who goes first.
    pub(super) by_rank: Vec<usize>,
    /// For each place: equal for two credentials with one PIN; `None` for what has no PIN.
    pub(super) pins: Vec<Option<usize>>,
    /// How many different PINs there are.
    pub(super) pins_count: usize,
    /// For each place: whether the person may have codes at all.
    there: Vec<bool>,
}

impl<'a> Household<'a> {
    /// Puts people and credentials in order.
    pub fn new(
        people: &'a BTreeMap<PersonId, Person>,
        credentials: &'a BTreeMap<CredentialId, Credential>,
        zone: &'a Zone,
        wall: WallTime,
    ) -> Self {
        let members = members(people, credentials);
        Self {
            zone,
            wall,
            ranking: Cow::Owned(Ranking::of(&members)),
            members,
        }
    }

    /// The same, with a ranking that was made of the same people and credentials before.
    pub fn ranked(
        people: &'a BTreeMap<PersonId, Person>,
        credentials: &'a BTreeMap<CredentialId, Credential>,
        ranking: &'a Ranking,
        zone: &'a Zone,
        wall: WallTime,
    ) -> Self {
        let members = credentials.values().zip(&ranking.there);
        let members = members.map(|(credential, is_there)| Member {
            credential,
            is_there: *is_there,
            people,
        });
        Self {
            zone,
            wall,
            members: members.collect(),
            ranking: Cow::Borrowed(ranking),
        }
    }

    /// The place of a credential in `members`.
    pub(super) fn place(&self, id: &CredentialId) -> Option<usize> {
        let found = self
            .members
            .binary_search_by(|member| member.credential.id.cmp(id));
        found.ok()
    }
}

impl<'a> Member<'a> {
    /// Whose it is; `None` when there is no such person.
    pub(super) fn person(&self) -> Option<&'a Person> {
        self.people.get(&self.credential.person)
    }

    /// Who goes first: an emergency code that works now, then by role, use and age.
    fn rank(&self) -> (bool, Role, Usage, UnixMillis) {
        let enabled = matches!(self.credential.standing, Standing::Enabled { .. });
        (
            !enabled,
            self.person().map_or(Role::Responder, |person| person.role),
            self.credential.usage,
            self.credential.created_at,
        )
    }
}

impl Ranking {
    /// The ranking of these people and credentials.
    pub fn new(
        people: &BTreeMap<PersonId, Person>,
        credentials: &BTreeMap<CredentialId, Credential>,
    ) -> Self {
        Self::of(&members(people, credentials))
    }

    fn of(members: &[Member<'_>]) -> Self {
        let mut ranked: Vec<_> = members.iter().map(Member::rank).zip(0..).collect();
        // Of equals the one with the smaller id goes first.
        ranked.sort_unstable();
        let (pins, pins_count) = number_pins(members);
        Self {
            by_rank: ranked.into_iter().map(|(_, place)| place).collect(),
            pins,
            pins_count,
            there: members.iter().map(|member| member.is_there).collect(),
        }
    }
}

fn members<'a>(
    people: &'a BTreeMap<PersonId, Person>,
    credentials: &'a BTreeMap<CredentialId, Credential>,
) -> Vec<Member<'a>> {
    let members = credentials.values().map(|credential| Member {
        credential,
        is_there: people
            .get(&credential.person)
            .is_some_and(|person| !person.removed),
        people,
    });
    members.collect()
}

/// Gives equal PINs one number, by place; and how many numbers there are.
fn number_pins(members: &[Member<'_>]) -> (Vec<Option<usize>>, usize) {
    let mut pins: Vec<(&str, usize)> = members
        .iter()
        .zip(0..)
        .filter_map(|(member, place)| match &member.credential.means {
            Means::Pin(pin) => Some((pin.expose(), place)),
            Means::Enrolled(_) | Means::MechanicalKey(_) | Means::Fob(_) => None,
        })
        .collect();
    pins.sort_unstable();
    let mut numbers = vec![None; members.len()];
    let mut count = 0;
    for same in pins.chunk_by(|(one, _), (other, _)| one == other) {
        for (_, place) in same {
            if let Some(number) = numbers.get_mut(*place) {
                *number = Some(count);
            }
        }
        count += 1;
    }
    (numbers, count)
}
