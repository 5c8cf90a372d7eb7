//! Radios: their state, and how devices come in and go out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hubd_core::engine::Engine;
use hubd_core::input::{Refusal, Request};
use hubd_core::view::RadioView;
use hubd_model::{
    DeviceKind, InclusionAnswer, InclusionProgress, InclusionQuestion, InclusionState, InclusionStrategy,
    RadioName, RadioState,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::extract::{Id, Json, OptionalJson, Params, SecretField, json};
use super::health::RadioWord;
use super::problem::Problem;
use super::shape::{KindName, SecurityName, Stage};

/// A radio.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Radio)]
pub(super) struct RadioDto {
    /// Its name.
    name: String,
    /// Its state.
    state: RadioWord,
    /// What is wrong, what the hub does and what a person can do; absent while it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How far an inclusion is.
    inclusion: Stage,
    /// How far an exclusion is.
    exclusion: Stage,
}

impl From<RadioView> for RadioDto {
    fn from(radio: RadioView) -> Self {
        Self {
            name: radio.name.into(),
            state: RadioWord::of(&radio.state),
            inclusion: radio.inclusion.state.into(),
            exclusion: radio.exclusion.state.into(),
            reason: match radio.state {
                RadioState::Starting | RadioState::Ready => None,
                RadioState::Failing { reason } | RadioState::Away { reason } => Some(reason),
            },
        }
    }
}

/// How a device shall be included.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInclusion)]
pub(super) struct NewInclusionDto {
    /// How.
    #[serde(default)]
    strategy: Strategy,
    /// The QR code's text or the DSK; for `smartstart`, and for `s2` if no PIN shall be asked.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password)]
    code: Option<SecretField>,
}

/// How a device shall be included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Strategy {
    /// The best security that the device offers.
    #[default]
    Default,
    /// Z-Wave S2 or nothing.
    S2,
    /// Z-Wave S0 only.
    S0,
    /// Remember the code and include the device when it announces itself.
    Smartstart,
}

/// The answer to an inclusion's question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InclusionAnswer)]
pub(super) struct AnswerDto {
    /// The five digits on the device's label.
    #[schema(value_type = String, format = Password, pattern = "^[0-9]{5}$")]
    dsk_pin: SecretField,
}

/// Where an inclusion or exclusion stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Inclusion)]
pub(super) struct ProgressDto {
    /// How far it is.
    state: Stage,
    /// What a person has to answer, while `state` is `asking`.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<QuestionDto>,
    /// The device, once it has an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceDto>,
    /// The link's protection, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    security: Option<SecurityName>,
    /// Why it failed, while `state` is `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDto>,
    /// How many announced devices may join by themselves (SmartStart); DELETE while nothing else is under way
    /// withdraws them all.
    expected: u16,
}

/// What a person has to answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = InclusionQuestion)]
pub(super) enum QuestionDto {
    /// The five digits before the rest of the device's key.
    DskPin {
        /// The key with the five digits blank.
        dsk: String,
    },
}

/// A device that is being included.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IncludedDevice)]
pub(super) struct DeviceDto {
    /// What it is to the household.
    kind: KindName,
    /// The lock's or detector's id, once it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// Why an inclusion or exclusion failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InclusionError)]
pub(super) struct ErrorDto {
    /// Stable, for programs.
    code: String,
    /// For people.
    detail: String,
}

/// Which of the two.
#[derive(Debug, Clone, Copy)]
enum Way {
    In,
    Out,
}

impl ProgressDto {
    fn new(engine: &Engine, radio: &RadioName, progress: InclusionProgress) -> Self {
        let device = progress.device.map(|(address, kind)| {
            let id = match kind {
                DeviceKind::Lock => engine.lock_at(radio, &address).map(Into::into),
                DeviceKind::Alarm => engine.alarm_at(radio, &address).map(Into::into),
                DeviceKind::Other => None,
            };
            DeviceDto {
                kind: kind.into(),
                id,
            }
        });
        Self {
            state: progress.state.into(),
            question: progress.question.map(|question| match question {
                InclusionQuestion::DskPin { dsk } => QuestionDto::DskPin { dsk },
            }),
            device,
            security: progress.security.map(Into::into),
            expected: progress.expected,
            error: progress.error.map(|error| ErrorDto {
                code: error.code,
                detail: error.detail,
            }),
        }
    }
}

/// Every radio, in the configuration's order.
#[utoipa::path(get, path = "/api/v1/radios", tag = "radios", operation_id = "list_radios",
    responses(
    (status = 200, description = "Every radio.", body = [RadioDto]),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let radios = api.look(Engine::radios).await?;
    Ok(json(
        StatusCode::OK,
        &radios.into_iter().map(RadioDto::from).collect::<Vec<_>>(),
    ))
}

/// One radio.
#[utoipa::path(get, path = "/api/v1/radios/{name}", tag = "radios", operation_id = "get_radio",
    params(("name" = String, Path, description = "The radio's name.")), responses(
    (status = 200, description = "The radio.", body = RadioDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(api): State<Api>,
    Id(name): Id<RadioName>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let wanted = name.clone();
    let radio = api.look(move |engine| engine.radio(&wanted)).await?;
    let radio = radio.ok_or(Refusal::NoSuchRadio(name))?;
    Ok(json(StatusCode::OK, &RadioDto::from(radio)))
}

/// Starts an inclusion: then put the device into its pairing mode. Follow it with GET on the same path.
#[utoipa::path(post, path = "/api/v1/radios/{name}/inclusion", tag = "radios", operation_id = "start_inclusion",
    params(("name" = String, Path, description = "The radio's name.")),
    request_body = Option<NewInclusionDto>, responses(
    (status = 202, description = "The radio was asked.", body = ProgressDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn include(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    params: Params,
    OptionalJson(body): OptionalJson<NewInclusionDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let code = body.code.map(|field| field.0);
    let strategy = match (body.strategy, code) {
        (Strategy::Default, None) => InclusionStrategy::Default,
        (Strategy::S2, code) => InclusionStrategy::S2(code),
        (Strategy::S0, None) => InclusionStrategy::S0,
        (Strategy::Smartstart, Some(code)) => InclusionStrategy::SmartStart(code),
        (Strategy::Smartstart, None) => {
            let detail = "code: smartstart needs the QR code's text or the DSK";
            return Err(Problem::bad_request("missing_field", detail));
        }
        (Strategy::Default | Strategy::S0, Some(_)) => {
            let detail = "code: only the strategies s2 and smartstart take a code";
            return Err(Problem::bad_request("bad_field", detail));
        }
    };
    api.request(Request::Include {
        radio: radio.clone(),
        strategy,
    })
    .await?;
    progress(&api, radio, Way::In, StatusCode::ACCEPTED).await
}

/// Where the inclusion stands.
#[utoipa::path(get, path = "/api/v1/radios/{name}/inclusion", tag = "radios", operation_id = "get_inclusion",
    params(("name" = String, Path, description = "The radio's name.")), responses(
    (status = 200, description = "Where it stands.", body = ProgressDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn inclusion(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    progress(&api, radio, Way::In, StatusCode::OK).await
}

/// Answers the inclusion's question.
#[utoipa::path(post, path = "/api/v1/radios/{name}/inclusion/answer", tag = "radios",
    operation_id = "answer_inclusion",
    params(("name" = String, Path, description = "The radio's name.")), request_body = AnswerDto, responses(
    (status = 202, description = "The radio has the answer.", body = ProgressDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn answer(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    params: Params,
    Json(body): Json<AnswerDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let pin = body.dsk_pin.0;
    if pin.expose().len() != 5 || !pin.expose().bytes().all(|b| b.is_ascii_digit()) {
        return Err(Problem::bad_request(
            "bad_field",
            "dsk_pin: expected the five digits on the label",
        ));
    }
    let answer = InclusionAnswer::DskPin(pin);
    api.request(Request::AnswerInclusion {
        radio: radio.clone(),
        answer,
    })
    .await?;
    progress(&api, radio, Way::In, StatusCode::ACCEPTED).await
}

/// Ends the inclusion under way.
#[utoipa::path(delete, path = "/api/v1/radios/{name}/inclusion", tag = "radios", operation_id = "cancel_inclusion",
    params(("name" = String, Path, description = "The radio's name.")), responses(
    (status = 202, description = "The radio was asked to end it.", body = ProgressDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cancel_inclusion(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    cancel(&api, radio, Way::In).await
}

/// Starts an exclusion: then put the device into its exclusion mode. Follow it with GET on the same path.
#[utoipa::path(post, path = "/api/v1/radios/{name}/exclusion", tag = "radios", operation_id = "start_exclusion",
    params(("name" = String, Path, description = "The radio's name.")), responses(
    (status = 202, description = "The radio was asked.", body = ProgressDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn exclude(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    api.request(Request::Exclude { radio: radio.clone() }).await?;
    progress(&api, radio, Way::Out, StatusCode::ACCEPTED).await
}

/// Where the exclusion stands.
#[utoipa::path(get, path = "/api/v1/radios/{name}/exclusion", tag = "radios", operation_id = "get_exclusion",
    params(("name" = String, Path, description = "The radio's name.")), responses(
    (status = 200, description = "Where it stands.", body = ProgressDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn exclusion(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    progress(&api, radio, Way::Out, StatusCode::OK).await
}

/// Ends the exclusion under way.
#[utoipa::path(delete, path = "/api/v1/radios/{name}/exclusion", tag = "radios", operation_id = "cancel_exclusion",
    params(("name" = String, Path, description = "The radio's name.")), responses(
    (status = 202, description = "The radio was asked to end it.", body = ProgressDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cancel_exclusion(
    State(api): State<Api>,
    Id(radio): Id<RadioName>,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    cancel(&api, radio, Way::Out).await
}

/// The mind ends whichever is under way; here it is made sure that it is the one that the path names.
async fn cancel(api: &Api, radio: RadioName, way: Way) -> Result<Response, Problem> {
    let wanted = radio.clone();
    let state = api
        .look(move |engine| engine.radio(&wanted).map(|radio| of(radio, way).state))
        .await?;
    match state {
        None => return Err(Refusal::NoSuchRadio(radio).into()),
        Some(InclusionState::Idle | InclusionState::Done | InclusionState::Failed) => {
            return Err(Refusal::NothingUnderWay(radio).into());
        }
        Some(
            InclusionState::Waiting
            | InclusionState::Asking
            | InclusionState::Securing
            | InclusionState::Interviewing,
        ) => {}
    }
    api.request(Request::CancelInclusion { radio: radio.clone() })
        .await?;
    progress(api, radio, way, StatusCode::ACCEPTED).await
}

fn of(radio: RadioView, way: Way) -> InclusionProgress {
    match way {
        Way::In => radio.inclusion,
        Way::Out => radio.exclusion,
    }
}

async fn progress(api: &Api, radio: RadioName, way: Way, status: StatusCode) -> Result<Response, Problem> {
    let wanted = radio.clone();
    let progress = api
        .look(move |engine| {
            engine
                .radio(&wanted)
                .map(|radio| ProgressDto::new(engine, &wanted, of(radio, way)))
        })
        .await?;
    Ok(json(status, &progress.ok_or(Refusal::NoSuchRadio(radio))?))
}
