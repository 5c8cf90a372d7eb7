//! The emergency sheet: what responders need, on paper, for the hour in which nobody is there to explain.
//!
//! Promise: the paper holds no PIN that was not asked for by name; whatever the texts are, each of their words is on it,
//! wrapped and readable, on as many pages as it takes.

mod font;
mod page;

use std::collections::BTreeMap;

use hubd_model::{LockId, Pin, SecretBytes};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use page::render;

/// Characters of one text.
pub const TEXT_CHARS_MAX: usize = 2000;
/// Lines of one text.
pub const TEXT_LINES_MAX: usize = 60;
/// Doors with a note.
pub const NOTES_MAX: usize = 64;
/// PINs on one sheet.
pub const PINS_MAX: usize = 32;

/// The version of the row's shape.
const VERSION: u32 = 1;

/// What the owner wrote for the sheet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// Where the house is.
    pub address: String,
    /// What is on each floor.
    pub floor_notes: String,
    /// Where water, gas and power are shut off.
    pub shut_offs: String,
    /// Who lives here and may need help.
    pub people_and_pets: String,
    /// Whom to call.
    pub contacts: String,
    /// Where the key box is.
    pub key_box: String,
    /// A note for each door.
    pub doors: BTreeMap<LockId, String>,
}

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextsError {
    /// One is too long.
    #[error("{0}: expected at most {TEXT_CHARS_MAX} characters on at most {TEXT_LINES_MAX} lines")]
    TooLong(String),
    /// One holds what cannot be printed.
    #[error("{0}: expected text without control characters, line breaks aside")]
    Control(String),
    /// There are too many notes.
    #[error("doors: expected at most {NOTES_MAX} notes")]
    TooManyNotes,
}

/// What is kept cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "what is stored of the emergency sheet cannot be read; write it anew with PUT /api/v1/life-safety/sheet"
)]
pub struct Unreadable;

#[derive(Serialize, Deserialize)]
struct Row {
    version: u32,
    address: String,
    floor_notes: String,
    shut_offs: String,
    people_and_pets: String,
    contacts: String,
    key_box: String,
    doors: BTreeMap<LockId, String>,
}

impl Texts {
    /// Takes the texts when they can be printed; line breaks become `\n`.
    ///
    /// # Errors
    /// Which of them cannot, and why.
    pub fn check(self) -> Result<Self, TextsError> {
        if self.doors.len() > NOTES_MAX {
            return Err(TextsError::TooManyNotes);
        }
        let note = |(lock, note): (LockId, String)| {
            let note = text(&format!("doors.{}", lock.as_str()), &note)?;
            Ok((lock, note))
        };
        Ok(Self {
            address: text("address", &self.address)?,
            floor_notes: text("floor_notes", &self.floor_notes)?,
            shut_offs: text("shut_offs", &self.shut_offs)?,
            people_and_pets: text("people_and_pets", &self.people_and_pets)?,
            contacts: text("contacts", &self.contacts)?,
            key_box: text("key_box", &self.key_box)?,
            doors: self.doors.into_iter().map(note).collect::<Result<_, _>>()?,
        })
    }

    /// The row that is kept.
    ///
    /// # Errors
    /// Never in practice: the row is a tree of plain values.
    pub fn to_row(&self) -> serde_json::Result<SecretBytes> {
        let texts = self.clone();
        serde_json::to_vec(&Row {
            version: VERSION,
            address: texts.address,
            floor_notes: texts.floor_notes,
            shut_offs: texts.shut_offs,
            people_and_pets: texts.people_and_pets,
            contacts: texts.contacts,
            key_box: texts.key_box,
            doors: texts.doors,
        })
        .map(SecretBytes::new)
    }

    /// From the row that was kept.
    ///
    /// # Errors
    /// When it is of another shape.
    pub fn from_row(row: &SecretBytes) -> Result<Self, Unreadable> {
        let row: Row = serde_json::from_slice(row.expose()).map_err(|_| Unreadable)?;
        if row.version != VERSION {
            return Err(Unreadable);
        }
        Ok(Self {
            address: row.address,
            floor_notes: row.floor_notes,
            shut_offs: row.shut_offs,
            people_and_pets: row.people_and_pets,
            contacts: row.contacts,
            key_box: row.key_box,
            doors: row.doors,
        })
    }
}

fn text(field: &str, text: &str) -> Result<String, TextsError> {
    let text = text.replace("\r\n", "\n").replace('\t', " ");
    if text.chars().any(|char| char.is_control() && char != '\n') {
        return Err(TextsError::Control(field.to_owned()));
    }
    let text = text.trim_end().to_owned();
    if text.chars().count() > TEXT_CHARS_MAX || text.lines().count() > TEXT_LINES_MAX {
        return Err(TextsError::TooLong(field.to_owned()));
    }
    Ok(text)
}

/// The paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// 210 mm by 297 mm.
    A4,
    /// 8.5 inches by 11 inches.
    Letter,
}

impl Paper {
    /// Its name in the API and the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A4 => "a4",
            Self::Letter => "letter",
        }
    }

    /// Reads its name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::A4, Self::Letter]
            .into_iter()
            .find(|paper| paper.as_str() == name)
    }

    /// Width and height, in points of 1/72 inch.
    pub const fn size(self) -> (f32, f32) {
        match self {
            Self::A4 => (595.28, 841.89),
            Self::Letter => (612.0, 792.0),
        }
    }
}

/// A door on the sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Its name.
    pub name: String,
    /// What it needs, one fact each.
    pub facts: Vec<String>,
    /// What the owner wrote about it.
    pub note: String,
}

/// A PIN that is to be on the sheet.
#[derive(Debug)]
pub struct PinLine {
    /// Whose it is, and what it is called.
    pub whose: String,
    /// The doors that it opens.
    pub doors: String,
    /// The digits.
    pub pin: Pin,
}

/// Everything on the sheet.
#[derive(Debug)]
pub struct Sheet {
    /// When it is printed and by whom.
    pub printed: String,
    /// The doors.
    pub doors: Vec<Door>,
    /// What the owner wrote.
    pub texts: Texts,
    /// PINs, each asked for.
    pub pins: Vec<PinLine>,
}
