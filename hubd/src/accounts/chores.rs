//! What has to be done at times: what the command line did goes into the journal, and old sessions are forgotten.

use std::time::Duration;

use hubd_core::event::Event;
use hubd_core::input::Request;
use hubd_model::UnixMillis;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Accounts;
use crate::hub::Hub;
use crate::store::{AccountChange, Store, backup};

/// How often the command line's notes are looked for. When nothing was written meanwhile, it costs no disk.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many looks there are between two clearings of old sessions.
const CLEAR_EVERY: u32 = 720;

/// Does it until the stop.
pub async fn chores(store: Store, hub: Hub, clock: fn() -> UnixMillis, stop: CancellationToken) {
    let accounts = Accounts::new(store.clone());
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = 0_u32;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        take_notes(&store, &hub).await;
        if look.is_multiple_of(CLEAR_EVERY)
            && let Err(error) = accounts.forget_old_sessions(clock()).await
        {
            tracing::warn!(%error, "old sessions could not be forgotten; they open nothing all the same");
        }
        look = look.wrapping_add(1);
    }
}

/// Records what the command line did. A note is forgotten when its entry was taken, so that none is lost; one may be
/// recorded twice when the hub is killed in between.
pub async fn take_notes(store: &Store, hub: &Hub) {
    let notes = match store.console_notes() {
        Ok(notes) => notes,
        Err(error) => {
            tracing::warn!(%error, "what the command line did cannot be read now");
            return;
        }
    };
    let mut last = None;
    for note in notes {
        let id = note.id;
        let event = backup::noted(&note).unwrap_or_else(|| Event::AccountChanged {
            account: note.account,
            name: note.name,
            what: note.what,
            by: "the console".to_owned(),
        });
        if hub.request(Request::Record(event)).await.is_err() {
            break;
        }
        last = Some(id);
    }
    if let Some(last) = last
        && let Err(error) = store.change_account(AccountChange::ForgetNotes(last)).await
    {
        tracing::warn!(%error, "what the command line did is recorded and will be recorded again");
    }
}
