//! The head of a request: target with its ids and query, credential, version, betas.

use std::borrow::Cow;

use classify::Headers;
use classify::http::KEY_PLACEHOLDER;

use crate::seeds;
use crate::spec::Operation;
use crate::version::OperationId;

use super::Generator;

/// Values of `anthropic-beta` that change nothing of what we draw.
const BETAS: &[&str] = &["token-counting-2024-11-01", "prompt-caching-2024-07-31,pdfs-2024-09-25"];

impl Generator<'_, '_, '_> {
    pub(super) fn head(&mut self, operation: &Operation) -> (Cow<'static, str>, Headers) {
        let mut headers = Headers(Vec::with_capacity(4));
        if self.source.chance(80) {
            headers.push("authorization", format!("Bearer {KEY_PLACEHOLDER}"));
        } else {
            headers.push("x-api-key", KEY_PLACEHOLDER);
        }
        headers.push("anthropic-version", self.edition.version.name());
        if operation.request.is_some() {
            headers.push("content-type", "application/json");
        }
        if let Some(beta) = self.beta {
            headers.push("anthropic-beta", beta);
        }
        if self.source.chance(24) {
            let betas = *self.source.pick(BETAS);
            headers.push("anthropic-beta", betas);
        }
        (self.target(operation), headers)
    }

    fn target(&mut self, operation: &Operation) -> Cow<'static, str> {
        match operation.id {
            OperationId::MessagesCreate => "/v1/messages".into(),
            OperationId::MessagesCountTokens => "/v1/messages/count_tokens".into(),
            OperationId::BatchesCreate => "/v1/messages/batches".into(),
            OperationId::BatchesGet | OperationId::BatchesCancel => {
                self.mock_only("names a batch that our mock knows from the start");
                let id = *self.source.pick(&[seeds::BATCH_IN_PROGRESS, seeds::BATCH_ENDED]);
                // Only a batch that still runs can be cancelled.
                let id = if operation.id == OperationId::BatchesCancel {
                    seeds::BATCH_IN_PROGRESS
                } else {
                    id
                };
                operation.target(id).into()
            }
            OperationId::BatchesDelete | OperationId::BatchesResults => {
                self.mock_only("names a batch that our mock knows from the start");
                operation.target(seeds::BATCH_ENDED).into()
            }
            OperationId::ModelsGet => {
                let model = self.draw_model();
                operation.target(&model.id).into()
            }
            OperationId::BatchesList | OperationId::ModelsList => self.list_target(operation),
        }
    }

    fn list_target(&mut self, operation: &Operation) -> Cow<'static, str> {
        let mut query = Vec::new();
        if self.source.chance(128) {
            let limit = self.source.between(1, 1000);
            query.push(format!("limit={limit}"));
        }
        let models = operation.id == OperationId::ModelsList;
        if self.source.chance(96) {
            let side = *self.source.pick(&["after_id", "before_id"]);
            let id = if models {
                self.draw_model().id.as_str()
            } else {
                self.mock_only("names a batch that our mock knows from the start");
                *self.source.pick(&[seeds::BATCH_IN_PROGRESS, seeds::BATCH_ENDED])
            };
            query.push(format!("{side}={id}"));
        }
        if models {
            for lifecycle in ["active", "deprecated", "retired"] {
                if self.source.chance(64) {
                    query.push(format!("lifecycle[]={lifecycle}"));
                }
            }
        }
        match query.as_slice() {
            [] => operation.path.clone().into(),
            query => format!("{}?{}", operation.path, query.join("&")).into(),
        }
    }
}
