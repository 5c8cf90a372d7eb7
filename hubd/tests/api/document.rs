//! The committed document is the one that the code makes, and the hub answers as it says.

use hubd::api::openapi;
use serde_json::Value;

#[test]
fn the_committed_document_is_the_generated_one() {
    let generated = openapi::generate().unwrap();
    assert!(
        generated == openapi::COMMITTED,
        "docs/openapi.json is not what the code makes: run `cargo run -p hubd -- openapi > docs/openapi.json`"
    );
}

/// One operation of the document.
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    /// What it needs; `None` when it is open.
    pub(crate) scope: Option<hubd::token::Scope>,
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
            let scope = security.first().and_then(|one| one["token"][0].as_str());
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                scope: scope.map(|scope| hubd::token::Scope::parse(scope).unwrap()),
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
