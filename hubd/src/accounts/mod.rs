//! People's accounts: how the first owner comes about, how somebody signs in, and how they come back when they lost
//! their password, second factor or phone.
//!
//! ```text
//!                     name, password                code, passkey, recovery code
//!   stranger ----------------------------> unfinished ----------------------> session
//!      |                                   (5 minutes)                          ^
//!      +--- setup code, invitation, or name and password without a factor ------+
//! ```
//! Promise: what is kept lets nobody in - passwords are Argon2id hashes, everything else random and kept as SHA-256.
//! Every attempt is throttled before it costs anything, and the answer to a wrong name is the same, and takes as long,
//! as that to a wrong password. Nobody carries a session over a sign-in: each gets a new token.

pub mod chores;
mod code;
mod keeping;
mod passkeys;
pub mod password;
mod sessions;
pub mod setup;
mod throttle;
pub mod totp;
pub mod webauthn;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hubd_model::{Role, SecretBytes, SecretString, UnixMillis};
use thiserror::Error;
use tokio::time::Instant;

use crate::store::shape::hex;
use crate::store::{
    AccountChange, AccountRefusal, AccountRow, NewAccount, NewSession, Owners, SessionRow, Store, StoreError,
};
use crate::token::check_name;
pub use passkeys::{CHALLENGE_FOR, NewPasskey, PasskeyAnswer, PasskeyRequest};
use passkeys::{Challenges, Purpose};
use password::Hashing;
pub use sessions::{CONFIRMED_FOR_MS, Lifetime, is_confirmed};
use throttle::{Key, Throttle};

/// How long a sign-in may wait for its second factor, and an enrolment for its first code.
const UNFINISHED_FOR: Duration = Duration::from_mins(5);
/// So many of each are remembered; the oldest gives way.
const UNFINISHED_MAX: usize = 64;
/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;
/// Groups of a recovery code and of an invitation: 80 bits.
const CODE_GROUPS: usize = 4;
/// How long an invitation holds.
const INVITATION_FOR_MS: i64 = 7 * 24 * 3_600_000;
const RECOVERY: &str = "hubd recovery code";
const INVITATION: &str = "hubd invitation";

/// Why something about accounts was not done. `Display` is one sentence for a person and repeats nothing that was sent.
#[derive(Debug, Error)]
pub enum AccountError {
    /// Too many attempts.
    #[error("too many attempts; wait {seconds} seconds and try again")]
    Wait {
        /// How long.
        seconds: u32,
    },
    /// The name or the password is wrong.
    #[error("the name or the password is wrong")]
    WrongPassword,
    /// A code is wrong.
    #[error(
        "this code is wrong, was used already, or is too old; codes of an authenticator need the right time on \
             the phone and on the hub"
    )]
    WrongCode,
    /// A passkey's answer is not right.
    #[error("this passkey is not one of this account for this page, or its answer is wrong")]
    WrongPasskey,
    /// A passkey was answered too late, or not asked for.
    #[error("this took too long, or was answered already; ask for the passkey again")]
    PasskeyTooLate,
    /// There is no passkey of this account for this page.
    #[error(
        "no passkey of this account was made for this page; open the hub by the name under which it was made, or use \
             another second factor or a recovery code"
    )]
    NoPasskeyHere,
    /// A new passkey is not what was asked for.
    #[error("{0}; try again, or use another device")]
    BadPasskey(webauthn::Fault),
    /// A passkey's name is not allowed.
    #[error(
        "a passkey's name has 1 to 64 characters, without control characters and without spaces at its ends"
    )]
    BadPasskeyName,
    /// The sign-in has to begin anew.
    #[error("this sign-in took too long; begin again with name and password")]
    Expired,
    /// The password is not good enough.
    #[error("{0}")]
    WeakPassword(&'static str),
    /// The name is not allowed.
    #[error(
        "an account's name has 1 to 64 characters, without control characters and without spaces at its ends"
    )]
    BadName,
    /// There is no second factor to be proved or forgotten.
    #[error("this account has no second factor")]
    NoFactor,
    /// Too much is under way.
    #[error("too many people sign in at this moment; try again in a few seconds")]
    Busy,
    /// The system gives no randomness.
    #[error("the system gives no random numbers; check /dev/urandom")]
    Random,
    /// The store refused, or could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccountError {
    /// The refusal, when the store refused.
    pub fn refusal(&self) -> Option<AccountRefusal> {
        if let Self::Store(StoreError::Account(refusal)) = self {
            Some(*refusal)
        } else {
            None
        }
    }
}

/// Where an attempt comes from.
#[derive(Debug, Clone)]
pub struct Place {
    /// The client's address.
    pub address: IpAddr,
    /// What its browser calls itself, cut to what is kept.
    pub agent: String,
    /// The time of day.
    pub now: UnixMillis,
    /// The time for waits.
    pub at: Instant,
}

/// What proves who somebody is, beside the password.
#[derive(Debug)]
pub enum Proof {
    /// A code of the authenticator.
    Totp(SecretString),
    /// A passkey's answer to a challenge that is open.
    Passkey(Box<PasskeyAnswer>),
    /// A recovery code.
    Recovery(SecretString),
}

impl Proof {
    /// What proved it, for the journal.
    fn factor(&self) -> &'static str {
        match self {
            Self::Totp(_) => "totp",
            Self::Passkey(_) => "passkey",
            Self::Recovery(_) => "recovery_code",
        }
    }
}

/// A session that was just opened: the only moment at which its token exists.
#[derive(Debug)]
pub struct Opened {
    /// The token, for the cookie.
    pub token: SecretString,
    /// The session.
    pub session: SessionRow,
    /// Whose.
    pub account: AccountRow,
    /// Whether this account signed in from this address and browser before.
    pub familiar: bool,
    /// The second factor that finished it; `None` without.
    pub factor: Option<&'static str>,
}

/// How far a sign-in came.
#[derive(Debug)]
pub enum SignedIn {
    /// All the way.
    Opened(Box<Opened>),
    /// The second factor is missing; this token, for the cookie, stands for name and password.
    Unfinished(SecretString),
}

/// A second factor that waits for its first code.
#[derive(Debug)]
pub struct Enrolment {
    /// The secret in base 32.
    pub secret: SecretString,
    /// The URI for a QR code.
    pub uri: SecretString,
}

struct Unfinished {
    account: String,
    until: Instant,
}

struct Enrolling {
    secret: SecretBytes,
    until: Instant,
}

#[derive(Default)]
struct Desk {
    throttle: Throttle,
    /// By the SHA-256 of their tokens.
    unfinished: HashMap<[u8; 32], Unfinished>,
    /// By session.
    enrolling: HashMap<String, Enrolling>,
    challenges: Challenges,
}

/// Signs people in and keeps their accounts.
pub struct Accounts {
    store: Store,
    hashing: Hashing,
    desk: Mutex<Desk>,
}

impl Accounts {
    /// The accounts in this store.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            hashing: Hashing::new(),
            desk: Mutex::default(),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, keys: &[Key], at: Instant) -> Result<(), AccountError> {
        let begun = self.desk().throttle.begin(keys, at);
        begun.map_err(|seconds| AccountError::Wait { seconds })
    }

    fn right(&self, keys: &[Key]) {
        self.desk().throttle.right(keys);
    }

    /// The keys under which an attempt at this account counts.
    fn keys(&self, account: Option<&AccountRow>, place: &Place) -> Result<Vec<Key>, AccountError> {
        let address = throttle::network(place.address);
        let mut keys = vec![Key::Address(address)];
        if let Some(account) = account {
            let familiar = self.store.sessions()?.iter().any(|session| {
                session.account == account.id
                    && session
                        .address
                        .parse()
                        .is_ok_and(|known| throttle::network(known) == address)
            });
            keys.push(if familiar {
                Key::Familiar(account.id.clone(), address)
            } else {
                Key::Account(account.id.clone())
            });
        }
        Ok(keys)
    }

    /// Whether there is an owner yet.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub fn is_set_up(&self) -> Result<bool, AccountError> {
        Ok(self
            .store
            .accounts()?
            .iter()
            .any(|account| account.role == Role::Owner))
    }

    /// Makes the first owner and signs them in.
    ///
    /// # Errors
    /// When the code is wrong, the name or password is not allowed, or there is an owner already.
    pub async fn set_up(
        &self,
        code: &str,
        name: &str,
        password: SecretString,
        place: &Place,
    ) -> Result<Opened, AccountError> {
        if self.is_set_up()? {
            return Err(StoreError::Account(AccountRefusal::AlreadySetUp).into());
        }
        let keys = self.keys(None, place)?;
        self.begin(&keys, place.at)?;
        if !setup::is_right(self.store.dir(), code)? {
            return Err(AccountError::WrongCode);
        }
        self.right(&keys);
        let account = self
            .new_account(name, Role::Owner, Some(password), None, place.now)
            .await?;
        let id = account.id.clone();
        self.store
            .change_account(AccountChange::Add(account, Owners::First))
            .await?;
        if let Err(error) = setup::forget(self.store.dir()) {
            // It opens nothing: there is an owner now.
            tracing::warn!(%error, "the used setup code could not be removed");
        }
        self.open(&id, place, None).await
    }

    /// A new account, checked.
    async fn new_account(
        &self,
        name: &str,
        role: Role,
        password: Option<SecretString>,
        invitation: Option<([u8; 32], UnixMillis)>,
        now: UnixMillis,
    ) -> Result<NewAccount, AccountError> {
        check_name(name).map_err(|_| AccountError::BadName)?;
        let password = match password {
            Some(password) => {
                password::check(&password, name)?;
                Some(self.hashing.hash(password).await?)
            }
            None => None,
        };
        Ok(NewAccount {
            id: new_id("account")?,
            name: name.to_owned(),
            role,
            password,
            invitation,
            created_at: now,
        })
    }

    /// Signs in with name and password, and with a second factor where there is one.
    ///
    /// # Errors
    /// When a part is wrong, or there were too many attempts.
    pub async fn sign_in(
        &self,
        name: &str,
        password: SecretString,
        proof: Option<Proof>,
        place: &Place,
    ) -> Result<SignedIn, AccountError> {
        let account = self.store.account_by_name(name)?;
        let keys = self.keys(account.as_ref(), place)?;
        self.begin(&keys, place.at)?;
        let hash = account.as_ref().and_then(|account| account.password.clone());
        let right = self.hashing.verify(password, hash).await?;
        let Some(account) = account.filter(|_| right) else {
            return Err(AccountError::WrongPassword);
        };
        if !account.has_second_factor() {
            self.right(&keys);
            return self
                .open(&account.id, place, None)
                .await
                .map(|opened| SignedIn::Opened(opened.into()));
        }
        match proof {
            Some(proof) => {
                let factor = Some(proof.factor());
                self.prove(&account, proof, None, place).await?;
                self.right(&keys);
                let opened = self.open(&account.id, place, factor).await?;
                Ok(SignedIn::Opened(opened.into()))
            }
            // The attempt goes on counting until the second factor is right.
            None => self
                .wait_for_factor(&account.id, place.at)
                .map(SignedIn::Unfinished),
        }
    }

    fn wait_for_factor(&self, account: &str, at: Instant) -> Result<SecretString, AccountError> {
        let (token, hash) = sessions::new_token()?;
        let mut desk = self.desk();
        desk.unfinished.retain(|_, one| one.until > at);
        if desk.unfinished.len() >= UNFINISHED_MAX {
            let oldest = desk.unfinished.iter().min_by_key(|(_, one)| one.until);
            let oldest = oldest.map(|(hash, _)| *hash);
            oldest.and_then(|hash| desk.unfinished.remove(&hash));
        }
        let one = Unfinished {
            account: account.to_owned(),
            until: at + UNFINISHED_FOR,
        };
        desk.unfinished.insert(hash, one);
        Ok(token)
    }

    /// The account whose sign-in waits for its second factor under this token.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub fn unfinished(&self, token: &str, at: Instant) -> Result<Option<AccountRow>, AccountError> {
        let waiting = {
            let desk = self.desk();
            let one = desk.unfinished.get(&sessions::hash(token));
            one.filter(|one| one.until > at).map(|one| one.account.clone())
        };
        match waiting {
            Some(account) => Ok(self.store.account(&account)?),
            None => Ok(None),
        }
    }

    /// Finishes a sign-in by its second factor.
    ///
    /// # Errors
    /// When it took too long, the factor is wrong, or there were too many attempts.
    pub async fn finish(&self, token: &str, proof: Proof, place: &Place) -> Result<Opened, AccountError> {
        let Some(account) = self.unfinished(token, place.at)? else {
            return Err(AccountError::Expired);
        };
        let keys = self.keys(Some(&account), place)?;
        self.begin(&keys, place.at)?;
        let factor = Some(proof.factor());
        self.prove(&account, proof, Some(Purpose::sign_in(token)), place)
            .await?;
        // Used up, whoever finishes it a second time.
        if self.desk().unfinished.remove(&sessions::hash(token)).is_none() {
            return Err(AccountError::Expired);
        }
        self.right(&keys);
        self.open(&account.id, place, factor).await
    }

    /// Forgets a sign-in that waits for its second factor.
    pub fn give_up(&self, token: &str) {
        self.desk().unfinished.remove(&sessions::hash(token));
    }

    /// Checks a second factor and uses it up. A passkey answers the challenge of this purpose.
    async fn prove(
        &self,
        account: &AccountRow,
        proof: Proof,
        purpose: Option<Purpose>,
        place: &Place,
    ) -> Result<(), AccountError> {
        let change = match proof {
            Proof::Totp(code) => {
                let sealed = account.totp.as_ref().ok_or(AccountError::NoFactor)?;
                let secret = self.store.unseal_totp(&account.id, sealed)?;
                let step = totp::step(&secret, code.expose(), place.now).ok_or(AccountError::WrongCode)?;
                AccountChange::UseStep(account.id.clone(), step)
            }
            Proof::Passkey(answer) => {
                let purpose = purpose.ok_or(AccountError::PasskeyTooLate)?;
                let change = self.check_passkey(account, &purpose, &answer, place)?;
                return match self.change_code(change).await {
                    // It was used at the same time, or was removed.
                    Err(AccountError::WrongCode) => Err(AccountError::WrongPasskey),
                    done => done,
                };
            }
            Proof::Recovery(text) => {
                let hash = code::hash(RECOVERY, text.expose()).ok_or(AccountError::WrongCode)?;
                AccountChange::UseRecoveryCode(account.id.clone(), hash)
            }
        };
        self.change_code(change).await
    }

    /// A change that uses a code up: that it was used before is a wrong code.
    async fn change_code(&self, change: AccountChange) -> Result<(), AccountError> {
        match self.store.change_account(change).await {
            Ok(()) => Ok(()),
            Err(StoreError::Account(AccountRefusal::BadCode)) => Err(AccountError::WrongCode),
            Err(error) => Err(error.into()),
        }
    }

    async fn open(
        &self,
        account: &str,
        place: &Place,
        factor: Option<&'static str>,
    ) -> Result<Opened, AccountError> {
        let (token, hash) = sessions::new_token()?;
        let address = throttle::network(place.address);
        let familiar = self.store.sessions()?.iter().any(|session| {
            let known = session.address.parse().map(throttle::network);
            session.account == account && known == Ok(address) && session.agent == place.agent
        });
        let session = SessionRow {
            id: new_id("session")?,
            account: account.to_owned(),
            created_at: place.now,
            last_seen: place.now,
            confirmed_at: place.now,
            address: place.address.to_string(),
            agent: place.agent.clone(),
        };
        let row = session.clone();
        self.store
            .change_account(AccountChange::OpenSession(NewSession { row, hash }))
            .await?;
        let account = self
            .store
            .account(account)?
            .ok_or(StoreError::Account(AccountRefusal::NoSuchAccount))?;
        Ok(Opened {
            token,
            session,
            account,
            familiar,
            factor,
        })
    }

    /// The session with this token, while it holds, and its account.
    ///
    /// # Errors
    /// When they cannot be read: then nobody is let in.
    pub fn session(
        &self,
        token: &str,
        now: UnixMillis,
    ) -> Result<Option<(SessionRow, AccountRow)>, StoreError> {
        let found = self
            .store
            .session_by_hash(&sessions::hash(token), now, |session| {
                // The longest that any role has; the role's own follows.
                Lifetime::of(Role::Responder).holds(session, now)
            })?;
        Ok(found.filter(|(session, account)| Lifetime::of(account.role).holds(session, now)))
    }

    /// Proves again who the person of a session is: by the second factor where there is one, else by the password.
    ///
    /// # Errors
    /// When it is wrong, or there were too many attempts.
    pub async fn confirm(
        &self,
        session: &SessionRow,
        account: &AccountRow,
        password: Option<SecretString>,
        proof: Option<Proof>,
        place: &Place,
    ) -> Result<(), AccountError> {
        let keys = self.keys(Some(account), place)?;
        self.begin(&keys, place.at)?;
        match (account.has_second_factor(), password, proof) {
            (true, _, Some(proof)) => {
                let purpose = Purpose::Confirm(session.id.clone());
                self.prove(account, proof, Some(purpose), place).await?;
            }
            (false, Some(password), _) => {
                if !self.hashing.verify(password, account.password.clone()).await? {
                    return Err(AccountError::WrongPassword);
                }
            }
            (true, _, None) => return Err(AccountError::WrongCode),
            (false, None, _) => return Err(AccountError::WrongPassword),
        }
        self.right(&keys);
        let confirmed = AccountChange::Confirm(session.id.clone(), place.now);
        Ok(self.store.change_account(confirmed).await?)
    }

    /// Takes an invitation: sets the password and signs in, with the second factor where one is still enrolled.
    ///
    /// # Errors
    /// When the code is wrong or too old, or the password is not good enough.
    pub async fn take_invitation(
        &self,
        name: &str,
        code: &str,
        password: SecretString,
        place: &Place,
    ) -> Result<SignedIn, AccountError> {
        let account = self.store.account_by_name(name)?;
        let keys = self.keys(account.as_ref(), place)?;
        self.begin(&keys, place.at)?;
        let wanted = account.as_ref().and_then(|account| account.invitation);
        let code = code::hash(INVITATION, code).ok_or(AccountError::WrongCode)?;
        let right = wanted.is_some_and(|(wanted, until)| {
            bool::from(subtle::ConstantTimeEq::ct_eq(&wanted[..], &code[..])) && until > place.now
        });
        let Some(account) = account.filter(|_| right) else {
            return Err(AccountError::WrongCode);
        };
        password::check(&password, &account.name)?;
        let password = self.hashing.hash(password).await?;
        self.change_code(AccountChange::TakeInvitation {
            account: account.id.clone(),
            code,
            password,
            now: place.now,
        })
        .await?;
        if account.has_second_factor() {
            return self
                .wait_for_factor(&account.id, place.at)
                .map(SignedIn::Unfinished);
        }
        self.right(&keys);
        let opened = self.open(&account.id, place, None).await?;
        Ok(SignedIn::Opened(opened.into()))
    }

    /// Forgets sessions that no longer hold.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn forget_old_sessions(&self, now: UnixMillis) -> Result<(), StoreError> {
        let (seen, began) = Lifetime::of(Role::Responder).oldest(now);
        let old = |session: &SessionRow| session.last_seen < seen || session.created_at < began;
        if !self.store.sessions()?.iter().any(old) {
            return Ok(());
        }
        self.store
            .change_account(AccountChange::ForgetSessions { seen, began })
            .await
    }
}

/// An account for the command line: with a password, and nobody signed in.
///
/// # Errors
/// When the name or password is not allowed.
pub fn at_console(
    name: &str,
    role: Role,
    password: &SecretString,
    now: UnixMillis,
) -> Result<NewAccount, AccountError> {
    check_name(name).map_err(|_| AccountError::BadName)?;
    Ok(NewAccount {
        id: new_id("account")?,
        name: name.to_owned(),
        role,
        password: Some(console_password(name, password)?),
        invitation: None,
        created_at: now,
    })
}

/// The hash of a new password that was typed at the console.
///
/// # Errors
/// When it is not good enough.
pub fn console_password(name: &str, password: &SecretString) -> Result<SecretString, AccountError> {
    password::check(password, name)?;
    password::hash(password)
}

fn new_invitation(now: UnixMillis) -> Result<(SecretString, ([u8; 32], UnixMillis)), AccountError> {
    let text = code::random(CODE_GROUPS)?;
    let hash = code::hash(INVITATION, text.expose()).ok_or(AccountError::Random)?;
    let until = UnixMillis(now.0.saturating_add(INVITATION_FOR_MS));
    Ok((text, (hash, until)))
}

fn new_id(kind: &str) -> Result<String, AccountError> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).map_err(|_| AccountError::Random)?;
    Ok(format!("{kind}-{}", hex(&bytes)))
}
