//! Records tokens that were made or removed at the command line, which writes them beside a hub that may not run.
//!
//! ```text
//!   journal: made and not removed --+
//!                                   +-- different? --> record what is missing
//!   table of tokens ----------------+
//! ```
//! It compares instead of listening, so nothing is missed while no hub runs and nothing is recorded twice. While the hub
//! runs, a difference must be there at two looks in a row: the API records its own tokens a moment after it keeps them.

use std::collections::BTreeMap;
use std::time::Duration;

use hubd_core::event::Event;
use hubd_core::input::Request;
use hubd_model::UnixMillis;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::store::{Filter, PAGE_MAX, Store, StoreError, StoredEntry, TokenRow};

/// How often a running hub compares.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const CREATED: &str = "token.created";
const REMOVED: &str = "token.removed";
/// More entries about tokens than that are not read at one look.
const PAGES_MAX: usize = 64;

/// Records until `stop`; begins with what changed while no hub ran.
pub(crate) async fn watch(store: Store, hub: Hub, stop: CancellationToken) {
    let mut journalled = Journalled::default();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut suspected: Option<Vec<Event>> = None;
    // The tokens of which the journal tells; while there are no others, nothing needs to be read.
    let mut settled: Option<Vec<String>> = None;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let rows = match store.tokens() {
            Ok(rows) => rows,
            Err(error) => {
                tracing::debug!(%error, "tokens are compared with the journal later");
                continue;
            }
        };
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        if settled.as_ref() == Some(&ids) {
            continue;
        }
        // The table first: what the journal tells meanwhile is no difference.
        if let Err(error) = read(&store, &mut journalled).await {
            tracing::debug!(%error, "tokens are compared with the journal later");
            continue;
        }
        let missing = journalled.missing(&rows);
        settled = missing.is_empty().then_some(ids);
        // At the start nobody else changes tokens yet, so the first look is sure.
        let sure = |event: &Event| suspected.as_ref().is_none_or(|before| before.contains(event));
        for event in missing.iter().filter(|event| sure(event)) {
            if let Err(error) = hub.request(Request::Record(event.clone())).await {
                tracing::warn!(%error, "a changed token is recorded later");
            }
        }
        suspected = Some(missing);
    }
}

/// Reads what the journal says about tokens since the last time.
async fn read(store: &Store, journalled: &mut Journalled) -> Result<(), StoreError> {
    for _ in 0..PAGES_MAX {
        let mut whole = true;
        for kind in [CREATED, REMOVED] {
            let filter = Filter {
                after: Some(journalled.after(kind)),
                kind: Some(kind.to_owned()),
                limit: PAGE_MAX,
                ..Filter::default()
            };
            let page = store.page(filter).await?;
            whole &= page.len() < PAGE_MAX;
            for entry in &page {
                journalled.hear(entry);
            }
        }
        if whole {
            break;
        }
    }
    Ok(())
}

/// What the journal says about tokens.
#[derive(Debug, Default)]
struct Journalled {
    /// Name and number of the entry, by id.
    created: BTreeMap<String, (String, u64)>,
    /// Number of the entry, by id.
    removed: BTreeMap<String, u64>,
    last: BTreeMap<String, u64>,
    /// Tokens made up to then may be in entries of a month that was forgotten.
    blind_until: Option<UnixMillis>,
}

impl Journalled {
    fn after(&self, kind: &str) -> u64 {
        self.last.get(kind).copied().unwrap_or(0)
    }

    fn hear(&mut self, entry: &StoredEntry) {
        self.last.insert(entry.kind.to_string(), entry.seq);
        let text = |key: &str| {
            entry
                .data
                .get(key)
                .and_then(|text| text.as_str())
                .map(str::to_owned)
        };
        match (&*entry.kind, text("id")) {
            (CREATED, Some(id)) => {
                self.created
                    .insert(id, (text("name").unwrap_or_default(), entry.seq));
            }
            (CREATED, None) => self.blind_until = self.blind_until.max(Some(entry.at)),
            (REMOVED, Some(id)) => {
                self.removed.insert(id, entry.seq);
            }
            (_, _) => {}
        }
    }

    /// What the journal does not tell of these tokens.
    fn missing(&self, rows: &[TokenRow]) -> Vec<Event> {
        let is_there = |id: &str| {
            let removed = self.removed.get(id).copied().unwrap_or(0);
            self.created
                .get(id)
                .is_some_and(|(_, created)| *created > removed)
        };
        let created = rows
            .iter()
            .filter(|row| !is_there(&row.id) && self.blind_until.is_none_or(|until| row.created_at > until))
            .map(|row| Event::TokenCreated {
                id: row.id.clone(),
                name: row.name.clone(),
                scope: row.scope.clone(),
            });
        let removed = self
            .created
            .iter()
            .filter(|(id, _)| is_there(id) && rows.iter().all(|row| row.id != **id))
            .map(|(id, (name, _))| Event::TokenRemoved {
                id: id.clone(),
                name: name.clone(),
            });
        created.chain(removed).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(seq: u64, kind: &str, data: serde_json::Value) -> StoredEntry {
        StoredEntry {
            seq,
            at: UnixMillis(1000),
            clock_synced: true,
            kind: kind.into(),
            lock: None,
            alarm: None,
            person: None,
            data,
        }
    }

    fn row(id: &str, created_at: i64) -> TokenRow {
        TokenRow {
            id: id.to_owned(),
            name: format!("name of {id}"),
            scope: "read".to_owned(),
            created_at: UnixMillis(created_at),
            last_used: None,
        }
    }

    #[test]
    fn what_the_journal_does_not_tell_is_missing() {
        let mut journalled = Journalled::default();
        journalled.hear(&entry(1, CREATED, json!({ "id": "a", "name": "A" })));
        journalled.hear(&entry(2, CREATED, json!({ "id": "b", "name": "B" })));
        journalled.hear(&entry(3, REMOVED, json!({ "id": "b", "name": "B" })));
        assert_eq!((journalled.after(CREATED), journalled.after(REMOVED)), (2, 3));
        assert_eq!(journalled.missing(&[row("a", 0)]), []);
        let created = Event::TokenCreated {
            id: "c".to_owned(),
            name: "name of c".to_owned(),
            scope: "read".to_owned(),
        };
        let removed = Event::TokenRemoved {
            id: "a".to_owned(),
            name: "A".to_owned(),
        };
        assert_eq!(journalled.missing(&[row("c", 0)]), [created, removed]);
        assert_eq!(
            journalled.missing(&[row("a", 0), row("b", 0)]).len(),
            1,
            "b is there again"
        );
    }

    #[test]
    fn tokens_of_a_forgotten_month_are_not_recorded_anew() {
        let mut journalled = Journalled::default();
        journalled.hear(&entry(1, CREATED, json!({ "unreadable": "forgotten" })));
        assert_eq!(journalled.missing(&[row("old", 900)]), []);
        assert_eq!(journalled.missing(&[row("new", 1100)]).len(), 1);
    }
}
