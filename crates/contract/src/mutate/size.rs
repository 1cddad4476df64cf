//! Bodies just over and just under the limits of size and count, lazy where they are heavy.
//!
//! White space is used where only bytes count: it makes a body large without making it mean more, so that no
//! other limit is met on the way. What a run sends by default is kept low, see `heavy`.

use classify::{Body, Request};

use super::{Base, Enumerate, Family, INVALID, Mutant};
use crate::case::Permitted;
use crate::version::OperationId;

pub(super) const FAMILY: Family =
    Family { name: "size", enumerate: Enumerate::Requests(enumerate) };

/// Documented as 32 MB and 256 MB. Over means over either reading of MB, under means under both.
const BODY_MEGABYTES_MAX: u64 = 32;
const BATCH_MEGABYTES_MAX: u64 = 256;
const MEBIBYTE: u64 = 1024 * 1024;
const MEGABYTE: u64 = 1_000_000;

/// Of messages in a request, and of requests in a batch.
const ITEMS_MAX: u64 = 100_000;

const TOO_LARGE: Permitted =
    Permitted::Exactly { status: 413, error_type: "request_too_large", error_code: None };

fn enumerate(base: &Base<'_>, out: &mut Vec<Mutant>) {
    if base.operation.request.is_none() {
        return;
    }
    let mut push =
        |rule, request, answers| out.push(Mutant { rule, at: "".into(), request, answers });
    let is_batch = base.operation.id == OperationId::BatchesCreate;
    let megabytes = if is_batch { BATCH_MEGABYTES_MAX } else { BODY_MEGABYTES_MAX };
    if !is_batch || base.heavy {
        push("body-just-over", padded(base, megabytes * MEBIBYTE + 1), TOO_LARGE);
    }
    if base.heavy {
        push("body-just-under", padded(base, megabytes * MEGABYTE - 1), Permitted::Served);
    }
    match base.operation.id {
        OperationId::MessagesCreate => push("messages-just-over", many_messages(base), INVALID),
        OperationId::BatchesCreate => push("requests-just-over", many_requests(base), INVALID),
        _ => {}
    }
}

/// The base with white space inside, `bytes` long in all or a little more.
fn padded(base: &Base<'_>, bytes: u64) -> Request {
    const UNIT: &[u8] = &[b' '; 1024];
    let text = base.body.to_string();
    let missing = bytes.saturating_sub(text.len() as u64);
    let (units, rest) = (missing / UNIT.len() as u64, missing % UNIT.len() as u64);
    let suffix = " ".repeat(rest as usize) + &text[1..];
    let body =
        Body::Repeat { prefix: "{".into(), unit: UNIT.into(), count: units, suffix: suffix.into() };
    Request { body, ..base.request.clone() }
}

/// One message more than allowed, in pairs, so that the conversation is as it should be.
fn many_messages(base: &Base<'_>) -> Request {
    const PAIR: &str = r#"{"role":"user","content":"a"},{"role":"assistant","content":"b"},"#;
    base.repeated("/messages", ["[", PAIR, r#"{"role":"user","content":"a"}]"#], ITEMS_MAX / 2)
}

/// One request more than allowed. They are alike and nearly empty, since the whole would be heavy otherwise; their
/// number is looked at first, and the rest would be refused with the same answer.
fn many_requests(base: &Base<'_>) -> Request {
    const ITEM: &str = r#"{"custom_id":"a","params":{}},"#;
    base.repeated("/requests", ["[", ITEM, r#"{"custom_id":"b","params":{}}]"#], ITEMS_MAX)
}
