//! What the hub answered, for programs as it said it and for people in lines; and what a request names.

use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{AnswerForm, Fault};

impl AnswerForm {
    /// Shows one thing.
    pub(super) fn one(
        self,
        thing: &Value,
        out: &mut dyn Write,
        lines: impl FnOnce(&Value, &mut dyn Write) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.json {
            return Ok(writeln!(out, "{thing}")?);
        }
        lines(thing, out)
    }

    /// Shows each thing of a list, or `none` when there is nothing in it.
    pub(super) fn all(
        self,
        things: &Value,
        none: &str,
        out: &mut dyn Write,
        mut lines: impl FnMut(&Value, &mut dyn Write) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.one(things, out, |things, out| {
            let things = things.as_array().map(Vec::as_slice).unwrap_or_default();
            if things.is_empty() {
                writeln!(out, "{none}")?;
            }
            things.iter().try_for_each(|thing| lines(thing, out))
        })
    }
}

/// The fields of a request. What is not named is not in it, so that the hub leaves it as it is.
#[derive(Debug, Default)]
pub(super) struct Named(Map<String, Value>);

impl Named {
    /// With a field, if it was named.
    pub(super) fn with(mut self, key: &str, value: Option<impl Serialize>) -> Self {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), json!(value));
        }
        self
    }

    /// Itself, if anything was named.
    pub(super) fn any(self) -> Option<Value> {
        (!self.0.is_empty()).then(|| self.body())
    }

    /// The body of the request.
    pub(super) fn body(self) -> Value {
        Value::Object(self.0)
    }
}

/// A text of an answer; empty when there is none.
pub(super) fn text<'a>(from: &'a Value, key: &str) -> &'a str {
    from.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A list of an answer; empty when there is none.
pub(super) fn items<'a>(from: &'a Value, key: &str) -> &'a [Value] {
    let items = from.get(key).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: bool, things: &Value) -> String {
        let mut out = Vec::new();
        let name = |thing: &Value, out: &mut dyn Write| Ok(writeln!(out, "- {}", text(thing, "name"))?);
        AnswerForm { json }
            .all(things, "There is nobody.", &mut out, name)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_is_shown_in_lines_or_as_the_hub_said_it() {
        let two = json!([{"name": "Ann"}, {"name": "Ben"}]);
        assert_eq!(shown(false, &two), "- Ann\n- Ben\n");
        assert_eq!(shown(true, &two), "[{\"name\":\"Ann\"},{\"name\":\"Ben\"}]\n");
        assert_eq!(shown(false, &json!([])), "There is nobody.\n");
        assert_eq!(shown(true, &json!([])), "[]\n");
    }

    #[test]
    fn what_is_not_named_is_not_asked_for() {
        let named = |name: Option<&str>| Named::default().with("name", name).with("uses", None::<u32>);
        assert_eq!(named(Some("Ann")).any(), Some(json!({"name": "Ann"})));
        assert_eq!(named(None).any(), None);
        assert_eq!(named(None).body(), json!({}));
    }
}
