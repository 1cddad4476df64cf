//! Wrong and unusual heads: method, target, headers.
//!
//! The rules' own breaches leave out, misspell or replace a header in the plainest way; here are the mistakes that
//! look right, and the unusual heads that are right.

use std::io::Write;

use classify::http::KEY_PLACEHOLDER;
use classify::{Body, Class, Request};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{Base, Enumerate, Family, INVALID, LIKELY_SERVED, Mutant};
use crate::case::Permitted;

pub(super) const FAMILY: Family =
    Family { name: "envelope", enumerate: Enumerate::Requests(enumerate) };

const METHOD_NOT_ALLOWED: Permitted =
    Permitted::Exactly { status: 405, error_type: "invalid_request_error", error_code: None };
const NOT_FOUND: Permitted =
    Permitted::Exactly { status: 404, error_type: "not_found_error", error_code: None };
const UNAUTHORIZED: Permitted =
    Permitted::Exactly { status: 401, error_type: "authentication_error", error_code: None };

fn enumerate(base: &Base<'_>, out: &mut Vec<Mutant>) {
    let mut heads = Heads { base, out };
    methods(&mut heads);
    paths(&mut heads);
    queries(&mut heads);
    credentials(&mut heads);
    versions(&mut heads);
    betas(&mut heads);
    if base.operation.request.is_some() {
        content_types(&mut heads);
        encodings(&mut heads);
    }
}

struct Heads<'a, 'b> {
    base: &'a Base<'b>,
    out: &'a mut Vec<Mutant>,
}

impl Heads<'_, '_> {
    fn push(
        &mut self,
        rule: &'static str,
        at: &'static str,
        answers: Permitted,
        edit: impl FnOnce(&mut Request),
    ) {
        self.out.push(Mutant { rule, at: at.into(), request: self.base.with_head(edit), answers });
    }

    /// One header field in place of all of its name.
    fn header(
        &mut self,
        rule: &'static str,
        answers: Permitted,
        name: &'static str,
        value: impl Into<String>,
    ) {
        self.push(rule, "", answers, |request| request.headers.replace(name, value.into()));
    }
}

fn methods(heads: &mut Heads<'_, '_>) {
    let base = heads.base;
    let taken = |method| {
        base.edition.operations.iter().any(|o| o.path == base.operation.path && o.method == method)
    };
    for (at, method) in [("delete", "DELETE"), ("get", "GET"), ("post", "POST")] {
        if !taken(method) {
            heads.push("method-of-other-path", at, METHOD_NOT_ALLOWED, |request| {
                request.method = method.into()
            });
        }
    }
    heads.push("method-unknown", "patch", METHOD_NOT_ALLOWED, |request| {
        request.method = "PATCH".into()
    });
    heads.push("method-unknown", "put", METHOD_NOT_ALLOWED, |request| {
        // The rule on methods has the same with a body.
        request.method = "PUT".into();
        request.body = Body::Empty;
    });
}

fn paths(heads: &mut Heads<'_, '_>) {
    const ODD: &[Class] = &[Class::NotFound, Class::MethodNotAllowed];
    let mut odd = |rule, question, from, to| {
        let answers = Permitted::Uncertain { classes: ODD, question };
        heads.push(rule, "", answers, |request| {
            request.target = request.target.replacen(from, to, 1).into()
        });
    };
    odd(
        "path-double-slash",
        "Does the API fold `//` in a path, or look for it as it stands?",
        "/v1/",
        "//v1/",
    );
    odd("path-case", "Do the API's paths compare without regard to case?", "/v1/", "/V1/");
    let path = heads.base.request.path().to_owned();
    let query = heads.base.request.target[path.len()..].to_owned();
    let question = "Is a slash at the end of a path ignored, or another path?";
    heads.push(
        "path-trailing-slash",
        "",
        Permitted::Uncertain { classes: ODD, question },
        |request| {
            request.target = format!("{path}/{query}").into();
        },
    );
    // What comes of a base URL that already ends in `/v1`, or does not where it should.
    for (rule, prefix) in [
        ("path-version-doubled", "/v1/v1/"),
        ("path-version-left-out", "/"),
        ("path-version-other", "/v2/"),
    ] {
        heads.push(rule, "", NOT_FOUND, |request| {
            request.target = request.target.replacen("/v1/", prefix, 1).into()
        });
    }
}

fn queries(heads: &mut Heads<'_, '_>) {
    let add = |request: &mut Request, parameter: &str| {
        let separator = if request.query().is_empty() { '?' } else { '&' };
        request.target = format!("{}{separator}{parameter}", request.target).into();
    };
    heads.push("query-beta", "", Permitted::Served, |request| add(request, "beta=true"));
    let question = "Is a query parameter that the operation does not have ignored?";
    let answers = Permitted::Uncertain { classes: LIKELY_SERVED, question };
    heads.push("query-unknown", "", answers, |request| add(request, "probity_unknown=1"));
}

fn credentials(heads: &mut Heads<'_, '_>) {
    let bearer = format!("Bearer {KEY_PLACEHOLDER}");
    let mut only = |rule, answers, name: &'static str, value: String| {
        heads.push(rule, "", answers, |request| {
            request.headers.remove("x-api-key");
            request.headers.remove("authorization");
            request.headers.push(name, value);
        });
    };
    only("bearer", Permitted::Served, "authorization", bearer.clone());
    only("credential-padded", Permitted::Served, "x-api-key", format!("  {KEY_PLACEHOLDER} \t"));
    only("blank-credential", UNAUTHORIZED, "x-api-key", " \t ".to_owned());
    only("basic-credential", UNAUTHORIZED, "authorization", "Basic cHJvYml0eTo=".to_owned());
    only("credential-in-other-header", UNAUTHORIZED, "api-key", KEY_PLACEHOLDER.to_owned());
    only("credential-without-scheme", UNAUTHORIZED, "authorization", KEY_PLACEHOLDER.to_owned());
    only("wrong-bearer", UNAUTHORIZED, "authorization", format!("{bearer}x"));
    only("wrong-key", UNAUTHORIZED, "x-api-key", format!("{KEY_PLACEHOLDER}x"));
    // `x-api-key` decides, whatever stands beside it.
    heads.header("credential-both", Permitted::Served, "authorization", bearer);
    heads.header(
        "wrong-bearer-beside-key",
        Permitted::Served,
        "authorization",
        "Bearer sk-ant-api03-probity-wrong-key",
    );
}

fn versions(heads: &mut Heads<'_, '_>) {
    const NAME: &str = "anthropic-version";
    let version = heads.base.edition.version.name();
    heads.header("blank-version", INVALID, NAME, "");
    heads.header("version-undashed", INVALID, NAME, version.replace('-', ""));
    heads.header("version-padded", Permitted::Served, NAME, format!(" {version} "));
    heads.push("version-in-other-header", "", INVALID, |request| {
        request.headers.remove(NAME);
        request.headers.push("x-anthropic-version", version);
    });
}

fn betas(heads: &mut Heads<'_, '_>) {
    const NAME: &str = "anthropic-beta";
    /// Two that have become generally available, so that they change nothing.
    const FIRST: &str = "prompt-caching-2024-07-31";
    const SECOND: &str = "token-counting-2024-11-01";
    heads.header("beta-known", Permitted::Served, NAME, FIRST);
    heads.header("beta-joined", Permitted::Served, NAME, format!("{FIRST},{SECOND}"));
    heads.header("beta-spaces", Permitted::Served, NAME, format!("{FIRST}, {SECOND}"));
    heads.push("beta-repeated", "", Permitted::Served, |request| {
        request.headers.replace(NAME, FIRST);
        request.headers.push(NAME, SECOND);
    });
    heads.header("unknown-beta", INVALID, NAME, format!("{FIRST}, prompt-caching-2024-07-32"));
}

fn content_types(heads: &mut Heads<'_, '_>) {
    const NAME: &str = "content-type";
    const CHARSET: Permitted = Permitted::Exactly {
        status: 400,
        error_type: "invalid_request_error",
        error_code: Some("unsupported_charset"),
    };
    const OTHER: Permitted = Permitted::Uncertain {
        classes: &[Class::InvalidRequest, Class::Undocumented],
        question: "What is answered to a POST whose content type is not JSON: 400, or a 415 that is not documented?",
    };
    heads.header(
        "content-type-charset-utf8",
        Permitted::Served,
        NAME,
        "application/json; charset=utf-8",
    );
    heads.header(
        "content-type-upper-case",
        Permitted::Served,
        NAME,
        "Application/JSON;Charset=\"UTF-8\"",
    );
    heads.header("content-type-charset-odd", CHARSET, NAME, "application/json; charset=utf-7");
    heads.header("content-type-blank", OTHER, NAME, "");
    heads.header("content-type-octet-stream", OTHER, NAME, "application/octet-stream");
}

/// Each body really has the encoding that its header names, so that only its support is in question.
fn encodings(heads: &mut Heads<'_, '_>) {
    let invalid = |code| Permitted::Exactly {
        status: 400,
        error_type: "invalid_request_error",
        error_code: Some(code),
    };
    let plain = heads.base.request.body.to_bytes();
    let packed = gzip(&plain);
    let mut damaged = packed.clone();
    // The last eight bytes are the checksum and the length.
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    let unsupported = "request_body_encoding_unsupported";
    for (rule, encoding, answers, bytes) in [
        ("content-encoding-gzip", "gzip", Permitted::Served, packed),
        (
            "content-encoding-gzip-corrupt",
            "gzip",
            invalid("request_body_encoding_invalid"),
            damaged,
        ),
        ("content-encoding-br", "br", invalid(unsupported), brotli(&plain)),
        ("content-encoding-deflate", "deflate", invalid(unsupported), deflate(&plain)),
        ("content-encoding-zstd", "zstd", invalid(unsupported), zstd(&plain)),
    ] {
        heads.push(rule, "", answers, |request| {
            request.headers.replace("content-encoding", encoding);
            request.body = Body::Bytes(bytes.into());
        });
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}

/// What a stored block holds at most, in Brotli (64 KB here) and in Zstandard (128 KB); small bases are far below.
const STORED_BYTES_MAX: usize = 64 * 1024;

/// One stored metablock (RFC 7932, section 9.2), then an empty last one.
fn brotli(plain: &[u8]) -> Vec<u8> {
    let stored = &plain[..plain.len().min(STORED_BYTES_MAX)];
    let header = ((stored.len() as u32).saturating_sub(1) << 4) | (1 << 20);
    [&header.to_le_bytes()[..3], stored, &[3]].concat()
}

/// One frame of one stored block (RFC 8878, section 3.1).
fn zstd(plain: &[u8]) -> Vec<u8> {
    let stored = &plain[..plain.len().min(STORED_BYTES_MAX)];
    let length = stored.len() as u32;
    let block = (length << 3) | 1;
    [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0], &length.to_le_bytes()[..], &block.to_le_bytes()[..3], stored]
        .concat()
}
