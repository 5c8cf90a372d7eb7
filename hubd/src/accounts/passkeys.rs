//! Passkeys as second factor: the challenges that are open, and what becomes of their answers.
//!
//! ```text
//!   nothing --ask--> open (2 minutes) --an answer, right or wrong--> nothing
//! ```
//! Promise: a challenge is random, is answered once, and counts for the account, the purpose and the browser for which
//! it was given alone. A browser has one open for each purpose, an account a few, the hub a bounded number.

use std::collections::HashMap;
use std::time::Duration;

use hubd_model::SecretString;
use tokio::time::Instant;

use super::webauthn::{self, Asked, Assertion, Known, Origin, Registration};
use super::{AccountError, Accounts, Place, new_id, sessions};
use crate::store::{
    AccountChange, AccountRefusal, AccountRow, PASSKEYS_PER_ACCOUNT_MAX, PasskeyRow, SessionRow, StoreError,
};
use crate::token::check_name;

/// How long an answer may take: a person looks for a key, or types a PIN.
pub const CHALLENGE_FOR: Duration = Duration::from_mins(2);
/// So many of the hub's challenges are open; the oldest gives way.
const CHALLENGES_MAX: usize = 64;
/// So many of one account's, so that nobody pushes out the others'.
const CHALLENGES_PER_ACCOUNT_MAX: usize = 8;
/// 256 bits; the standard asks for 128 at least.
const CHALLENGE_BYTES: usize = 32;

/// What a challenge was given for, and to which browser.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// To add a passkey, in this session.
    Add(String),
    /// To finish a sign-in: the SHA-256 of its token.
    SignIn([u8; 32]),
    /// To prove again who it is, in this session.
    Confirm(String),
}

impl Purpose {
    /// To finish the sign-in with this token.
    pub(super) fn sign_in(token: &str) -> Self {
        Self::SignIn(sessions::hash(token))
    }
}

/// A challenge that is open.
#[derive(Debug)]
struct Challenge {
    account: String,
    bytes: [u8; CHALLENGE_BYTES],
    origin: Origin,
    until: Instant,
}

impl Challenge {
    /// What an authenticator was asked by it.
    fn asked(&self) -> Asked<'_> {
        Asked {
            challenge: &self.bytes,
            origin: &self.origin,
            user: self.account.as_bytes(),
        }
    }
}

/// The challenges that are open.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    open: HashMap<Purpose, Challenge>,
}

impl Challenges {
    fn give(&mut self, purpose: Purpose, challenge: Challenge, now: Instant) {
        self.open.retain(|_, one| one.until > now);
        self.open.remove(&purpose);
        self.make_room(CHALLENGES_PER_ACCOUNT_MAX, |one| one.account == challenge.account);
        self.make_room(CHALLENGES_MAX, |_| true);
        self.open.insert(purpose, challenge);
    }

    /// Sees to it that there are fewer of these than `max`.
    fn make_room(&mut self, max: usize, these: impl Fn(&Challenge) -> bool) {
        let of = || self.open.iter().filter(|(_, one)| these(one));
        if of().count() >= max {
            let oldest = of().min_by_key(|(_, one)| one.until);
            let oldest = oldest.map(|(purpose, _)| purpose.clone());
            oldest.and_then(|purpose| self.open.remove(&purpose));
        }
    }

    /// Takes the challenge away, whoever answers it a second time.
    fn take(&mut self, purpose: &Purpose, account: &str, now: Instant) -> Option<Challenge> {
        let one = self.open.remove(purpose)?;
        (one.until > now && one.account == account).then_some(one)
    }
}

/// What a browser is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyRequest {
    /// The challenge.
    pub challenge: Vec<u8>,
    /// The page that asks.
    pub origin: Origin,
    /// The ids of the account's passkeys for this page: with which it can be answered, or which are not made again.
    pub credentials: Vec<Vec<u8>>,
}

/// A passkey that was just made, as a browser sends it.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    /// What its person calls it.
    pub name: String,
    /// What the browser says.
    pub client_data: Vec<u8>,
    /// What the authenticator made.
    pub attestation: Vec<u8>,
}

/// A passkey's answer, as a browser sends it.
#[derive(Debug, Clone)]
pub struct PasskeyAnswer {
    /// The id of the passkey.
    pub credential: Vec<u8>,
    /// What the browser says.
    pub client_data: Vec<u8>,
    /// What the authenticator says.
    pub authenticator_data: Vec<u8>,
    /// Its signature.
    pub signature: Vec<u8>,
    /// By what it knows the account.
    pub user: Option<Vec<u8>>,
}

fn credentials(account: &AccountRow, origin: &Origin) -> Vec<Vec<u8>> {
    let here = account
        .passkeys
        .iter()
        .filter(|one| one.origin == origin.as_str());
    here.map(|one| one.credential.clone()).collect()
}

impl Accounts {
    fn challenge(
        &self,
        purpose: Purpose,
        account: &AccountRow,
        origin: Origin,
        at: Instant,
    ) -> Result<PasskeyRequest, AccountError> {
        let mut bytes = [0; CHALLENGE_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| AccountError::Random)?;
        let request = PasskeyRequest {
            challenge: bytes.to_vec(),
            credentials: credentials(account, &origin),
            origin: origin.clone(),
        };
        let challenge = Challenge {
            account: account.id.clone(),
            bytes,
            origin,
            until: at + CHALLENGE_FOR,
        };
        self.desk().challenges.give(purpose, challenge, at);
        Ok(request)
    }

    /// Takes the challenge that was given to this account for this purpose: it is used up by whatever answers it.
    fn take_challenge(
        &self,
        purpose: &Purpose,
        account: &AccountRow,
        place: &Place,
    ) -> Result<Challenge, AccountError> {
        let open = self.desk().challenges.take(purpose, &account.id, place.at);
        open.ok_or(AccountError::PasskeyTooLate)
    }

    /// A challenge for a passkey that this account has.
    fn ask(
        &self,
        purpose: Purpose,
        account: &AccountRow,
        origin: Origin,
        at: Instant,
    ) -> Result<PasskeyRequest, AccountError> {
        if credentials(account, &origin).is_empty() {
            return Err(AccountError::NoPasskeyHere);
        }
        self.challenge(purpose, account, origin, at)
    }

    /// Asks for a new passkey of a session's account.
    ///
    /// # Errors
    /// When the account has too many, or there is no randomness.
    pub fn ask_new_passkey(
        &self,
        session: &SessionRow,
        account: &AccountRow,
        origin: Origin,
        at: Instant,
    ) -> Result<PasskeyRequest, AccountError> {
        if account.passkeys.len() >= PASSKEYS_PER_ACCOUNT_MAX {
            return Err(StoreError::Account(AccountRefusal::TooManyPasskeys).into());
        }
        self.challenge(Purpose::Add(session.id.clone()), account, origin, at)
    }

    /// Asks for a passkey to finish the sign-in with this token.
    ///
    /// # Errors
    /// When it took too long, or the account has no passkey for this page.
    pub fn ask_passkey(
        &self,
        token: &str,
        origin: Origin,
        at: Instant,
    ) -> Result<PasskeyRequest, AccountError> {
        let account = self.unfinished(token, at)?.ok_or(AccountError::Expired)?;
        self.ask(Purpose::sign_in(token), &account, origin, at)
    }

    /// Asks for a passkey to prove again who the person of a session is.
    ///
    /// # Errors
    /// When the account has no passkey for this page.
    pub fn ask_passkey_again(
        &self,
        session: &SessionRow,
        account: &AccountRow,
        origin: Origin,
        at: Instant,
    ) -> Result<PasskeyRequest, AccountError> {
        self.ask(Purpose::Confirm(session.id.clone()), account, origin, at)
    }

    /// Adds the passkey that was asked for; with the first second factor of an account come recovery codes, and its
    /// other sessions end.
    ///
    /// # Errors
    /// When it is not what was asked for, took too long, or its name is not allowed.
    pub async fn add_passkey(
        &self,
        session: &SessionRow,
        account: &AccountRow,
        new: NewPasskey,
        place: &Place,
    ) -> Result<(PasskeyRow, Vec<SecretString>), AccountError> {
        check_name(&new.name).map_err(|_| AccountError::BadPasskeyName)?;
        let keys = self.keys(Some(account), place)?;
        self.begin(&keys, place.at)?;
        let open = self.take_challenge(&Purpose::Add(session.id.clone()), account, place)?;
        let answer = Registration {
            client_data: &new.client_data,
            attestation: &new.attestation,
        };
        let made = webauthn::register(&open.asked(), &answer).map_err(AccountError::BadPasskey)?;
        let passkey = PasskeyRow {
            id: new_id("passkey")?,
            name: new.name,
            origin: open.origin.as_str().to_owned(),
            credential: made.credential,
            public_key: made.key,
            counter: made.counter,
            created_at: place.now,
            used_at: None,
        };
        let first = !account.has_second_factor();
        let change = AccountChange::AddPasskey {
            account: account.id.clone(),
            passkey: passkey.clone(),
            only: first.then(|| session.id.clone()),
        };
        self.store.change_account(change).await?;
        self.right(&keys);
        let codes = if first || account.recovery_codes == 0 {
            self.new_recovery_codes(&account.id).await?
        } else {
            Vec::new()
        };
        Ok((passkey, codes))
    }

    /// Removes a passkey of an account, which has another second factor or may do without.
    ///
    /// # Errors
    /// When there is none of this id, or it is an owner's last second factor.
    pub async fn remove_passkey(&self, account: &AccountRow, passkey: &str) -> Result<(), AccountError> {
        let change = AccountChange::RemovePasskey(account.id.clone(), passkey.to_owned());
        Ok(self.store.change_account(change).await?)
    }

    /// Checks a passkey's answer to the challenge of this purpose, which is used up; the change that notes the use.
    pub(super) fn check_passkey(
        &self,
        account: &AccountRow,
        purpose: &Purpose,
        answer: &PasskeyAnswer,
        place: &Place,
    ) -> Result<AccountChange, AccountError> {
        let open = self.take_challenge(purpose, account, place)?;
        let known = account
            .passkeys
            .iter()
            .find(|one| one.credential == answer.credential && one.origin == open.origin.as_str())
            .ok_or(AccountError::WrongPasskey)?;
        let said = Assertion {
            credential: &answer.credential,
            client_data: &answer.client_data,
            authenticator_data: &answer.authenticator_data,
            signature: &answer.signature,
            user: answer.user.as_deref(),
        };
        let key = Known {
            credential: &known.credential,
            key: &known.public_key,
            counter: known.counter,
        };
        let counter = webauthn::authenticate(&open.asked(), &key, &said).map_err(|fault| {
            // Who forges is told nothing; who looks for the reason finds it here.
            tracing::warn!(account = %account.id, passkey = %known.id, reason = %fault, "a passkey was refused");
            AccountError::WrongPasskey
        })?;
        Ok(AccountChange::UsePasskey {
            account: account.id.clone(),
            passkey: known.id.clone(),
            counter,
            at: place.now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(account: &str, now: Instant) -> Challenge {
        Challenge {
            account: account.into(),
            bytes: [1; CHALLENGE_BYTES],
            origin: Origin::parse("https://hub.local").unwrap(),
            until: now + CHALLENGE_FOR,
        }
    }

    #[test]
    fn a_challenge_is_taken_once_in_time_and_for_what_it_was_given() {
        let now = Instant::now();
        let mut open = Challenges::default();
        let add = Purpose::Add("s1".into());
        open.give(add.clone(), challenge("a", now), now);
        assert!(open.take(&Purpose::Confirm("s1".into()), "a", now).is_none());
        assert!(open.take(&Purpose::Add("s2".into()), "a", now).is_none());
        assert!(open.take(&add, "a", now).is_some());
        assert!(open.take(&add, "a", now).is_none(), "once");
        open.give(add.clone(), challenge("a", now), now);
        assert!(open.take(&add, "b", now).is_none(), "another account's");
        assert!(
            open.take(&add, "a", now).is_none(),
            "a wrong answer uses it up, too"
        );
        open.give(add.clone(), challenge("a", now), now);
        assert!(open.take(&add, "a", now + CHALLENGE_FOR).is_none(), "too late");
    }

    #[test]
    fn few_are_open_and_nobody_pushes_out_the_others() {
        let now = Instant::now();
        let mut open = Challenges::default();
        let mine = Purpose::SignIn([0xff; 32]);
        open.give(mine.clone(), challenge("mine", now), now);
        for number in 0..200_u8 {
            let purpose = Purpose::SignIn([number; 32]);
            open.give(
                purpose,
                challenge("guessed", now),
                now + Duration::from_millis(u64::from(number)),
            );
        }
        assert_eq!(open.open.len(), 1 + CHALLENGES_PER_ACCOUNT_MAX);
        assert!(open.take(&mine, "mine", now).is_some());
        for number in 0..1000_u32 {
            let account = format!("a{number}");
            open.give(Purpose::Add(account.clone()), challenge(&account, now), now);
            assert!(open.open.len() <= CHALLENGES_MAX);
        }
        open.give(mine, challenge("mine", now), now + CHALLENGE_FOR);
        assert_eq!(open.open.len(), 1, "what is too old is forgotten");
    }
}
