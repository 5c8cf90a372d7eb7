//! The committed document is the one that the code makes, and the hub answers as it says.

use hubd::api::openapi;
use serde_json::Value;

/// Where the document is committed.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

#[test]
fn the_committed_document_is_the_generated_one() {
    let generated = openapi::generate().unwrap();
    if std::env::var_os("HUBD_WRITE_OPENAPI").is_some() {
        std::fs::write(PATH, &generated).unwrap();
        return;
    }
    assert!(
        generated == openapi::COMMITTED,
        "docs/openapi.json is not what the code makes: run `HUBD_WRITE_OPENAPI=1 cargo nextest run -p hubd document`"
    );
}

/// One operation of the document.
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Whether it answers everybody.
    pub(crate) open: bool,
    /// Which scopes of a token it takes.
    pub(crate) scopes: Vec<String>,
    /// Which roles of a person it takes.
    pub(crate) roles: Vec<String>,
    pub(crate) statuses: Vec<String>,
}

/// Every operation of the committed document.
pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(openapi::COMMITTED).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = operation["security"]
                .as_array()
                .unwrap_or_else(|| panic!("{method} {path}"));
            let named = |scheme: &str| -> Vec<String> {
                let one = security.iter().find(|one| one[scheme].is_array());
                one.map_or_else(Vec::new, |one| {
                    serde_json::from_value(one[scheme].clone()).unwrap()
                })
            };
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                open: security.is_empty(),
                scopes: named("token"),
                roles: named("session"),
                statuses: operation["responses"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .cloned()
                    .collect(),
            });
        }
    }
    assert!(operations.len() > 20);
    operations
}
