//! The versions of the API a request can name, and the ten operations.

use std::fmt;

/// A value of the `anthropic-version` header that the contract describes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Version {
    V2023_06_01,
    V2026_10_21,
}

impl Version {
    /// Oldest first; the last is the base document, the others are overlays over it.
    pub const ALL: [Self; 2] = [Self::V2023_06_01, Self::V2026_10_21];

    /// The header's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::V2023_06_01 => "2023-06-01",
            Self::V2026_10_21 => "2026-10-21",
        }
    }

    /// The version of that header value.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A method and path of the spec, named as its `operationId`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum OperationId {
    MessagesCreate,
    MessagesCountTokens,
    BatchesCreate,
    BatchesList,
    BatchesGet,
    BatchesCancel,
    BatchesDelete,
    BatchesResults,
    ModelsList,
    ModelsGet,
}

impl OperationId {
    pub const ALL: [Self; 10] = [
        Self::MessagesCreate,
        Self::MessagesCountTokens,
        Self::BatchesCreate,
        Self::BatchesList,
        Self::BatchesGet,
        Self::BatchesCancel,
        Self::BatchesDelete,
        Self::BatchesResults,
        Self::ModelsList,
        Self::ModelsGet,
    ];

    /// The `operationId` in the spec, as it stands in case ids and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::MessagesCreate => "messages.create",
            Self::MessagesCountTokens => "messages.count_tokens",
            Self::BatchesCreate => "batches.create",
            Self::BatchesList => "batches.list",
            Self::BatchesGet => "batches.get",
            Self::BatchesCancel => "batches.cancel",
            Self::BatchesDelete => "batches.delete",
            Self::BatchesResults => "batches.results",
            Self::ModelsList => "models.list",
            Self::ModelsGet => "models.get",
        }
    }

    /// The operation of that `operationId`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// Whether the body is (or, for batches, holds) the parameters of a message.
    pub fn takes_params(self) -> bool {
        matches!(self, Self::MessagesCreate | Self::MessagesCountTokens)
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
