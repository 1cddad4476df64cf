//! The generator as a proptest strategy, for property tests of one's own.
//!
//! The bytes come from proptest and shrink there: dropping bytes makes every later choice its first, so a failing
//! request shrinks towards the smallest valid one. Proptest's own pass-through generator is not used, because it
//! never ends once its bytes are out.

use std::sync::Arc;

use arbitrary::Unstructured;
use proptest::strategy::Strategy;

use super::{Draw, generate};
use crate::spec::Contract;
use crate::version::{OperationId, Version};

/// The longest conversations use about a quarter of it.
const BYTES_MAX: usize = 4096;

/// Valid requests of the operation under that version.
///
/// ```
/// use std::sync::Arc;
/// use contract::generate::strategy;
/// use contract::version::{OperationId, Version};
/// use proptest::prelude::*;
///
/// fn property(contract: Arc<contract::spec::Contract>) {
///     let requests = strategy(contract, Version::V2026_10_21, OperationId::MessagesCreate);
///     proptest!(|(draw in requests)| {
///         prop_assert!(draw.request.body.len() > 0);
///     });
/// }
/// ```
pub fn strategy(
    contract: Arc<Contract>,
    version: Version,
    operation: OperationId,
) -> impl Strategy<Value = Draw> {
    proptest::collection::vec(proptest::num::u8::ANY, 0..=BYTES_MAX).prop_map(move |bytes| {
        let edition = contract.edition(version);
        generate(&contract, edition, edition.operation(operation), &mut Unstructured::new(&bytes))
    })
}
