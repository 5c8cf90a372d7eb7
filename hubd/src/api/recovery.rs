//! Recovery keys: list their recipients, make one (it is shown once) and remove one.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hubd_core::event::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::extract::{Json, Params, json};
use super::problem::Problem;
use super::shape::rfc3339;
use crate::backups::{Backups, KeyRefused};
use crate::store::{RecoveryRecipient, StoreError};
use crate::token::check_name;

/// A recovery key, without the key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecoveryKey)]
pub(super) struct RecoveryKeyDto {
    /// For whom everything is sealed. It is no secret.
    #[schema(example = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p")]
    recipient: String,
    /// Where its paper lies, for people.
    name: String,
    /// When it was added; absent for one of the configuration, which is removed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    added_at: Option<String>,
}

impl From<RecoveryRecipient> for RecoveryKeyDto {
    fn from(one: RecoveryRecipient) -> Self {
        Self {
            recipient: one.recipient,
            name: one.name,
            added_at: one.added_at.map(rfc3339),
        }
    }
}

/// A recovery key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRecoveryKey)]
pub(super) struct NewRecoveryKeyDto {
    /// Where its paper will lie, for people.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
}

/// A recovery key that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeRecoveryKey)]
pub(super) struct MadeDto {
    #[serde(flatten)]
    kept: RecoveryKeyDto,
    /// The key as 24 words with a checksum, for a hand; shown here and never again.
    #[schema(min_items = 24, max_items = 24)]
    words: Vec<&'static str>,
    /// The same as age's own text, for a scanner.
    #[schema(format = Password)]
    key: String,
}

impl From<KeyRefused> for Problem {
    fn from(refused: KeyRefused) -> Self {
        let told = refused.to_string();
        match refused {
            KeyRefused::NoSuch | KeyRefused::Store(StoreError::NoSuchRecipient(_)) => {
                let detail = KeyRefused::NoSuch.to_string();
                Self::new(StatusCode::NOT_FOUND, "no_such_recovery_key", detail)
            }
            KeyRefused::Configured => Self::new(StatusCode::CONFLICT, "recovery_key_configured", told),
            KeyRefused::Store(StoreError::TooManyRecipients(_)) => {
                Self::new(StatusCode::CONFLICT, "too_many", told)
            }
            KeyRefused::Key(_) => super::no_randomness(),
            KeyRefused::Store(error) => Self::store(&error),
        }
    }
}

/// Does something with the recovery keys where nothing else waits for the disk.
async fn apart<T: Send + 'static>(
    api: &Api,
    work: impl FnOnce(&Api, &Backups) -> Result<T, KeyRefused> + Send + 'static,
) -> Result<T, Problem> {
    let backups = api.backups().cloned().ok_or_else(|| {
        let detail = "this hub makes no recovery keys; make them with `hubd keys make`";
        Problem::new(StatusCode::NOT_FOUND, "no_such_recovery_key", detail)
    })?;
    let api = api.clone();
    match tokio::task::spawn_blocking(move || work(&api, &backups)).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(Problem::store(&error)),
    }
}

/// The recovery keys' recipients, never the keys. Without any, nobody opens a backup when this machine is gone.
#[utoipa::path(get, path = "/api/v1/recovery-keys", tag = "backups", operation_id = "list_recovery_keys", responses(
    (status = 200, description = "The recipients, those of the configuration first.", body = [RecoveryKeyDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let all = apart(&api, |_, backups| Ok(backups.recovery_keys()?)).await?;
    let shown: Vec<_> = all.into_iter().map(RecoveryKeyDto::from).collect();
    Ok(json(StatusCode::OK, &shown))
}

/// Makes a recovery key and seals everything for it, also what was sealed before. Its words are in the answer and nowhere
/// else: print them, and keep the paper where fire and thieves do not come.
#[utoipa::path(post, path = "/api/v1/recovery-keys", tag = "backups", operation_id = "make_recovery_key",
    request_body = NewRecoveryKeyDto, responses(
    (status = 201, description = "The recovery key.", body = MadeDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn make(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<NewRecoveryKeyDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    check_name(&body.name).map_err(|error| Problem::bad_request("bad_name", error.to_string()))?;
    // Recorded with what was done, also when the client has gone meanwhile.
    let (key, kept) = apart(&api, move |api, backups| {
        let (key, kept) = backups.make_recovery_key(body.name)?;
        tracing::info!(name = %kept.name, by = %caller.name, "a recovery key was made");
        api.record(Event::RecoveryKeyAdded {
            recipient: kept.recipient.clone(),
            name: kept.name.clone(),
            by: caller.name,
        });
        Ok((key, kept))
    })
    .await?;
    let made = MadeDto {
        kept: kept.into(),
        words: key.words().map_err(KeyRefused::Key)?,
        key: key.text().expose().to_owned(),
    };
    Ok(json(StatusCode::CREATED, &made))
}

/// Removes a recovery key: nothing is sealed for it any more. Backups that were made before still open with it.
#[utoipa::path(delete, path = "/api/v1/recovery-keys/{recipient}", tag = "backups",
    operation_id = "remove_recovery_key",
    params(("recipient" = String, Path, description = "The recovery key's recipient.")), responses(
    (status = 204, description = "Nothing is sealed for it any more."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Path(recipient): Path<String>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    apart(&api, move |api, backups| {
        let removed = backups.remove_recovery_key(&recipient)?;
        tracing::info!(name = %removed.name, by = %caller.name, "a recovery key was removed");
        api.record(Event::RecoveryKeyRemoved {
            recipient: removed.recipient,
            name: removed.name,
            by: caller.name,
        });
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
