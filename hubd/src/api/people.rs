//! People of the household: who they are. What opens a door for them are their credentials.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hubd_core::credentials::request::{
    CredentialsAnswer, CredentialsRefusal, CredentialsRequest, NewPerson, PersonPatch,
};
use hubd_core::credentials::view::PersonView;
use hubd_core::engine::Engine;
use hubd_core::input::{Answer, Refusal, Request};
use hubd_model::PersonId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::extract::{Id, Json, Params, json};
use super::problem::Problem;
use super::schedules::{patch, present};
use super::session::RoleName;
use super::shape::rfc3339;

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Person)]
pub(super) struct PersonDto {
    /// Their id.
    id: String,
    /// Their name.
    name: String,
    /// What they are to the household.
    role: RoleName,
    /// Whether they may have an account.
    may_sign_in: bool,
    /// Since when they are known.
    #[schema(format = DateTime)]
    created_at: String,
    /// The ids of their credentials.
    credentials: Vec<String>,
}

impl From<PersonView> for PersonDto {
    fn from(person: PersonView) -> Self {
        Self {
            id: person.id.into(),
            name: person.name,
            role: person.role.into(),
            may_sign_in: person.may_sign_in,
            created_at: rfc3339(person.created_at),
            credentials: person.credentials.into_iter().map(String::from).collect(),
        }
    }
}

/// A person to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPerson)]
pub(super) struct NewPersonDto {
    /// Their name, without control characters.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// What they are to the household.
    role: RoleName,
    /// Whether they may have an account.
    #[serde(default)]
    may_sign_in: bool,
}

/// A change of a person: what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PersonChange)]
pub(super) struct PersonPatchDto {
    /// Their name, without control characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(min_length = 1, max_length = 64)]
    name: Option<String>,
    /// What they are to the household.
    #[serde(default, deserialize_with = "present")]
    role: Option<RoleName>,
    /// Whether they may have an account.
    #[serde(default, deserialize_with = "present")]
    may_sign_in: Option<bool>,
}

impl Api {
    /// Asks the part of the mind that keeps people and credentials.
    pub(super) async fn credentials(
        &self,
        caller: &Caller,
        what: CredentialsRequest,
    ) -> Result<CredentialsAnswer, Problem> {
        let request = Request::Credentials {
            what: Box::new(what),
            requester: caller.name.clone(),
        };
        match self.request(request).await? {
            Answer::Credentials { answer, .. } => Ok(answer),
            Answer::Command(_) | Answer::Accepted | Answer::Incident(_) => Err(unexpected()),
        }
    }
}

/// An answer that belongs to another request.
pub(super) fn unexpected() -> Problem {
    tracing::error!("the mind answered another request than the one that was asked");
    let detail = "the hub gave an answer that does not fit; see its log";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}

fn answered(status: StatusCode, answer: CredentialsAnswer) -> Result<Response, Problem> {
    match answer {
        CredentialsAnswer::Person(person) => Ok(json(status, &PersonDto::from(person))),
        CredentialsAnswer::Credential { .. } | CredentialsAnswer::Pin(_) | CredentialsAnswer::Done => {
            Err(unexpected())
        }
    }
}

/// Everybody of the household.
#[utoipa::path(get, path = "/api/v1/people", tag = "people", operation_id = "list_people", responses(
    (status = 200, description = "Everybody.", body = [PersonDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let people = api.look(Engine::people).await?;
    let people: Vec<PersonDto> = people.into_iter().map(PersonDto::from).collect();
    Ok(json(StatusCode::OK, &people))
}

/// One person.
#[utoipa::path(get, path = "/api/v1/people/{id}", tag = "people", operation_id = "get_person",
    params(("id" = String, Path, description = "The person's id.")), responses(
    (status = 200, description = "The person.", body = PersonDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(id): Id<PersonId>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let wanted = id.clone();
    let person = api.look(move |engine| engine.person(&wanted)).await?;
    let person = person.ok_or(Refusal::Credentials(CredentialsRefusal::NoSuchPerson(id)))?;
    Ok(json(StatusCode::OK, &PersonDto::from(person)))
}

/// Adds a person. They open no door until they have a credential.
#[utoipa::path(post, path = "/api/v1/people", tag = "people", operation_id = "add_person",
    request_body = NewPersonDto, responses(
    (status = 201, description = "The person.", body = PersonDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<NewPersonDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let person = NewPerson {
        name: body.name,
        role: body.role.into(),
        may_sign_in: body.may_sign_in,
    };
    let answer = api
        .credentials(&caller, CredentialsRequest::AddPerson(person))
        .await?;
    answered(StatusCode::CREATED, answer)
}

/// Changes a person.
#[utoipa::path(patch, path = "/api/v1/people/{id}", tag = "people", operation_id = "change_person",
    params(("id" = String, Path, description = "The person's id.")), request_body = PersonPatchDto, responses(
    (status = 200, description = "The person as it is now.", body = PersonDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn change(
    State(api): State<Api>,
    Id(person): Id<PersonId>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<PersonPatchDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let changes = PersonPatch {
        name: patch(body.name),
        role: patch(body.role.map(Into::into)),
        may_sign_in: patch(body.may_sign_in),
    };
    let what = CredentialsRequest::ChangePerson {
        person,
        patch: changes,
    };
    answered(StatusCode::OK, api.credentials(&caller, what).await?)
}

/// Removes a person and revokes everything that opens a door for them. Each lock is made free of it, at once or as soon
/// as it answers; `slot.synced` tells it for each.
#[utoipa::path(delete, path = "/api/v1/people/{id}", tag = "people", operation_id = "remove_person",
    params(("id" = String, Path, description = "The person's id.")), responses(
    (status = 204, description = "The person is removed."),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Id(person): Id<PersonId>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    api.credentials(&caller, CredentialsRequest::RemovePerson { person })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
