//! The emergency sheet: what the owner writes on it, and its printing, which is recorded each time.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use hubd_core::credentials::request::{CredentialsAnswer, CredentialsRefusal, CredentialsRequest};
use hubd_core::credentials::view::CredentialView;
use hubd_core::event::Event;
use hubd_core::input::{Refusal, Request};
use hubd_core::lifesafety::{LifeSafetyView, Readiness};
use hubd_core::view::LockView;
use hubd_model::{CredentialId, LinkState, LockId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::credentials::id;
use super::extract::{Json, Params, json};
use super::people::unexpected;
use super::problem::Problem;
use super::shape::rfc3339;
use crate::sheet::{Door, PINS_MAX, Paper, PinLine, Sheet, Texts, render};

/// What the owner writes on the emergency sheet. What is absent in a PUT is empty from then on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EmergencySheet)]
pub(super) struct SheetDto {
    /// Where the house is.
    #[serde(default)]
    #[schema(max_length = 2000)]
    address: String,
    /// What is on each floor.
    #[serde(default)]
    #[schema(max_length = 2000)]
    floor_notes: String,
    /// Where water, gas and power are shut off.
    #[serde(default)]
    #[schema(max_length = 2000)]
    shut_offs: String,
    /// Who lives here and may need help.
    #[serde(default)]
    #[schema(max_length = 2000)]
    people_and_pets: String,
    /// Whom to call.
    #[serde(default)]
    #[schema(max_length = 2000)]
    contacts: String,
    /// Where the key box is.
    #[serde(default)]
    #[schema(max_length = 2000)]
    key_box: String,
    /// A note for each door, by the lock's id.
    #[serde(default)]
    doors: BTreeMap<String, String>,
}

impl From<Texts> for SheetDto {
    fn from(texts: Texts) -> Self {
        let doors = texts.doors.into_iter();
        Self {
            address: texts.address,
            floor_notes: texts.floor_notes,
            shut_offs: texts.shut_offs,
            people_and_pets: texts.people_and_pets,
            contacts: texts.contacts,
            key_box: texts.key_box,
            doors: doors.map(|(lock, note)| (lock.into(), note)).collect(),
        }
    }
}

impl TryFrom<SheetDto> for Texts {
    type Error = Problem;

    fn try_from(dto: SheetDto) -> Result<Self, Problem> {
        let doors = dto.doors.into_iter();
        let texts = Self {
            address: dto.address,
            floor_notes: dto.floor_notes,
            shut_offs: dto.shut_offs,
            people_and_pets: dto.people_and_pets,
            contacts: dto.contacts,
            key_box: dto.key_box,
            doors: doors
                .map(|(lock, note)| Ok((id("doors", lock)?, note)))
                .collect::<Result<_, Problem>>()?,
        };
        texts
            .check()
            .map_err(|error| Problem::bad_request("bad_field", error.to_string()))
    }
}

/// What is to be on the paper besides.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SheetPins)]
pub(super) struct PinsDto {
    /// The ids of the credentials whose PINs are on it: these and no other.
    #[schema(max_items = 32)]
    pins: Vec<String>,
}

async fn stored(api: &Api) -> Result<Texts, Problem> {
    let row = api
        .store()
        .sheet()
        .await
        .map_err(|error| Problem::store(&error))?;
    let Some(row) = row else {
        return Ok(Texts::default());
    };
    Texts::from_row(&row).map_err(|error| {
        tracing::error!(%error, "the emergency sheet");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unreadable_sheet",
            error.to_string(),
        )
    })
}

/// What the owner wrote on the emergency sheet. Notes for locks that are gone are left out.
#[utoipa::path(get, path = "/api/v1/life-safety/sheet", tag = "life safety", operation_id = "get_emergency_sheet",
    responses(
    (status = 200, description = "The texts.", body = SheetDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn texts(State(api): State<Api>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let mut texts = stored(&api).await?;
    let locks = api.look(hubd_core::engine::Engine::locks).await?;
    texts
        .doors
        .retain(|id, _| locks.iter().any(|lock| lock.id == *id));
    Ok(json(StatusCode::OK, &SheetDto::from(texts)))
}

/// Writes the texts of the emergency sheet anew, as a whole.
#[utoipa::path(put, path = "/api/v1/life-safety/sheet", tag = "life safety", operation_id = "set_emergency_sheet",
    request_body = SheetDto, responses(
    (status = 200, description = "The texts as they are kept.", body = SheetDto),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set_texts(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    params: Params,
    Json(body): Json<SheetDto>,
) -> Result<Response, Problem> {
    params.finish()?;
    let texts = Texts::try_from(body)?;
    let locks = api.look(hubd_core::engine::Engine::locks).await?;
    let known = |id: &LockId| locks.iter().any(|lock| lock.id == *id);
    if let Some(missing) = texts.doors.keys().find(|id| !known(id)) {
        return Err(Refusal::NoSuchLock(missing.clone()).into());
    }
    let row = texts.to_row().map_err(|error| Problem::store(&error))?;
    api.store()
        .put_sheet(row)
        .await
        .map_err(|error| Problem::store(&error))?;
    api.record(Event::SheetChanged { by: caller.name });
    Ok(json(StatusCode::OK, &SheetDto::from(texts)))
}

/// Prints the emergency sheet, without any PIN. Each printing is recorded.
#[utoipa::path(get, path = "/api/v1/life-safety/sheet.pdf", tag = "life safety", operation_id = "print_emergency_sheet",
    params(("paper" = Option<String>, Query, description = "`a4`, which is the default, or `letter`.")), responses(
    (status = 200, description = "The sheet.", body = Vec<u8>, content_type = "application/pdf"),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn print(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    mut params: Params,
) -> Result<Response, Problem> {
    let paper = paper(&mut params)?;
    params.finish()?;
    printed(&api, &caller, paper, Vec::new()).await
}

/// Prints the emergency sheet with these PINs. Each PIN that is shown, and each printing, is recorded.
#[utoipa::path(post, path = "/api/v1/life-safety/sheet.pdf", tag = "life safety",
    operation_id = "print_emergency_sheet_with_pins", request_body = PinsDto,
    params(("paper" = Option<String>, Query, description = "`a4`, which is the default, or `letter`.")), responses(
    (status = 200, description = "The sheet.", body = Vec<u8>, content_type = "application/pdf"),
    (status = "default", description = "A problem.", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn print_with_pins(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    mut params: Params,
    Json(body): Json<PinsDto>,
) -> Result<Response, Problem> {
    let paper = paper(&mut params)?;
    params.finish()?;
    if body.pins.len() > PINS_MAX {
        let detail = format!("pins: expected at most {PINS_MAX}");
        return Err(Problem::bad_request("bad_field", detail));
    }
    let mut chosen: Vec<CredentialId> = Vec::new();
    for (index, text) in body.pins.into_iter().enumerate() {
        let credential = id(&format!("pins[{index}]"), text)?;
        if !chosen.contains(&credential) {
            chosen.push(credential);
        }
    }
    printed(&api, &caller, paper, chosen).await
}

fn paper(params: &mut Params) -> Result<Paper, Problem> {
    let paper = params.parse("paper", "a4 or letter", Paper::parse)?;
    Ok(paper.unwrap_or(Paper::A4))
}

async fn printed(
    api: &Api,
    caller: &Caller,
    paper: Paper,
    chosen: Vec<CredentialId>,
) -> Result<Response, Problem> {
    let texts = stored(api).await?;
    let wanted = chosen.clone();
    let (locks, safety, shown) = api
        .look(move |engine| {
            let find = |id: &CredentialId| {
                let found = engine.credential(id);
                let found = found.ok_or_else(|| CredentialsRefusal::NoSuchCredential(id.clone()))?;
                if found.means != "pin" {
                    return Err(CredentialsRefusal::NoPin(id.clone()));
                }
                let person = engine.people().into_iter().find(|one| one.id == found.person);
                Ok((found, person.map(|person| person.name)))
            };
            let shown: Result<Vec<_>, CredentialsRefusal> = wanted.iter().map(find).collect();
            (engine.locks(), engine.life_safety(), shown)
        })
        .await?;
    // Nothing is revealed unless all of it can be.
    let shown = shown.map_err(Refusal::Credentials)?;
    let mut pins = Vec::with_capacity(shown.len());
    for (credential, person) in shown {
        pins.push(pin_line(api, caller, credential, person, &locks).await?);
    }
    let event = Event::SheetPrinted {
        by: caller.name.clone(),
        paper: paper.as_str(),
        pins: pins.len(),
    };
    // Unlike other events of the API: no paper before the hub took its entry.
    api.request(Request::Record(event)).await?;
    let at = rfc3339(api.now());
    let (day, time) = (
        at.get(..10).unwrap_or_default(),
        at.get(11..16).unwrap_or_default(),
    );
    let sheet = Sheet {
        printed: format!("printed {day} {time} UTC by {}", caller.name),
        doors: locks.iter().map(|lock| door(lock, &safety, &texts)).collect(),
        texts,
        pins,
    };
    let headers = [
        (CONTENT_TYPE, "application/pdf"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_DISPOSITION, "inline; filename=\"emergency-sheet.pdf\""),
    ];
    Ok((headers, render(&sheet, paper)).into_response())
}

/// Asks for a PIN as a person who wants to see it does: it is recorded the same way.
async fn pin_line(
    api: &Api,
    caller: &Caller,
    credential: CredentialView,
    person: Option<String>,
    locks: &[LockView],
) -> Result<PinLine, Problem> {
    let what = CredentialsRequest::Reveal {
        credential: credential.id,
    };
    let CredentialsAnswer::Pin(pin) = api.credentials(caller, what).await? else {
        return Err(unexpected());
    };
    let doors = locks.iter().filter(|lock| credential.locks.contains(&lock.id));
    let doors: Vec<&str> = doors.map(|lock| lock.name.as_str()).collect();
    let who = person.unwrap_or_default();
    Ok(PinLine {
        whose: [who, credential.label]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(", "),
        doors: if doors.is_empty() {
            "on no door now".to_owned()
        } else {
            format!("opens: {}", doors.join(", "))
        },
        pin,
    })
}

fn door(lock: &LockView, safety: &LifeSafetyView, texts: &Texts) -> Door {
    let mut facts = vec![lock.description.model.clone()];
    let able = &lock.description.lock;
    if able.pin_slots > 0 {
        facts.push("Opens with a PIN at its keypad.".to_owned());
    }
    facts.push(match &lock.battery {
        Some(battery) => {
            let at = rfc3339(battery.at);
            let day = at.get(..10).unwrap_or_default();
            format!("Battery: {} % ({day}).", battery.value.percent())
        }
        None => "Battery: not known.".to_owned(),
    });
    match lock.link {
        LinkState::Offline => facts.push("It did not answer the hub when this was printed.".to_owned()),
        LinkState::Online | LinkState::Unknown => {}
    }
    let armed = match safety.readiness {
        Readiness::Armed | Readiness::Maintenance => true,
        Readiness::Off | Readiness::Unreadable(_) => false,
    };
    let rule = safety.policy.as_ref().filter(|_| armed);
    let hazards = rule.and_then(|policy| policy.rules.doors.get(&lock.id));
    facts.push(hazards.map_or_else(
        || "The hub does not unlock it by itself.".to_owned(),
        |rule| {
            let names: Vec<&str> = rule.hazards.iter().map(|hazard| hazard.as_str()).collect();
            format!("The hub unlocks it when detectors report: {}.", names.join(", "))
        },
    ));
    Door {
        name: lock.name.clone(),
        facts,
        note: texts.doors.get(&lock.id).cloned().unwrap_or_default(),
    }
}
