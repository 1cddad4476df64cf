//! The contract as loaded: one [`Edition`] per API version, the models, the date it holds for.
//!
//! The base document is OpenAPI 3.1; older versions are [overlays](overlay) over it. Judges read the document
//! as written (through the `jsonschema` crate); only the generator and the mutations read the [lowered](lower)
//! model, so that a mistake in lowering shows up as drift instead of hiding on both sides. The price is that
//! every schema is held twice.

use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::models::Models;
use crate::response::Answers;
use crate::schema::{SchemaId, Schemas};
use crate::validate::Validators;
use crate::version::{OperationId, Version};

pub mod lower;
mod operations;
pub mod overlay;

pub use operations::{Operation, Parameter};

/// The files a contract is made of.
#[derive(Clone, Debug)]
pub struct Texts {
    /// The base document, YAML or JSON.
    pub openapi: Text,
    /// One per older version.
    pub overlays: Vec<Text>,
    pub models: Text,
    /// Holds the line `as_of: YYYY-MM-DD`.
    pub source: Text,
}

/// A file's name, for messages, and its content.
#[derive(Clone, Debug)]
pub struct Text {
    pub name: String,
    pub text: String,
}

/// What the API promises.
pub struct Contract {
    /// The date the contract describes, `YYYY-MM-DD`: what "today" means in ledgers and tests.
    pub as_of: String,
    /// Of all texts, in hexadecimal.
    pub sha256: String,
    pub models: Models,
    /// One per version, oldest first.
    pub editions: Vec<Edition>,
}

/// The contract under one API version.
pub struct Edition {
    pub version: Version,
    /// The document as written, overlay applied.
    pub document: Value,
    pub operations: Vec<Operation>,
    /// The lowered model, for the generator and the mutations.
    pub schemas: Schemas,
    /// The schemas as written, compiled, for the judges.
    pub validators: Validators,
    /// The same for answers that may have grown, compiled when one has.
    pub(crate) answers: Answers,
}

impl Contract {
    /// Reads the texts. Fails on the first thing that is wrong in them, naming file and place.
    pub fn parse(texts: &Texts) -> Result<Self, SpecError> {
        let base = read_yaml(&texts.openapi)?;
        let models: Models = toml::from_str(&texts.models.text)
            .map_err(|error| SpecError::new(&texts.models.name, error.to_string()))?;
        let mut documents = vec![(base.clone(), &texts.openapi.name)];
        for text in &texts.overlays {
            let document = overlay::apply(&base, &read_yaml(text)?)
                .map_err(|error| SpecError::new(&text.name, error.to_string()))?;
            documents.push((document, &text.name));
        }
        let mut editions = documents
            .into_iter()
            .map(|(document, name)| Edition::read(document, name))
            .collect::<Result<Vec<_>, _>>()?;
        editions.sort_by_key(|edition| edition.version);
        if let Some(missing) =
            Version::ALL.into_iter().find(|v| editions.iter().all(|e| e.version != *v))
        {
            let message = format!(
                "no document describes API version {missing}; add an overlay whose info.version is {missing}"
            );
            return Err(SpecError::new(&texts.openapi.name, message));
        }
        Ok(Self { as_of: as_of(&texts.source)?, sha256: hash(texts), models, editions })
    }

    /// The contract under that version.
    pub fn edition(&self, version: Version) -> &Edition {
        self.editions
            .iter()
            .find(|edition| edition.version == version)
            .expect("parse checked every version")
    }
}

impl Edition {
    fn read(document: Value, name: &str) -> Result<Self, SpecError> {
        let version = document.pointer("/info/version").and_then(Value::as_str).unwrap_or_default();
        let version = Version::parse(version).ok_or_else(|| {
            let known = Version::ALL.map(Version::name).join(", ");
            SpecError::new(name, format!("info.version is `{version}`, expected one of {known}"))
        })?;
        let lowered =
            lower::document(&document).map_err(|error| SpecError::new(name, error.to_string()))?;
        let mut schemas =
            Schemas::compile(&lowered).map_err(|message| SpecError::new(name, message))?;
        let operations = operations::read(&lowered, &mut schemas)
            .map_err(|message| SpecError::new(name, message))?;
        let validators = Validators::compile(&document, &operations)
            .map_err(|message| SpecError::new(name, message))?;
        Ok(Self { version, document, operations, schemas, validators, answers: Answers::default() })
    }

    pub fn operation(&self, id: OperationId) -> &Operation {
        self.operations
            .iter()
            .find(|operation| operation.id == id)
            .expect("read checked every operation")
    }

    /// The lowered schema of the component of that name.
    pub fn component(&self, name: &str) -> Option<SchemaId> {
        self.schemas.component(name)
    }
}

fn read_yaml(text: &Text) -> Result<Value, SpecError> {
    serde_saphyr::from_str(&text.text)
        .map_err(|error| SpecError::new(&text.name, error.to_string()))
}

fn as_of(source: &Text) -> Result<String, SpecError> {
    let date = source.text.lines().find_map(|line| line.strip_prefix("as_of:")).map(str::trim);
    match date {
        Some(date) if date.len() == 10 && date.split('-').count() == 3 => Ok(date.to_owned()),
        _ => Err(SpecError::new(
            &source.name,
            "no line `as_of: YYYY-MM-DD`: the date the contract describes",
        )),
    }
}

fn hash(texts: &Texts) -> String {
    let mut hasher = Sha256::new();
    let all =
        [&texts.openapi].into_iter().chain(&texts.overlays).chain([&texts.models, &texts.source]);
    for text in all {
        hasher.update(text.text.as_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Something wrong in the contract's own files.
#[derive(Debug)]
pub struct SpecError {
    pub file: String,
    /// What is wrong, where, and what to do; several lines where a caret helps.
    pub message: String,
}

impl SpecError {
    pub fn new(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), message: message.into() }
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message.trim_end())
    }
}

impl std::error::Error for SpecError {}
