//! `hubd check-config`: whether the configuration is right.

use std::io::{self, Write};

use serde_json::json;

use super::{AnswerForm, Place};
use crate::config::{Config, ConfigError, DEFAULT_PATH};

/// Checks it; whether it is right.
pub(super) fn check_config(place: &Place, answer: AnswerForm, out: &mut dyn Write) -> io::Result<bool> {
    let file = place
        .config
        .as_ref()
        .map_or_else(|| DEFAULT_PATH.to_owned(), |path| path.display().to_string());
    match place.load() {
        Ok(config) if answer.json => {
            writeln!(
                out,
                "{}",
                json!({ "ok": true, "file": file, "radios": config.radios.len() })
            )?;
            Ok(true)
        }
        Ok(config) => {
            writeln!(out, "{file} is right: {}.", summary(&config))?;
            Ok(true)
        }
        Err(error) if answer.json => {
            writeln!(out, "{}", fault(&error))?;
            Ok(false)
        }
        Err(error) => {
            writeln!(out, "{error}")?;
            Ok(false)
        }
    }
}

fn summary(config: &Config) -> String {
    let radios = match config.radios.as_slice() {
        [] => "no radio".to_owned(),
        radios => {
            let names: Vec<&str> = radios.iter().map(|radio| radio.name.as_str()).collect();
            format!("radio {}", names.join(", "))
        }
    };
    format!(
        "data in {}, HTTP on {}, {radios}",
        config.data_dir.display(),
        config.http.listen
    )
}

fn fault(error: &ConfigError) -> serde_json::Value {
    let (key, allowed) = match error {
        ConfigError::UnknownKey { key, nearest, .. } => (Some(key), nearest.as_ref()),
        ConfigError::Missing { key, allowed, .. } | ConfigError::BadValue { key, allowed, .. } => {
            (Some(key), Some(allowed))
        }
        ConfigError::Unreadable { .. } | ConfigError::Syntax { .. } | ConfigError::Environment { .. } => {
            (None, None)
        }
    };
    json!({ "ok": false, "error": error.to_string(), "key": key, "allowed": allowed })
}
