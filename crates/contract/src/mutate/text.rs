//! Puts into texts what texts should not hold, and nests values deeper than anybody writes them.
//!
//! A text of any place goes through the same reader, so a few places that every caller fills stand for all.

use classify::Class;
use serde_json::{Value, json};

use super::{Base, Enumerate, Family, INVALID, LIKELY_SERVED, Mutant, place};
use crate::case::Permitted;
use crate::site::Site;

pub(super) const FAMILY: Family = Family { name: "text", enumerate: Enumerate::Sites(enumerate) };

/// Texts to break, as places.
const TEXTS: &[&str] = &[CONTENT, TEXT, "model", "system", "Tool/description"];
const CONTENT: &str = "UserMessage/content";
const TEXT: &str = "RequestTextBlock/text";

/// A free object.
const INPUT: &str = "RequestToolUseBlock/input";

/// Half a megabyte: far more than is typed by hand, still not heavy, and within every model's window.
const LONG_TEXT_BYTES: u64 = 512 * 1024;
const LONG_TEXT_UNIT: &str = "All work and no play. ";

/// Some 110 levels with what is around it: below the 128 at which common readers stop.
const NESTED_LEVELS: usize = 100;

/// Beyond every reader's limit.
const DEEP_LEVELS: usize = 10_000;

fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    let path = site.place.strip_prefix("CreateMessageParams/").unwrap_or(site.place);
    let mut push =
        |rule, request, answers| out.push(Mutant { rule, at: place(&site), request, answers });
    if site.pointer.is_empty() {
        let body = base.body.to_string();
        push("byte-order-mark", base.with_body(format!("\u{feff}{body}")), BYTE_ORDER_MARK);
        let deep = "[".repeat(DEEP_LEVELS) + &"]".repeat(DEEP_LEVELS);
        push("deep-body", base.with_body(deep), INVALID);
    } else if path == INPUT {
        push("deep-nesting", base.replaced(site.pointer, &nested()), NESTING);
    } else if TEXTS.contains(&path) && site.value.is_string() {
        push("invalid-utf8", base.spliced(site.pointer, b"\"na\xc3\x28ve\""), INVALID);
        push("lone-surrogate", base.spliced(site.pointer, br#""cut \ud83d""#), INVALID);
        push("raw-control", base.spliced(site.pointer, b"\"one\x01two\""), INVALID);
        if path != "model" {
            push("escaped-nul", base.spliced(site.pointer, br#""one\u0000two""#), ESCAPED_NUL);
        }
        if [CONTENT, TEXT].contains(&path) {
            let count = LONG_TEXT_BYTES / LONG_TEXT_UNIT.len() as u64;
            push(
                "very-long",
                base.repeated(site.pointer, ["\"", LONG_TEXT_UNIT, "End.\""], count),
                Permitted::Served,
            );
        }
    }
}

fn nested() -> Value {
    (0..NESTED_LEVELS).fold(json!({}), |inner, _| json!({ "a": inner }))
}

const BYTE_ORDER_MARK: Permitted = Permitted::Uncertain {
    classes: &[Class::InvalidRequest],
    question: "Is a byte order mark before the body skipped? RFC 8259 permits either; the reader that the wording of \
        JSON errors points to refuses it.",
};

const ESCAPED_NUL: Permitted = Permitted::Uncertain {
    classes: LIKELY_SERVED,
    question: "Is a NUL, written as `\\u0000`, taken in texts? JSON permits it; no source says that it is refused.",
};

const NESTING: Permitted = Permitted::Uncertain {
    classes: LIKELY_SERVED,
    question: "How deep may the input of a tool call nest? No limit is documented.",
};
