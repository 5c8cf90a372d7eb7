//! The HTTP API under `/api/v1`: one file per resource, each with its requests and answers together.
//!
//! Promise: nothing of the house but its health answers without a token or session; every error is a problem with a stable
//! code; no request, however slow or large, holds up another or the doors.

mod access;
mod account;
mod accounts;
mod alarms;
mod auth;
mod backups;
mod commands;
mod connection;
pub mod console;
mod cookie;
mod credentials;
mod dongles;
mod doors;
mod drills;
mod events;
mod extract;
mod headers;
mod health;
mod incidents;
mod life_safety;
mod locks;
mod notifications;
pub mod openapi;
mod passkeys;
mod people;
mod problem;
mod radios;
mod recovery;
mod refusals;
mod schedules;
mod security;
pub mod server;
mod session;
mod sessions;
mod shape;
mod sheet;
mod slots;
mod stream;
mod strict;
mod tokens;
mod trust;
mod ui;
mod verification;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{delete, get, patch, post, put};
use hubd_core::engine::Engine;
use hubd_core::event::Event;
use hubd_core::input::{Answer, Request};
use hubd_core::view::CommandView;
use hubd_model::UnixMillis;
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::backups::Backups;
use crate::hub::Hub;
use crate::notify::Notifier;
use crate::store::Store;
use auth::Gate;
pub use doors::Dates;
use problem::Problem;
use verification::Verification;

/// How much of everything the server gives.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Whether a reverse proxy tells the client's address.
    pub behind_proxy: bool,
    /// Whether clients come over TLS, to the hub or to the proxy before it.
    pub secure: bool,
    /// Whether browsers are told to come over TLS only from now on.
    pub hsts: bool,
    /// Connections at once; half of them are kept for clients that have shown a token.
    pub connections_max: usize,
    /// Event streams at once.
    pub streams_max: usize,
    /// How long a client may take for a request's head, and how long a connection may be idle.
    pub header_time: Duration,
    /// How long a client may take nothing of what it is sent.
    pub patience: Duration,
    /// How long the mind may take to answer.
    pub answer_time: Duration,
    /// How often an event stream shows that it lives.
    pub heartbeat: Duration,
    /// How long requests under way may take when the hub stops.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            behind_proxy: false,
            secure: false,
            hsts: false,
            connections_max: 256,
            streams_max: 64,
            header_time: Duration::from_secs(30),
            patience: Duration::from_secs(20),
            answer_time: Duration::from_secs(5),
            heartbeat: Duration::from_secs(15),
            farewell: Duration::from_secs(3),
        }
    }
}

/// What every handler works with; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

/// Tells the time of day, for labels.
pub type Clock = fn() -> UnixMillis;

struct Inner {
    hub: Hub,
    store: Store,
    accounts: Accounts,
    clock: Clock,
    gate: Gate,
    limits: Limits,
    streams: Arc<Semaphore>,
    verification: Verification,
    stopping: CancellationToken,
    /// The certificate of the hub's own authority, for phones to trust.
    authority: OnceLock<Box<[u8]>>,
    /// Whom the hub tells what happened.
    notifier: OnceLock<Notifier>,
    /// By which hours are judged.
    dates: OnceLock<Dates>,
    /// Makes and keeps backups.
    backups: OnceLock<Backups>,
}

impl Api {
    /// An API for this hub and store; it ends its streams and waits when `stopping` is cancelled.
    pub fn new(hub: Hub, store: Store, clock: Clock, limits: Limits, stopping: CancellationToken) -> Self {
        let streams = Arc::new(Semaphore::new(limits.streams_max));
        Self(Arc::new(Inner {
            hub,
            accounts: Accounts::new(store.clone()),
            store,
            clock,
            gate: Gate::default(),
            limits,
            streams,
            verification: Verification::default(),
            stopping,
            authority: OnceLock::new(),
            notifier: OnceLock::new(),
            dates: OnceLock::new(),
            backups: OnceLock::new(),
        }))
    }

    /// The same API, which also hands out the certificate of the hub's own authority, in DER.
    #[must_use]
    pub fn with_authority(self, certificate: Option<&[u8]>) -> Self {
        if let Some(certificate) = certificate {
            self.0.authority.get_or_init(|| certificate.into());
        }
        self
    }

    /// The same API, which also shows and tests these notification outputs.
    #[must_use]
    pub fn with_notifier(self, notifier: Notifier) -> Self {
        self.0.notifier.get_or_init(|| notifier);
        self
    }

    /// The same API, which judges hours by these dates; without them only what is open at every hour is open.
    #[must_use]
    pub fn with_dates(self, dates: Dates) -> Self {
        self.0.dates.get_or_init(|| dates);
        self
    }

    fn dates(&self) -> Option<&Dates> {
        self.0.dates.get()
    }

    /// The same API, by which backups are made and kept.
    #[must_use]
    pub fn with_backups(self, backups: Backups) -> Self {
        self.0.backups.get_or_init(|| backups);
        self
    }

    fn backups(&self) -> Option<&Backups> {
        self.0.backups.get()
    }

    fn notifier(&self) -> Option<&Notifier> {
        self.0.notifier.get()
    }

    fn authority(&self) -> Option<&[u8]> {
        self.0.authority.get().map(AsRef::as_ref)
    }

    fn gate(&self) -> &Gate {
        &self.0.gate
    }

    fn limits(&self) -> &Limits {
        &self.0.limits
    }

    fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    fn verification(&self) -> &Verification {
        &self.0.verification
    }

    fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    fn now(&self) -> UnixMillis {
        (self.0.clock)()
    }

    fn command_changes(&self) -> broadcast::Receiver<CommandView> {
        self.0.hub.command_changes()
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        Ok(self.in_time(self.0.hub.look(look)).await??)
    }

    async fn request(&self, request: Request) -> Result<Answer, Problem> {
        Ok(self.in_time(self.0.hub.request(request)).await??)
    }

    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Problem> {
        tokio::time::timeout(self.0.limits.answer_time, answer)
            .await
            .map_err(|_| {
                let detail = "the hub did not answer in time; look at the lock before asking again";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_answer", detail).retry_after(5)
            })
    }

    /// Records something that happened here. Nobody waits for it; when the hub is too busy the log still has it.
    fn record(&self, event: Event) {
        if let Err(error) = self.0.hub.tell(Request::Record(event)) {
            tracing::warn!(%error, "an event of the API could not be recorded");
        }
    }
}

/// The router with the gate in front of everything.
fn router(api: Api) -> Router {
    let v1 = Router::new()
        .route("/health", get(health::health))
        .route("/radios", get(radios::list))
        .route("/radios/{name}", get(radios::one))
        .route("/radios/{name}/memory", get(dongles::one))
        .route("/radios/{name}/memory/copy", post(dongles::copy))
        .route("/radios/{name}/memory/restore", post(dongles::restore))
        .route(
            "/radios/{name}/inclusion",
            get(radios::inclusion)
                .post(radios::include)
                .delete(radios::cancel_inclusion),
        )
        .route("/radios/{name}/inclusion/answer", post(radios::answer))
        .route(
            "/radios/{name}/exclusion",
            get(radios::exclusion)
                .post(radios::exclude)
                .delete(radios::cancel_exclusion),
        )
        .route("/locks", get(locks::list))
        .route(
            "/locks/{id}",
            get(locks::one).patch(locks::rename).delete(locks::remove),
        )
        .route("/locks/{id}/refresh", post(locks::refresh))
        .route("/locks/{id}/commands", post(commands::create))
        .route("/slots", get(slots::list))
        .route("/locks/{id}/slots", get(slots::one).delete(slots::forget))
        .route("/locks/{id}/slots/refresh", post(slots::refresh))
        .route("/locks/{id}/slots/refill", post(slots::refill))
        .route("/locks/{id}/slots/{kind}/{slot}", delete(slots::clear))
        .route("/locks/{id}/slots/{kind}/{slot}/retry", post(slots::retry))
        .route("/locks/{id}/slots/{kind}/{slot}/adopt", post(slots::adopt))
        .route("/locks/{id}/slots/{kind}/{slot}/ignore", post(slots::ignore))
        .route("/people", get(people::list).post(people::add))
        .route(
            "/people/{id}",
            get(people::one).patch(people::change).delete(people::remove),
        )
        .route("/credentials", get(credentials::list).post(credentials::add))
        .route(
            "/credentials/{id}",
            get(credentials::one)
                .patch(credentials::change)
                .delete(credentials::remove),
        )
        .route(
            "/credentials/{id}/locks/{lock}",
            put(credentials::assign).delete(credentials::unassign),
        )
        .route("/credentials/{id}/rotation", post(credentials::rotate))
        .route("/credentials/{id}/reveal", post(credentials::reveal))
        .route("/credentials/{id}/enrolment", post(credentials::enrol))
        .route(
            "/credentials/{id}/emergency",
            post(credentials::enable).delete(credentials::disable),
        )
        .route("/pins", post(credentials::generate))
        .route("/commands/{id}", get(commands::one))
        .route("/alarms", get(alarms::list))
        .route(
            "/alarms/{id}",
            get(alarms::one).patch(alarms::rename).delete(alarms::remove),
        )
        .route(
            "/life-safety",
            get(life_safety::policy).put(life_safety::set_policy),
        )
        .route("/life-safety/state", get(life_safety::state))
        .route(
            "/life-safety/maintenance",
            post(life_safety::start_maintenance).delete(life_safety::end_maintenance),
        )
        .route("/life-safety/occupancy", put(life_safety::set_occupancy))
        .route(
            "/life-safety/incidents",
            get(incidents::list).post(incidents::call_for_help),
        )
        .route("/life-safety/incidents/{id}", get(incidents::one))
        .route("/life-safety/incidents/{id}/evidence", get(incidents::evidence))
        .route("/life-safety/incidents/{id}/release", post(incidents::release))
        .route("/life-safety/incidents/{id}/cancel", post(incidents::cancel))
        .route("/life-safety/incidents/{id}/close", post(incidents::close))
        .route("/life-safety/incidents/{id}/review", post(incidents::review))
        .route(
            "/life-safety/drills",
            get(drills::list).post(drills::start).delete(drills::end),
        )
        .route("/life-safety/drills/{id}", get(drills::one))
        .route("/life-safety/sheet", get(sheet::texts).put(sheet::set_texts))
        .route(
            "/life-safety/sheet.pdf",
            get(sheet::print).post(sheet::print_with_pins),
        )
        .route("/events", get(events::list))
        .route(
            "/events/verification",
            get(verification::one).post(verification::begin),
        )
        .route("/events/stream", get(stream::stream))
        .route("/backups", get(backups::list).post(backups::create))
        .route("/backups/{name}", get(backups::one).delete(backups::remove))
        .route("/backups/{name}/rehearsal", post(backups::rehearse))
        .route("/recovery-keys", get(recovery::list).post(recovery::make))
        .route("/recovery-keys/{recipient}", delete(recovery::remove))
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", delete(tokens::remove))
        .route("/notifications", get(notifications::list))
        .route("/notifications/{name}/test", post(notifications::test))
        .route("/setup", get(session::setup).post(session::set_up))
        .route("/invitation", post(session::take_invitation))
        .route(
            "/session",
            get(session::one).post(session::sign_in).delete(session::sign_out),
        )
        .route("/session/second-factor", post(session::second_factor))
        .route("/session/second-factor/passkey", post(passkeys::ask))
        .route("/session/confirmation", post(session::confirm))
        .route("/session/confirmation/passkey", post(passkeys::ask_again))
        .route("/sessions", get(sessions::list).delete(sessions::remove_others))
        .route("/sessions/{id}", delete(sessions::remove))
        .route("/security", get(security::one).put(security::set))
        .route("/account", get(account::one))
        .route("/account/password", put(account::password))
        .route(
            "/account/totp",
            post(account::begin_totp)
                .put(account::finish_totp)
                .delete(account::remove_totp),
        )
        .route(
            "/account/passkeys",
            get(passkeys::list).post(passkeys::begin).put(passkeys::finish),
        )
        .route("/account/passkeys/{id}", delete(passkeys::remove))
        .route("/account/recovery-codes", post(account::recovery_codes))
        .route("/accounts", get(accounts::list).post(accounts::create))
        .route("/accounts/{id}", patch(accounts::change).delete(accounts::remove))
        .route("/accounts/{id}/invitation", post(accounts::invite))
        .route("/openapi.json", get(openapi::serve));
    Router::new()
        .nest("/api/v1", v1)
        .fallback(async || Problem::no_such_path())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(axum::middleware::from_fn_with_state(api.clone(), auth::gate))
        .merge(ui::router())
        .merge(trust::router())
        .layer(axum::middleware::from_fn_with_state(api.clone(), headers::add))
        .with_state(api)
}

fn random(bytes: &mut [u8]) -> Result<(), Problem> {
    getrandom::fill(bytes).map_err(|_| no_randomness())
}

fn no_randomness() -> Problem {
    tracing::error!("the system gives no randomness");
    let detail = "the system gives no randomness; see the hub's log";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}
