//! Error types and error codes as data, read from `specs/errors.toml`.
//!
//! The rules say when an answer comes; here stands what the words in it mean, for every request. A code belongs to
//! one status and one type, so that an answer which mixes them shows.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::models::Confidence;
use crate::spec::{SpecError, Text};

/// The file as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    #[serde(rename = "type")]
    pub types: Vec<ErrorType>,
    #[serde(rename = "code")]
    pub codes: Vec<ErrorCode>,
}

/// A value of `error.type`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorType {
    pub id: String,
    /// The statuses under which it is sent; empty where no source states them.
    pub statuses: Vec<u16>,
    pub retry: Retry,
    /// The first sentence stands alone in lists.
    pub meaning: String,
    pub remedy: String,
    pub confidence: Confidence,
    pub source: String,
}

/// A value of `error.details.error_code`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorCode {
    pub id: String,
    pub status: u16,
    #[serde(rename = "type")]
    pub error_type: String,
    /// The beta that the feature needs.
    pub beta: Option<String>,
    pub retry: Retry,
    /// The first sentence stands alone in lists.
    pub meaning: String,
    pub remedy: String,
    pub confidence: Confidence,
    pub source: String,
}

/// Whether the same request can succeed when it is sent again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// Once something outside of the request has changed: the account, a setting, a key.
    AfterChange,
    /// Never: the request has to change.
    No,
    /// Later, as the answer says or with growing pauses.
    Yes,
}

impl Errors {
    /// Reads the file, and checks that every name is there once and every code fits its type.
    pub fn parse(file: &Text) -> Result<Self, SpecError> {
        let errors: Self = toml::from_str(&file.text)
            .map_err(|error| SpecError::new(&file.name, error.to_string()))?;
        let types = errors.types.iter().map(|error_type| &*error_type.id);
        unique(file, types.chain(errors.codes.iter().map(|code| &*code.id)))?;
        for code in &errors.codes {
            let fits = errors
                .find_type(&code.error_type)
                .is_some_and(|error_type| error_type.statuses.contains(&code.status));
            if !fits {
                let message = format!(
                    "no type `{}` is sent under the {} of `{}`",
                    code.error_type, code.status, code.id
                );
                return Err(at_id(file, &code.id, &message));
            }
        }
        Ok(errors)
    }

    /// The error type of that name.
    pub fn find_type(&self, id: &str) -> Option<&ErrorType> {
        self.types.iter().find(|error_type| error_type.id == id)
    }

    /// The error code of that name.
    pub fn find_code(&self, id: &str) -> Option<&ErrorCode> {
        self.codes.iter().find(|code| code.id == id)
    }
}

/// Fails on the first id that stands twice.
pub(crate) fn unique<'a>(file: &Text, ids: impl Iterator<Item = &'a str>) -> Result<(), SpecError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(at_id(file, id, &format!("`{id}` stands twice")));
        }
    }
    Ok(())
}

/// An error about an entry, with the line of its id: of the last one, if there are several.
fn at_id(file: &Text, id: &str, message: &str) -> SpecError {
    let key = format!("id = \"{id}\"");
    let line_idx = file.text.lines().enumerate().filter(|(_, line)| line.trim() == key).last();
    let place = line_idx.map(|(idx, _)| format!("line {}: ", idx + 1)).unwrap_or_default();
    SpecError::new(&file.name, format!("{place}{message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = r#"
[[type]]
id = "api_error"
statuses = [500]
retry = "yes"
meaning = "It failed."
remedy = "Wait."
confidence = "documented"
source = "errors page"
"#;
    const CODE: &str = r#"
[[code]]
id = "key_gone"
status = 500
type = "api_error"
retry = "yes"
meaning = "It failed."
remedy = "Wait."
confidence = "confirmed"
source = "SDK"
"#;

    fn check(text: &str, expected: &str) {
        let said = match Errors::parse(&Text { name: "errors.toml".into(), text: text.into() }) {
            Ok(errors) => format!("{} types, {} codes", errors.types.len(), errors.codes.len()),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_wrong_file_is_answered_with_its_line() {
        let whole = format!("{TYPE}{CODE}");
        check(&whole, "1 types, 1 codes");
        check(&whole.replacen("remedy", "remady", 1), "line 7");
        check(&whole.replacen("\"yes\"", "\"maybe\"", 1), "line 5");
        check(&format!("{whole}{CODE}"), "errors.toml: line 22: `key_gone` stands twice");
        let unfit = "errors.toml: line 12: no type `api_error` is sent under the 503 of `key_gone`";
        check(&whole.replace("status = 500", "status = 503"), unfit);
        check(&whole.replace("key_gone", "api_error"), "`api_error` stands twice");
    }
}
