//! Reads a tree of values key by key and remembers what was not asked for: that is how unknown keys are found.

use std::collections::BTreeSet;

use config::{Map, Value, ValueKind};

use super::ConfigError;

/// One table of the configuration.
pub(super) struct Section {
    /// The file, for values that do not say where they come from.
    file: String,
    /// The sections above, such as `http.` or `radio[0].`.
    path: String,
    values: Map<String, Value>,
    known: BTreeSet<&'static str>,
    /// Places of values that were read already, for errors found later.
    places: Map<&'static str, String>,
}

impl Section {
    /// The whole configuration.
    pub(super) fn root(file: &str, value: Value) -> Result<Self, ConfigError> {
        Self::new(file.to_owned(), String::new(), value)
    }

    fn new(file: String, path: String, value: Value) -> Result<Self, ConfigError> {
        let place = value.origin().map_or_else(|| file.clone(), ToOwned::to_owned);
        match value.kind {
            ValueKind::Table(values) => Ok(Self {
                file,
                path,
                values,
                known: BTreeSet::new(),
                places: Map::new(),
            }),
            ValueKind::Nil => Ok(Self {
                file,
                path,
                values: Map::new(),
                known: BTreeSet::new(),
                places: Map::new(),
            }),
            other @ (ValueKind::Boolean(_)
            | ValueKind::I64(_)
            | ValueKind::I128(_)
            | ValueKind::U64(_)
            | ValueKind::U128(_)
            | ValueKind::Float(_)
            | ValueKind::String(_)
            | ValueKind::Array(_)) => {
                let key = path.trim_end_matches('.').to_owned();
                let wrong = format!("is {}", name_of(&other));
                Err(ConfigError::BadValue {
                    place,
                    key,
                    wrong,
                    allowed: "a section is allowed".into(),
                })
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.insert(key);
        let value = self.values.remove(key)?;
        let place = value
            .origin()
            .map_or_else(|| self.file.clone(), ToOwned::to_owned);
        self.places.insert(key, place);
        Some(value).filter(|value| value.kind != ValueKind::Nil)
    }

    /// An error about a key's value.
    pub(super) fn bad(&self, key: &'static str, wrong: &str, allowed: &str) -> ConfigError {
        ConfigError::BadValue {
            place: self.places.get(key).unwrap_or(&self.file).clone(),
            key: format!("{}{key}", self.path),
            wrong: wrong.to_owned(),
            allowed: allowed.to_owned(),
        }
    }

    /// Whether the key holds a table (and is not read yet).
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.values
            .get(key)
            .is_some_and(|value| matches!(value.kind, ValueKind::Table(_)))
    }

    fn optional_text(&mut self, key: &'static str, allowed: &str) -> Result<Option<String>, ConfigError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match text_of(value.kind) {
            Ok(text) if !text.is_empty() => Ok(Some(text)),
            Ok(_) => Err(self.bad(key, "is empty", allowed)),
            Err(other) => Err(self.bad(key, &format!("is {other}, not text"), allowed)),
        }
    }

    /// A text, or its default.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        default: &str,
        allowed: &str,
    ) -> Result<String, ConfigError> {
        Ok(self
            .optional_text(key, allowed)?
            .unwrap_or_else(|| default.to_owned()))
    }

    /// A text that has to be there.
    pub(super) fn required_text(&mut self, key: &'static str, allowed: &str) -> Result<String, ConfigError> {
        self.optional_text(key, allowed)?
            .ok_or_else(|| ConfigError::Missing {
                place: self.file.clone(),
                key: format!("{}{key}", self.path),
                allowed: allowed.to_owned(),
            })
    }

    /// Yes or no, or its default.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        const ALLOWED: &str = "true and false are allowed";
        match self.take(key).map(|value| value.kind) {
            None => Ok(default),
            Some(ValueKind::Boolean(flag)) => Ok(flag),
            // The environment knows only text.
            Some(ValueKind::String(text)) if text == "true" => Ok(true),
            Some(ValueKind::String(text)) if text == "false" => Ok(false),
            Some(other) => Err(self.bad(key, &format!("is {}", name_of(&other)), ALLOWED)),
        }
    }

    /// A list of texts; empty when absent. One text with commas is a list too, for the environment.
    pub(super) fn texts(&mut self, key: &'static str, allowed: &str) -> Result<Vec<String>, ConfigError> {
        match self.take(key).map(|value| value.kind) {
            None => Ok(Vec::new()),
            Some(ValueKind::String(text)) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(ToOwned::to_owned)
                .collect()),
            Some(ValueKind::Array(values)) => values
                .into_iter()
                .map(|value| {
                    text_of(value.kind).map_err(|other| self.bad(key, &format!("holds {other}"), allowed))
                })
                .collect(),
            Some(other) => Err(self.bad(key, &format!("is {}", name_of(&other)), allowed)),
        }
    }

    /// A section; empty when absent.
    pub(super) fn section(&mut self, key: &'static str) -> Result<Self, ConfigError> {
        let value = self.take(key).unwrap_or_else(|| Value::new(None, ValueKind::Nil));
        Self::new(self.file.clone(), format!("{}{key}.", self.path), value)
    }

    /// A list of sections, `[[key]]`; empty when absent.
    pub(super) fn sections(&mut self, key: &'static str, max: usize) -> Result<Vec<Self>, ConfigError> {
        let allowed = format!("a list of at most {max} sections is allowed, each under its own [[{key}]]");
        let values = match self.take(key).map(|value| value.kind) {
            None => return Ok(Vec::new()),
            Some(ValueKind::Array(values)) => values,
            Some(other) => return Err(self.bad(key, &format!("is {}", name_of(&other)), &allowed)),
        };
        if values.len() > max {
            return Err(self.bad(key, &format!("has {} entries", values.len()), &allowed));
        }
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| {
                Self::new(self.file.clone(), format!("{}{key}[{index}].", self.path), value)
            })
            .collect()
    }

    /// Ends the reading: whatever was not asked for is unknown.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        let Some((key, value)) = self.values.iter().min_by(|(a, _), (b, _)| a.cmp(b)) else {
            return Ok(());
        };
        let nearest = self
            .known
            .iter()
            .map(|known| (distance(key, known), *known))
            .filter(|(distance, known)| *distance <= 2.max(known.len() / 3))
            .min()
            .map(|(_, known)| format!("{}{known}", self.path));
        Err(ConfigError::UnknownKey {
            place: value
                .origin()
                .map_or_else(|| self.file.clone(), ToOwned::to_owned),
            key: format!("{}{key}", self.path),
            nearest,
        })
    }
}

/// The text, or the name of what it is instead.
fn text_of(kind: ValueKind) -> Result<String, &'static str> {
    let name = name_of(&kind);
    if let ValueKind::String(text) = kind {
        Ok(text)
    } else {
        Err(name)
    }
}

fn name_of(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "empty",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a whole number",
        ValueKind::Float(_) => "a number",
        ValueKind::String(_) => "text",
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
    }
}

/// How many letters have to be added, dropped or exchanged to make `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((to, diagonal), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            let exchanged = diagonal + usize::from(from != *to);
            next.push(exchanged.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
