//! Reading the journal: pages by any filter, in order, without sorting.

use std::path::Path;

use hubd_model::{AlarmId, LockId, PersonId, UnixMillis};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::error::StoreError;
use super::journal::{BLOCK, COLUMNS, Opener, name_id, sql, unsigned};
use super::vault::{Missing, Vault};
use super::{StoreOptions, StoredEntry, database};

/// The longest page.
pub const PAGE_MAX: usize = 1000;

/// Which entries, and how many. Everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Only entries after this number.
    pub after: Option<u64>,
    /// Only entries before this number.
    pub before: Option<u64>,
    /// At most so many, 1 to [`PAGE_MAX`].
    pub limit: usize,
    /// Only about this lock.
    pub lock: Option<LockId>,
    /// Only about this detector.
    pub alarm: Option<AlarmId>,
    /// Only about this person.
    pub person: Option<PersonId>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only from this moment on.
    pub from: Option<UnixMillis>,
    /// Only before this moment.
    pub to: Option<UnixMillis>,
    /// The newest entry first instead of the oldest.
    pub newest_first: bool,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            after: None,
            before: None,
            limit: 100,
            lock: None,
            alarm: None,
            person: None,
            kind: None,
            from: None,
            to: None,
            newest_first: false,
        }
    }
}

/// Reads a page.
pub(crate) fn page(db: &Connection, vault: &Vault, filter: &Filter) -> Result<Vec<StoredEntry>, StoreError> {
    let failed = || StoreError::database("read the journal");
    // One transaction: the page is of one moment.
    let tx = db.unchecked_transaction().map_err(failed())?;
    let limit = filter.limit.clamp(1, PAGE_MAX);
    let Some(subjects) = Subjects::of(&tx, filter)? else {
        return Ok(Vec::new());
    };
    let mut opener = Opener::new(vault);
    let mut found = Vec::new();
    for (first, last) in runs(&tx, filter)? {
        let left = limit.saturating_sub(found.len());
        if left == 0 {
            break;
        }
        let (text, values) = subjects.query(filter, first, last, left);
        let mut statement = tx.prepare(&text).map_err(failed())?;
        let mut rows = statement.query(params_from_iter(values)).map_err(failed())?;
        while let Some(row) = rows.next().map_err(failed())? {
            found.push(opener.entry(&tx, row)?);
        }
    }
    Ok(found)
}

/// The filter's names as numbers.
struct Subjects {
    columns: Vec<(&'static str, i64)>,
}

impl Subjects {
    /// `None` when a name was never used: then no entry has it.
    fn of(db: &Connection, filter: &Filter) -> Result<Option<Self>, StoreError> {
        let wanted = [
            ("lock", filter.lock.as_ref().map(LockId::as_str)),
            ("alarm", filter.alarm.as_ref().map(AlarmId::as_str)),
            ("person", filter.person.as_ref().map(PersonId::as_str)),
            ("kind", filter.kind.as_deref()),
        ];
        let mut columns = Vec::new();
        for (column, text) in wanted {
            let Some(text) = text else { continue };
            let Some(id) = name_id(db, text)? else {
                return Ok(None);
            };
            columns.push((column, id));
        }
        Ok(Some(Self { columns }))
    }

    fn query(&self, filter: &Filter, first: u64, last: u64, limit: usize) -> (String, Vec<Value>) {
        let mut text = format!("SELECT {COLUMNS} FROM journal AS j WHERE j.seq BETWEEN ? AND ?");
        let mut values: Vec<Value> = vec![sql(first).into(), sql(last).into()];
        for (column, id) in &self.columns {
            text.push_str(" AND j.");
            text.push_str(column);
            text.push_str(" = ?");
            values.push((*id).into());
        }
        let times = [
            (" AND j.at_ms >= ?", filter.from),
            (" AND j.at_ms < ?", filter.to),
        ];
        for (condition, at) in times {
            if let Some(at) = at {
                text.push_str(condition);
                values.push(at.0.into());
            }
        }
        text.push_str(if filter.newest_first {
            " ORDER BY j.seq DESC"
        } else {
            " ORDER BY j.seq"
        });
        text.push_str(" LIMIT ?");
        values.push(sql(limit as u64).into());
        (text, values)
    }
}

/// The runs of numbers, in the page's order, in which entries of the filter's time can be. Without a time that is one
/// run. Clocks jump, so a run of time is looked up in the blocks' times instead of being taken for a run of numbers.
fn runs(db: &Connection, filter: &Filter) -> Result<Vec<(u64, u64)>, StoreError> {
    let failed = || StoreError::database("read the journal's times");
    let first = filter.after.map_or(1, |seq| seq.saturating_add(1));
    let last = filter
        .before
        .map_or(i64::MAX.unsigned_abs(), |seq| seq.saturating_sub(1));
    if first > last {
        return Ok(Vec::new());
    }
    if filter.from.is_none() && filter.to.is_none() {
        return Ok(vec![(first, last)]);
    }
    let from = filter.from.map_or(i64::MIN, |at| at.0);
    let to = filter.to.map_or(i64::MAX, |at| at.0);
    let mut statement = db
        .prepare(
            "SELECT block FROM journal_blocks \
             WHERE block BETWEEN ?1 AND ?2 AND at_max >= ?3 AND at_min < ?4 ORDER BY block",
        )
        .map_err(failed())?;
    let blocks = statement
        .query_map([sql(first / BLOCK), sql(last / BLOCK), from, to], |row| {
            row.get::<_, i64>(0)
        })
        .map_err(failed())?;
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for block in blocks {
        let start = unsigned(block.map_err(failed())?).saturating_mul(BLOCK);
        let end = start.saturating_add(BLOCK - 1);
        match runs.last_mut() {
            Some(run) if run.1.saturating_add(1) == start => run.1 = end,
            _ => runs.push((start, end)),
        }
    }
    for run in &mut runs {
        *run = (run.0.max(first), run.1.min(last));
    }
    if filter.newest_first {
        runs.reverse();
    }
    Ok(runs)
}

/// Calls `each` with every entry in a data folder, oldest first, a page at a time; a hub may run on it meanwhile.
///
/// # Errors
/// When the records cannot be read or opened, or what `each` says.
pub fn for_each_entry<E: From<StoreError>>(
    dir: &Path,
    options: &StoreOptions,
    mut each: impl FnMut(StoredEntry) -> Result<(), E>,
) -> Result<(), E> {
    let db = database::open_reader(dir)?;
    let vault = Vault::open(dir, options.credentials_dir.as_deref(), &[], Missing::Refuse)?;
    let mut after = 0;
    loop {
        let filter = Filter {
            after: Some(after),
            limit: PAGE_MAX,
            ..Filter::default()
        };
        let entries = page(&db, &vault, &filter)?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = last.seq;
        for entry in entries {
            each(entry)?;
        }
    }
}
