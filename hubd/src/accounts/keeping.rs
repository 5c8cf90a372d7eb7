//! Keeping an account: password, second factor, recovery codes and invitations.

use hubd_model::{Role, SecretString, UnixMillis};
use tokio::time::Instant;

use super::{
    AccountError, Accounts, CODE_GROUPS, Enrolling, Enrolment, Place, RECOVERY, RECOVERY_CODES,
    UNFINISHED_FOR, UNFINISHED_MAX, code, new_invitation, password, totp,
};
use crate::store::{AccountChange, AccountRow, Owners, SessionRow};

impl Accounts {
    /// Changes the password of a session's account; other sessions end.
    ///
    /// # Errors
    /// When the present one is wrong or the new one is not good enough.
    pub async fn change_password(
        &self,
        session: &SessionRow,
        account: &AccountRow,
        present: SecretString,
        new: SecretString,
        place: &Place,
    ) -> Result<(), AccountError> {
        password::check(&new, &account.name)?;
        let keys = self.keys(Some(account), place)?;
        self.begin(&keys, place.at)?;
        if !self.hashing.verify(present, account.password.clone()).await? {
            return Err(AccountError::WrongPassword);
        }
        self.right(&keys);
        let password = self.hashing.hash(new).await?;
        let change = AccountChange::SetPassword {
            account: account.id.clone(),
            password,
            keep: Some(session.id.clone()),
        };
        Ok(self.store.change_account(change).await?)
    }

    /// Begins to enrol an authenticator for a session's account.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn enrol(
        &self,
        session: &SessionRow,
        account: &AccountRow,
        at: Instant,
    ) -> Result<Enrolment, AccountError> {
        let secret = totp::random()?;
        let (text, uri) = totp::shown(&secret, &account.name);
        let mut desk = self.desk();
        desk.enrolling.retain(|_, one| one.until > at);
        if desk.enrolling.len() >= UNFINISHED_MAX {
            let oldest = desk.enrolling.iter().min_by_key(|(_, one)| one.until);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.and_then(|id| desk.enrolling.remove(&id));
        }
        let until = at + UNFINISHED_FOR;
        desk.enrolling
            .insert(session.id.clone(), Enrolling { secret, until });
        Ok(Enrolment { secret: text, uri })
    }

    /// Ends an enrolment by the authenticator's first code; new recovery codes, to be printed. Other sessions end.
    ///
    /// # Errors
    /// When it took too long or the code is wrong.
    pub async fn enrolled(
        &self,
        session: &SessionRow,
        account: &AccountRow,
        code: &SecretString,
        place: &Place,
    ) -> Result<Vec<SecretString>, AccountError> {
        let keys = self.keys(Some(account), place)?;
        self.begin(&keys, place.at)?;
        let waiting = {
            let desk = self.desk();
            let one = desk.enrolling.get(&session.id).filter(|one| one.until > place.at);
            one.map(|one| one.secret.clone())
        };
        let secret = waiting.ok_or(AccountError::Expired)?;
        let step = totp::step(&secret, code.expose(), place.now).ok_or(AccountError::WrongCode)?;
        let sealed = self.store.seal_totp(&account.id, &secret)?;
        let change = AccountChange::SetTotp {
            account: account.id.clone(),
            sealed,
            step,
            keep: session.id.clone(),
        };
        self.store.change_account(change).await?;
        self.desk().enrolling.remove(&session.id);
        self.right(&keys);
        self.new_recovery_codes(&account.id).await
    }

    /// New recovery codes in place of the old ones.
    ///
    /// # Errors
    /// When they could not be kept.
    pub async fn new_recovery_codes(&self, account: &str) -> Result<Vec<SecretString>, AccountError> {
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        let mut hashes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            let text = code::random(CODE_GROUPS)?;
            hashes.extend(code::hash(RECOVERY, text.expose()));
            codes.push(text);
        }
        let change = AccountChange::SetRecoveryCodes(account.to_owned(), hashes);
        self.store.change_account(change).await?;
        Ok(codes)
    }

    /// Forgets the authenticator of an account, which has another second factor or may do without.
    ///
    /// # Errors
    /// When it is an owner's last second factor, or there is none.
    pub async fn forget_totp(&self, account: &AccountRow) -> Result<(), AccountError> {
        if account.totp.is_none() {
            return Err(AccountError::NoFactor);
        }
        let change = AccountChange::ForgetTotp(account.id.clone());
        Ok(self.store.change_account(change).await?)
    }

    /// Makes an account and invites its person; the account's id and the invitation's code, to be handed over.
    ///
    /// # Errors
    /// When the name is taken or not allowed, or there would be a third owner without `owners` saying so.
    pub async fn invite(
        &self,
        name: &str,
        role: Role,
        owners: Owners,
        now: UnixMillis,
    ) -> Result<(String, SecretString), AccountError> {
        let (text, invitation) = new_invitation(now)?;
        let account = self.new_account(name, role, None, Some(invitation), now).await?;
        let id = account.id.clone();
        self.store
            .change_account(AccountChange::Add(account, owners))
            .await?;
        Ok((id, text))
    }

    /// Invites the person of an account again: the password, and with `forget_factor` the second factor, is forgotten.
    ///
    /// # Errors
    /// When there is no such account.
    pub async fn invite_again(
        &self,
        account: &str,
        forget_factor: bool,
        now: UnixMillis,
    ) -> Result<SecretString, AccountError> {
        let (text, invitation) = new_invitation(now)?;
        let change = AccountChange::Invite {
            account: account.to_owned(),
            invitation,
            forget_factor,
        };
        self.store.change_account(change).await?;
        Ok(text)
    }
}
