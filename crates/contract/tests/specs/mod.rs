//! The real contract, for tests.

use std::path::Path;

use contract::spec::{Contract, Text, Texts};

/// The contract of `specs/`.
pub(crate) fn contract() -> Contract {
    Contract::parse(&Texts {
        openapi: text("openapi.yaml"),
        overlays: vec![text("overlay-2023-06-01.yaml")],
        models: text("models.toml"),
        source: text("SOURCE.md"),
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests read the files that the pure crate takes as arguments"
)]
fn text(name: &str) -> Text {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Text { name: format!("specs/{name}"), text }
}
