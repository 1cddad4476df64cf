//! Requests typed out by hand from the sources, with a mended twin that must be accepted: one file per rule, or one
//! per variant where a rule can be broken in ways that one request cannot show.
//!
//! They are the evidence that generator, rules and mock do not merely agree with each other, so nothing here is
//! drawn, mutated or ever written back.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use classify::http::KEY_PLACEHOLDER;
use classify::{Body, Headers, Request};
use serde::Deserialize;

use crate::case::{Case, CaseId, Origin, StatedAnswer, Traits};
use crate::models::Confidence;
use crate::spec::{Contract, SpecError, Text};
use crate::version::{OperationId, Version};

/// One file of `specs/witnesses/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    pub rule: String,
    /// Which of the rule's witnesses, where it has several.
    pub variant: Option<String>,
    pub source: String,
    pub confidence: Confidence,
    pub versions: Vec<String>,
    pub operation: String,
    /// The open question, where the source leaves the answer open.
    pub uncertain: Option<String>,
    pub violation: Attempt,
    pub mended: Attempt,
}

/// A request, as a difference from a plain one of the operation, and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    pub status: Option<u16>,
    /// In place of `status` where the source leaves the answer open.
    #[serde(default)]
    pub statuses: Vec<u16>,
    #[serde(rename = "type")]
    pub error_type: Option<String>,
    pub code: Option<String>,
    pub method: Option<String>,
    pub path: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub remove_headers: Vec<String>,
    pub body: Option<String>,
    pub body_base64: Option<String>,
    pub body_repeat: Option<Repeat>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    pub prefix: String,
    pub unit: String,
    pub count: u64,
    pub suffix: String,
}

impl Witness {
    /// Reads one file, and checks that its names exist and its answers are stated.
    pub fn parse(file: &Text) -> Result<Self, SpecError> {
        let wrong = |message: String| SpecError::new(&file.name, message);
        let witness: Self = toml::from_str(&file.text).map_err(|error| wrong(error.to_string()))?;
        if !witness.variant.as_deref().is_none_or(is_name) {
            return Err(wrong("a variant is of lower-case letters, digits and hyphens".to_owned()));
        }
        if OperationId::parse(&witness.operation).is_none() {
            return Err(wrong(format!("operation `{}` is not one of the ten", witness.operation)));
        }
        if let Some(version) =
            witness.versions.iter().find(|version| Version::parse(version).is_none())
        {
            return Err(wrong(format!("there is no API version `{version}`")));
        }
        for attempt in [&witness.violation, &witness.mended] {
            if attempt.status.is_some() != attempt.statuses.is_empty() {
                return Err(wrong("state either `status` or `statuses`".to_owned()));
            }
            let encoded = attempt.body_base64.as_deref().map(|body| STANDARD.decode(body));
            if let Some(Err(error)) = encoded {
                return Err(wrong(format!("body_base64: {error}")));
            }
        }
        Ok(witness)
    }

    /// `RULE`, or `RULE/VARIANT`: no two witnesses share it.
    pub fn name(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}/{variant}", self.rule),
            None => self.rule.clone(),
        }
    }

    /// The violation and its twin, for each version the witness holds for.
    pub fn cases<'w>(&'w self, contract: &'w Contract) -> impl Iterator<Item = Case> + 'w {
        let versions = self.versions.iter().filter_map(|version| Version::parse(version));
        versions.flat_map(move |version| {
            [self.case(contract, version, false), self.case(contract, version, true)]
        })
    }

    fn case(&self, contract: &Contract, version: Version, mended: bool) -> Case {
        let operation = OperationId::parse(&self.operation).expect("parse checked the name");
        let attempt = if mended { &self.mended } else { &self.violation };
        let twin = if mended { "mended" } else { "violation" };
        let statuses = attempt.status.iter().chain(&attempt.statuses);
        let answers = statuses.map(|status| StatedAnswer {
            status: *status,
            error_type: attempt.error_type.clone(),
            error_code: attempt.code.clone(),
        });
        Case {
            id: CaseId(format!("{version}/{operation}/witness/{}/{twin}", self.name())),
            version,
            operation,
            origin: Origin::Witness {
                rule: self.rule.clone(),
                variant: self.variant.clone(),
                mended,
                answers: answers.collect(),
            },
            traits: Traits {
                mock_only: attempt
                    .names_what_is_ours()
                    .then_some("typed for our mock's ids and signatures"),
                ..Traits::default()
            },
            request: attempt.request(contract, version, operation),
        }
    }
}

/// What stands in a request that names something which only our mock knows or can have made: ids of batches, files
/// and containers, signatures, encrypted content, addresses.
const OURS: [&str; 7] = [
    "msgbatch_",
    "\"file_id\"",
    "\"container\"",
    "\"signature\"",
    "redacted_thinking",
    "encrypted_",
    "\"url\"",
];

/// A segment of a case id.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_plain)
}

impl Attempt {
    /// A body that is given as bytes is no JSON, and names nothing.
    fn names_what_is_ours(&self) -> bool {
        let texts = [self.path.as_deref(), self.body.as_deref()];
        texts.into_iter().flatten().any(|text| OURS.iter().any(|ours| text.contains(ours)))
    }

    fn request(&self, contract: &Contract, version: Version, operation: OperationId) -> Request {
        let operation = contract.edition(version).operation(operation);
        let body = self.body();
        let mut headers = Headers::default();
        headers.push("x-api-key", KEY_PLACEHOLDER);
        headers.push("anthropic-version", version.name());
        if !body.is_empty() {
            headers.push("content-type", "application/json");
        }
        for name in &self.remove_headers {
            headers.remove(name);
        }
        for (name, value) in &self.headers {
            headers.replace(name.clone(), value.replace("$KEY", KEY_PLACEHOLDER));
        }
        Request {
            method: self.method.clone().map_or_else(|| operation.method.into(), Into::into),
            target: self.path.clone().unwrap_or_else(|| operation.path.clone()).into(),
            headers,
            body,
        }
    }

    fn body(&self) -> Body {
        if let Some(body) = &self.body {
            return Body::Bytes(body.trim_end().to_owned().into());
        }
        if let Some(body) = &self.body_base64 {
            return Body::Bytes(STANDARD.decode(body).unwrap_or_default().into());
        }
        self.body_repeat.as_ref().map_or(Body::Empty, |repeat| Body::Repeat {
            prefix: repeat.prefix.clone().into(),
            unit: repeat.unit.clone().into(),
            count: repeat.count,
            suffix: repeat.suffix.clone().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<Witness, SpecError> {
        let text = format!(
            "rule = \"rule\"\n{head}\nsource = \"\"\nconfidence = \"documented\"\nversions = []\n\
             operation = \"messages.create\"\n[violation]\nstatus = 400\n[mended]\nstatus = 200\n"
        );
        Witness::parse(&Text { name: "rule.toml".to_owned(), text })
    }

    #[test]
    fn a_variant_is_part_of_the_name() {
        assert_eq!(parse("").unwrap().name(), "rule");
        assert_eq!(parse("variant = \"b-2\"").unwrap().name(), "rule/b-2");
    }

    #[test]
    fn a_variant_is_a_segment_of_an_id() {
        for odd in ["", "A", "a/b", "a b"] {
            let error = parse(&format!("variant = \"{odd}\"")).unwrap_err();
            assert!(error.to_string().contains("a variant is of lower-case letters"), "{error}");
        }
    }
}
