//! Refusals that request, model and date do not decide, read from `specs/external.toml`.
//!
//! Credit, settings, regions and load are not in a request, so no rule can predict them and no case can ask for
//! them. What can be done is to know what they look like: each names the scripted replies that state its answer.

use serde::Deserialize;

use crate::errors::{Retry, unique};
use crate::models::Confidence;
use crate::spec::{SpecError, Text};

/// A refusal that something outside of the request decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// Stable, kebab-case, says what is in the way: `credit-balance`.
    pub id: String,
    pub depends_on: Dependence,
    pub retry: Retry,
    /// Scripted replies by name: they state status, type, code and wording.
    pub replies: Vec<String>,
    /// The first sentence stands alone in lists.
    pub explanation: String,
    pub remedy: String,
    pub confidence: Confidence,
    pub source: String,
}

/// What decides it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Dependence {
    /// Credit, limits, settings, agreements.
    Account,
    /// The kind and age of the credential.
    Credential,
    /// What is stored, at the API or elsewhere.
    Files,
    /// How much is sent at the moment, by this account or by everybody.
    Load,
    /// Which model is asked, where none that is left answers like this.
    Model,
    /// Where the request comes from, and over what.
    Network,
    /// What the model wrote.
    Output,
    /// What becomes of a schema in a compiler that is not public.
    Schema,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    external: Vec<External>,
}

impl External {
    /// Reads the file, and checks that every name is there once and has a reply.
    pub fn parse(file: &Text) -> Result<Vec<Self>, SpecError> {
        let File { external } = toml::from_str(&file.text)
            .map_err(|error| SpecError::new(&file.name, error.to_string()))?;
        unique(file, external.iter().map(|external| &*external.id))?;
        match external.iter().find(|external| external.replies.is_empty()) {
            Some(silent) => {
                Err(SpecError::new(&file.name, format!("`{}` has no reply", silent.id)))
            }
            None => Ok(external),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
[[external]]
id = "credit-balance"
depends_on = "account"
retry = "after-change"
replies = ["400-credit-balance"]
explanation = "No credit is left."
remedy = "Add some."
confidence = "observed"
source = "public reports"
"#;

    fn check(text: &str, expected: &str) {
        let file = Text { name: "external.toml".into(), text: text.into() };
        let said = match External::parse(&file) {
            Ok(all) => format!("{} known", all.len()),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_wrong_file_is_answered_with_its_place() {
        check(ONE, "1 known");
        check(&format!("{ONE}{ONE}"), "line 13: `credit-balance` stands twice");
        check(&ONE.replace("[\"400-credit-balance\"]", "[]"), "`credit-balance` has no reply");
        check(&ONE.replace("\"account\"", "\"weather\""), "line 4");
        check(&ONE.replace("source", "sauce"), "line 10");
    }
}
