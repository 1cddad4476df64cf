//! The body as bytes: size, compression, encoding, JSON.
//!
//! [`parse_body`] does all of it in one pass and stops at the first fault, because each step needs the one
//! before; the rules of this group only name its outcomes, which is why their checks are one function that is told
//! which outcome to name. A server calls it once and skips the checks.
//!
//! Under `charset=iso-8859-1` each byte is a character, hence no body breaks that encoding; one in UTF-8 under that
//! name is read as the garbled text it claims to be.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::sync::LazyLock;

use bytes::Bytes;
use classify::{Body, Class, Request};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, Uncertain, edit, headers};
use crate::models::Confidence;
use crate::version::{OperationId, Version};
use position::{Position, refused};

mod position;

const WITH_BODY: &[OperationId] =
    &[OperationId::MessagesCreate, OperationId::MessagesCountTokens, OperationId::BatchesCreate];

/// Documented as 32 MB and 256 MB; taken as powers of two, so that what is called too large is so either way.
const BODY_BYTES_MAX: u64 = 32 * MEBIBYTE;
const BATCH_BODY_BYTES_MAX: u64 = 256 * MEBIBYTE;
const MEBIBYTE: u64 = 1024 * 1024;

/// Deeper than any limit a JSON parser is known to have (`serde_json` stops at 128, others at 1024).
const TOO_DEEP: usize = 10_000;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "body-over-limit",
        stage: Stage::Bytes,
        versions: &Version::ALL,
        operations: WITH_BODY,
        models: None,
        implies: &[],
        check: |ask, out| check(ask, out, Fault::OverLimit),
        breaches: break_limit,
        answer: Answer {
            status: 413,
            error_type: "request_too_large",
            error_code: None,
            wording: "Request exceeds the maximum size",
        },
        explanation: "A request may have 32 MB, one that creates a batch 256 MB. \
            The edge in front of the API measures and refuses, so the answer may lack the API's envelope.",
        remedy: "Send large files by URL or through the Files API, and split large batches.",
        source: "API overview and errors pages; anthropics/claude-code#3335",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "content-encoding-corrupt",
        stage: Stage::Bytes,
        versions: &Version::ALL,
        operations: WITH_BODY,
        models: None,
        implies: &[],
        check: |ask, out| check(ask, out, Fault::EncodingCorrupt),
        breaches: break_encoding,
        answer: Answer {
            status: 400,
            error_type: "invalid_request_error",
            error_code: Some("request_body_encoding_invalid"),
            wording: "The request body could not be decoded as gzip",
        },
        explanation: "The header announces gzip, but the body does not unpack: it was not compressed, cut short, \
            or changed on its way.",
        remedy: "Compress the body, or drop the header; a proxy that unpacks bodies must drop it as well.",
        source: "error codes of the official Python SDK; public reports, October 2026",
        confidence: Confidence::Confirmed,
        uncertain: None,
    },
    Rule {
        id: "body-too-large-after-decoding",
        stage: Stage::Bytes,
        versions: &Version::ALL,
        // Not for batches: unpacking 256 MB to refuse them would be an attack on our own mock.
        operations: &[OperationId::MessagesCreate, OperationId::MessagesCountTokens],
        models: None,
        implies: &[],
        check: |ask, out| check(ask, out, Fault::TooLargeAfterDecoding),
        breaches: break_inflated_limit,
        answer: Answer {
            status: 413,
            error_type: "request_too_large",
            error_code: Some("request_body_too_large_after_decoding"),
            wording: "The decoded request body exceeds the maximum size",
        },
        explanation: "The limit on the size of a request holds for the unpacked body, too. \
            Compression saves bandwidth, not room.",
        remedy: "Send large files by URL or through the Files API.",
        source: "error codes of the official Python SDK; public reports, October 2026",
        confidence: Confidence::Confirmed,
        uncertain: None,
    },
    Rule {
        id: "body-not-utf8",
        stage: Stage::Bytes,
        versions: &Version::ALL,
        operations: WITH_BODY,
        models: None,
        implies: &[],
        check: |ask, out| check(ask, out, Fault::NotUtf8),
        breaches: |base, out| {
            out.push(raw(base, "body/latin-1", b"caf\xe9"));
            out.push(raw(base, "body/cut-character", b"caf\xc3"));
        },
        answer: Answer::invalid(
            "The request body is not valid JSON: invalid UTF-8: line 1 column N (char M)",
        ),
        explanation: "JSON travels as UTF-8. A body in another encoding, or one whose text was cut in the middle \
            of a character, is not JSON at all.",
        remedy: "Encode the text as UTF-8, and cut text at characters instead of bytes.",
        source: "RFC 8259, section 8.1",
        confidence: Confidence::Inferred,
        uncertain: None,
    },
    Rule {
        id: "body-lone-surrogate",
        stage: Stage::Bytes,
        versions: &Version::ALL,
        operations: WITH_BODY,
        models: None,
        implies: &[],
        check: |ask, out| check(ask, out, Fault::LoneSurrogate),
        breaches: |base, out| {
            out.push(raw(base, "body/high-surrogate", br"half \ud83d of a pair"));
            out.push(raw(base, "body/low-surrogate", br"half \ude00 of a pair"));
        },
        answer: Answer::invalid(
            "The request body is not valid JSON: no low surrogate in string: line 1 column N (char M)",
        ),
        explanation: "An escape such as `\\ud83d` is one half of a character outside the basic plane; alone it \
            stands for nothing. It comes from text that was cut between the two halves, usually an emoji. \
            Of a second half alone the API says `invalid high surrogate in string`.",
        remedy: "Cut text at characters, or replace lone surrogates before the text is serialised.",
        source: "anthropics/claude-code#60394 and #9586",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "body-too-deep",
        stage: Stage::Bytes,
        versions: &Version::ALL,
        operations: WITH_BODY,
        models: None,
        implies: &[],
        check: |ask, out| check(ask, out, Fault::TooDeep),
        breaches: break_depth,
        answer: Answer::invalid("The request body is not valid JSON: recursion limit reached"),
        explanation: "Every JSON parser limits how deep objects and arrays may nest, because it needs stack for \
            each level. The checks of this contract stop at 128 levels.",
        remedy: "Flatten the input, or pass the deep part as text.",
        source: "concluded from the parsers in use",
        confidence: Confidence::Inferred,
        uncertain: Some(Uncertain {
            classes: &[Class::InvalidRequest, Class::TooLarge],
            question: "How deep may a body nest? No limit is documented; ours is 128, others stop at 1024.",
        }),
    },
    Rule {
        id: "body-not-json",
        stage: Stage::Bytes,
        versions: &Version::ALL,
        operations: WITH_BODY,
        models: None,
        implies: &[],
        check: |ask, out| check(ask, out, Fault::NotJson),
        breaches: break_json,
        answer: Answer::invalid(
            "The request body is not valid JSON: unexpected end of data: line 1 column N (char M)",
        ),
        explanation: "The body must be one JSON document, without comments, trailing commas, `NaN` or anything \
            behind it. A body that ends too early was cut on its way, or its length was counted in characters.",
        remedy: "Let a JSON library write the body, and let the HTTP library count its bytes.",
        source: "public reports of live answers, August 2026",
        confidence: Confidence::Observed,
        uncertain: None,
    },
];

/// How long the body of a request to that path may be. A longer one need not be read to be refused.
pub fn body_bytes_max(path: &str) -> u64 {
    if path.ends_with("/batches") { BATCH_BODY_BYTES_MAX } else { BODY_BYTES_MAX }
}

/// The body as JSON, or the first fault found on the way there.
pub fn parse_body(request: &Request) -> Result<Value, (&'static Rule, Finding)> {
    parse(request).map_err(|(fault, message)| (fault.rule(), Finding::new("", message)))
}

/// What can be wrong with a body; one rule each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    EncodingCorrupt,
    LoneSurrogate,
    NotJson,
    NotUtf8,
    OverLimit,
    TooDeep,
    TooLargeAfterDecoding,
}

impl Fault {
    fn rule(self) -> &'static Rule {
        let id = match self {
            Self::EncodingCorrupt => "content-encoding-corrupt",
            Self::LoneSurrogate => "body-lone-surrogate",
            Self::NotJson => "body-not-json",
            Self::NotUtf8 => "body-not-utf8",
            Self::OverLimit => "body-over-limit",
            Self::TooDeep => "body-too-deep",
            Self::TooLargeAfterDecoding => "body-too-large-after-decoding",
        };
        RULES.iter().find(|rule| rule.id == id).expect("every fault has its row above")
    }
}

fn check(ask: &Ask<'_>, out: &mut Vec<Finding>, fault: Fault) {
    if let Err((found, message)) = parse(ask.request)
        && found == fault
    {
        out.push(Finding::new("", message));
    }
}

type Parsed<T> = Result<T, (Fault, Cow<'static, str>)>;

fn parse(request: &Request) -> Parsed<Value> {
    let max = body_bytes_max(request.path());
    if request.body.len() > max {
        return Err((Fault::OverLimit, "Request exceeds the maximum size".into()));
    }
    let sent = request.body.to_bytes();
    let encoding = request.headers.get("content-encoding").map_or("", str::trim);
    let is_gzip = encoding.eq_ignore_ascii_case("gzip") || encoding.eq_ignore_ascii_case("x-gzip");
    let bytes = if is_gzip { inflate(&sent, max)? } else { sent };
    let text = if headers::has_latin_1_body(request) {
        Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect())
    } else {
        Cow::Borrowed(utf_8(&bytes)?)
    };
    serde_json::from_str(&text).map_err(|error| json_fault(&text, &error))
}

fn utf_8(bytes: &[u8]) -> Parsed<&str> {
    str::from_utf8(bytes).map_err(|error| {
        let place = Position::at(&bytes[..error.valid_up_to()]);
        (
            Fault::NotUtf8,
            format!("The request body is not valid JSON: invalid UTF-8: {place}").into(),
        )
    })
}

fn inflate(packed: &[u8], max: u64) -> Parsed<Bytes> {
    let mut unpacked = Vec::new();
    // One byte more than allowed is enough to know.
    match MultiGzDecoder::new(packed).take(max + 1).read_to_end(&mut unpacked) {
        Err(_) => {
            Err((Fault::EncodingCorrupt, "The request body could not be decoded as gzip".into()))
        }
        Ok(length) if length as u64 > max => Err((
            Fault::TooLargeAfterDecoding,
            "The decoded request body exceeds the maximum size".into(),
        )),
        Ok(_) => Ok(unpacked.into()),
    }
}

fn json_fault(text: &str, error: &serde_json::Error) -> (Fault, Cow<'static, str>) {
    let place = Position::of(text, error);
    let said = error.to_string();
    let is_lone = said.starts_with("lone leading surrogate");
    let (fault, what) = if is_lone && is_second_half(text, error) {
        (Fault::LoneSurrogate, "invalid high surrogate in string")
    } else if is_lone || said.starts_with("unexpected end of hex") {
        (Fault::LoneSurrogate, "no low surrogate in string")
    } else if said.starts_with("recursion limit") {
        (Fault::TooDeep, "recursion limit reached")
    } else if error.is_eof() {
        (Fault::NotJson, "unexpected end of data")
    } else {
        (Fault::NotJson, "unexpected character")
    };
    (fault, format!("The request body is not valid JSON: {what}: {place}").into())
}

/// Whether the escape that was refused at its last digit is the second half of a character (`\ude00`).
fn is_second_half(text: &str, error: &serde_json::Error) -> bool {
    let last = refused(text, error);
    let digits = last.checked_sub(3).and_then(|first| text.get(first..=last));
    let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    unit.is_some_and(|unit| (0xDC00..=0xDFFF).contains(&unit))
}

fn break_limit(base: &Base<'_>, out: &mut Vec<Breach>) {
    const UNIT_BYTES: u64 = 1024;
    let max = if base.operation == OperationId::BatchesCreate {
        BATCH_BODY_BYTES_MAX
    } else {
        BODY_BYTES_MAX
    };
    let body = edit::whole(base, marked());
    out.push(edit::repeat_text(
        base,
        "body",
        &body,
        "a".repeat(UNIT_BYTES as usize),
        max / UNIT_BYTES,
    ));
}

fn break_encoding(base: &Base<'_>, out: &mut Vec<Breach>) {
    let packed = gzip(edit::whole(base, json!({})).to_string().as_bytes());
    let cut = packed.slice(..packed.len() - 9);
    let plain = base.request.body.to_bytes();
    for (at, bytes) in [("body/gzip-cut", cut), ("body/gzip-never-packed", plain)] {
        out.push(base.with_request(at, |r| {
            r.headers.replace("content-encoding", "gzip");
            r.body = Body::Bytes(bytes);
        }));
    }
}

/// White space in front of JSON is harmless, packs well, and gzip files may be put end to end: a few
/// kilobytes unpack to more than the limit without ever having been held.
fn break_inflated_limit(base: &Base<'_>, out: &mut Vec<Breach>) {
    static SPACE: LazyLock<Bytes> = LazyLock::new(|| gzip(&vec![b' '; MEBIBYTE as usize]));
    let mut packed = SPACE.repeat((BODY_BYTES_MAX / MEBIBYTE) as usize);
    packed.extend_from_slice(&gzip(edit::whole(base, json!({})).to_string().as_bytes()));
    out.push(base.with_request("body/gzip", |r| {
        r.headers.replace("content-encoding", "gzip");
        r.body = Body::Bytes(packed.into());
    }));
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail").into()
}

/// Nests in the one place whose content is free, so that nothing but the depth is wrong.
fn break_depth(base: &Base<'_>, out: &mut Vec<Breach>) {
    let mut call = edit::tool_use("toolu_01");
    call["input"] = json!({"deep": edit::MARK});
    let talk = json!([
        edit::user(json!("Hello.")),
        edit::assistant(json!([call])),
        edit::user(json!([edit::tool_result("toolu_01")])),
    ]);
    let text = edit::whole(base, edit::tool_talk(talk)).to_string();
    let deep = format!("{}{}", "[".repeat(TOO_DEEP), "]".repeat(TOO_DEEP));
    let text = text.replace(&format!("\"{}\"", edit::MARK), &deep);
    out.push(base.with_request("body", |r| r.body = Body::Bytes(text.into())));
}

fn break_json(base: &Base<'_>, out: &mut Vec<Breach>) {
    let text = edit::whole(base, json!({})).to_string();
    let all_but_last = &text[..text.len() - 1];
    for (at, broken) in [
        ("body/empty", String::new()),
        ("body/nan", format!("{all_but_last},\"metadata\":NaN}}")),
        ("body/single-quotes", text.replace('"', "'")),
        ("body/trailing-comma", format!("{all_but_last},}}")),
        ("body/truncated", all_but_last.to_owned()),
        ("body/two-documents", format!("{text}{text}")),
    ] {
        out.push(base.with_request(at, |r| r.body = Body::Bytes(broken.into())));
    }
}

fn marked() -> Value {
    json!({"messages": [edit::user(json!(edit::MARK))]})
}

/// The smallest request with these bytes inside the text of its message.
fn raw(base: &Base<'_>, at: &'static str, inside: &[u8]) -> Breach {
    let text = edit::whole(base, marked()).to_string();
    let (before, after) = text.split_once(edit::MARK).expect("the mark is the message's text");
    let bytes = [before.as_bytes(), inside, after.as_bytes()].concat();
    base.with_request(at, |r| r.body = Body::Bytes(bytes.into()))
}

#[cfg(test)]
mod tests {
    use classify::Headers;

    use super::*;

    fn parsed(content_type: &str, body: &[u8]) -> Parsed<Value> {
        let mut headers = Headers::default();
        headers.push("content-type", content_type.to_owned());
        let (method, target) = ("POST".into(), "/v1/messages".into());
        parse(&Request { method, target, headers, body: Body::Bytes(body.to_vec().into()) })
    }

    #[track_caller]
    fn check_text(content_type: &str, body: &[u8], expected: &str) {
        assert_eq!(parsed(content_type, body).unwrap(), expected, "{content_type}");
    }

    #[test]
    fn a_body_is_read_in_the_charset_that_it_names() {
        check_text("application/json", "\"caf\u{e9}\"".as_bytes(), "caf\u{e9}");
        check_text("application/json; charset=us-ascii", b"\"cafe\"", "cafe");
        for latin_1 in ["iso-8859-1", "\"ISO-8859-1\"", "latin1"] {
            let content_type = format!("application/json; charset={latin_1}");
            check_text(&content_type, b"\"caf\xe9\"", "caf\u{e9}");
        }
        let (fault, _) = parsed("application/json; charset=utf-8", b"\"caf\xe9\"").unwrap_err();
        assert_eq!(fault, Fault::NotUtf8);
    }

    #[track_caller]
    fn check_surrogate(body: &str, expected: &str) {
        let (fault, said) = parsed("application/json", body.as_bytes()).unwrap_err();
        assert_eq!(fault, Fault::LoneSurrogate, "{body}");
        let expected = format!("The request body is not valid JSON: {expected} in string: ");
        assert!(said.starts_with(&expected), "{body}: {said}");
    }

    #[test]
    fn halves_of_characters() {
        check_surrogate(r#""\ud83d""#, "no low surrogate");
        check_surrogate(r#""\ud83d and on""#, "no low surrogate");
        check_surrogate(r#""\ud83d\n""#, "no low surrogate");
        check_surrogate(r#""\ud83d\u0041""#, "no low surrogate");
        check_surrogate(r#""\ude00""#, "invalid high surrogate");
        check_surrogate(r#""line\n\uDFFF.""#, "invalid high surrogate");
        check_surrogate(r#""\ud83d\ude00\ude00""#, "invalid high surrogate");
    }
}
