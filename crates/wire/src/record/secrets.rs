//! What must not be written down, and how it is taken out of what others wrote.
//!
//! Secrets are known by where they came from (a header that no list allows and whose name speaks of keys, a
//! member of a query) or by their shape (`sk-ant-…`). In bodies they are masked by as many asterisks, so that
//! lengths and the places of chunks stay true; the price is that the mask tells how long the secret was.
//!
//! Words are never judged by how random they look: ids, hashes and base64 stay as they are, and so do
//! `max_tokens`, `input_tokens` and `budget_tokens`, which are names and no values.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use classify::Headers;
use classify::http::KEY_PLACEHOLDER;

use crate::written::{Needle, unit};

/// A shorter credential is not a secret, but could be a part of any word.
const SECRET_BYTES_MIN: usize = 8;

/// How every key of the API begins.
const KEY_PREFIX: &[u8] = b"sk-ant-";

/// Real keys are five times as long; what is shorter stands for one in a text, such as `sk-ant-...`.
const KEY_TAIL_BYTES_MIN: usize = 12;

/// Words in the names of headers and of members of a query that carry credentials.
const TELLING: [&str; 12] = [
    "auth",
    "authorization",
    "cookie",
    "credential",
    "jwt",
    "key",
    "passwd",
    "password",
    "secret",
    "sig",
    "signature",
    "token",
];

/// The same where words are written together: `accessToken`.
const TELLING_ENDS: [&str; 4] = ["apikey", "password", "secret", "token"];

/// The secrets of one exchange. Like a key it cannot be printed.
#[derive(Clone, Default)]
pub struct Secrets(Vec<Needle>);

impl Secrets {
    /// Those in the head of a request: in its credential headers and its query.
    pub fn of(headers: &Headers, target: &str) -> Self {
        Self::default().and(headers, target)
    }

    /// Those in one more head, such as that of the answer: it may give a cookie and say it again in its body.
    pub fn and(self, headers: &Headers, target: &str) -> Self {
        let mut found: Vec<_> = self.0.iter().map(|needle| needle.plain().to_vec()).collect();
        for (name, value) in headers.iter() {
            if is_telling(name) {
                in_header(name, value, &mut found);
            }
            // What is known by its shape is known in other forms, too.
            for text in [name, value] {
                found.extend(key(text.as_bytes(), 0).map(|place| text.as_bytes()[place].to_vec()));
            }
            if value.contains("://") || name.eq_ignore_ascii_case("location") {
                in_address(value, &mut found);
            }
        }
        in_address(target, &mut found);
        // Somebody else's placeholder is not worth hiding, and masking it would be noise.
        let is_secret = |word: &Vec<u8>| {
            SECRET_BYTES_MIN <= word.len() && word.as_slice() != KEY_PLACEHOLDER.as_bytes()
        };
        found.retain(is_secret);
        // The longest first: one may be a part of another.
        found.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        found.dedup();
        Self(found.iter().map(|secret| Needle::new(secret)).collect())
    }

    /// The bytes with a mask of the same length in place of every secret.
    pub fn mask<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut clean = Cow::Borrowed(bytes);
        for secret in &self.0 {
            let mut from = 0;
            while let Some(place) = secret.find(&clean, from) {
                from = place.end;
                clean.to_mut()[place].fill(b'*');
            }
        }
        let mut from = 0;
        while let Some(place) = key(&clean, from) {
            from = place.end;
            clean.to_mut()[place].fill(b'*');
        }
        clean
    }

    /// The text with the usual placeholder in place of every secret.
    pub fn scrub(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &self.0 {
            let mut from = 0;
            while let Some(place) = secret.find(clean.as_bytes(), from) {
                from = place.start + KEY_PLACEHOLDER.len();
                replace(&mut clean, place);
            }
        }
        let mut from = 0;
        while let Some(place) = key(clean.as_bytes(), from) {
            from = place.start + KEY_PLACEHOLDER.len();
            replace(&mut clean, place);
        }
        clean
    }

    /// A target or an address with the values of telling members of its query replaced.
    pub fn scrub_target(&self, target: &str) -> String {
        let clean = without_user(self.scrub(target));
        let Some((path, query)) = clean.split_once('?') else { return clean };
        let members = query.split('&').map(|member| match member.split_once('=') {
            Some((name, _)) if is_telling(name) => format!("{name}={KEY_PLACEHOLDER}"),
            _ => member.to_owned(),
        });
        format!("{path}?{}", members.collect::<Vec<_>>().join("&"))
    }
}

fn replace(text: &mut String, place: Range<usize>) {
    // Secrets come as text from headers; half a character of another alphabet is no part of one.
    if text.is_char_boundary(place.start) && text.is_char_boundary(place.end) {
        text.replace_range(place, KEY_PLACEHOLDER);
    }
}

/// What a header of credentials holds: the whole, its words, and what these are made of.
fn in_header(name: &str, value: &str, found: &mut Vec<Vec<u8>>) {
    found.push(value.into());
    let is_cookie = ["cookie", "set-cookie"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let ends = |c: char| c.is_whitespace() || c == if is_cookie { ';' } else { ',' };
    for part in value.split(ends).filter(|part| !is_scheme(part) && !is_attribute(part)) {
        found.push(part.into());
        match part.split_once('=') {
            Some((name, value)) if is_cookie || is_telling(name) => {
                found.push(value.trim_matches('"').into());
            }
            _ => {}
        }
    }
    if let Some(decoded) = basic(value) {
        found.extend(decoded.split(|byte| *byte == b':').map(<[u8]>::to_vec));
    }
}

/// What an address holds: user and password, and the telling members of its query.
fn in_address(address: &str, found: &mut Vec<Vec<u8>>) {
    let (before, query) = address.split_once(['?', '#']).unwrap_or((address, ""));
    if let Some((_, rest)) = before.split_once("://")
        && let Some((user, _)) = rest.split('/').next().unwrap_or_default().rsplit_once('@')
    {
        found.extend(user.split(':').map(|part| part.as_bytes().to_vec()));
    }
    for (name, value) in query.split(['&', '#']).filter_map(|member| member.split_once('=')) {
        if is_telling(name) {
            found.push(value.into());
        }
    }
}

/// An address without the user and the password before its host.
fn without_user(address: String) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => address,
    }
}

/// Whether a header or a member of a query of that name holds a credential.
pub fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| TELLING.contains(&word) || TELLING_ENDS.iter().any(|end| word.ends_with(end)))
}

/// What stands beside a cookie and is none.
fn is_attribute(part: &str) -> bool {
    let name = part.split('=').next().unwrap_or_default();
    ["domain", "expires", "httponly", "max-age", "path", "samesite", "secure"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn is_scheme(word: &str) -> bool {
    ["basic", "bearer", "digest", "negotiate"].iter().any(|s| word.eq_ignore_ascii_case(s))
}

/// User and password of a `Basic` credential, packed as it is sent or plain as it is typed.
fn basic(value: &str) -> Option<Vec<u8>> {
    let (scheme, packed) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    Some(BASE64.decode(packed.trim()).unwrap_or_else(|_| packed.trim().into()))
}

/// Where the next key of the API stands, however its characters are escaped.
pub(crate) fn key(bytes: &[u8], mut from: usize) -> Option<Range<usize>> {
    let may_begin = |byte: &u8| matches!(byte, b's' | b'\\' | b'%');
    while let Some(skipped) = bytes.get(from..)?.iter().position(may_begin) {
        let start = from + skipped;
        from = start + 1;
        let Some(mut end) = end_of(KEY_PREFIX, bytes, start) else { continue };
        let mut length = 0;
        while let Some((byte, taken)) = unit(bytes, end)
            && (byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        {
            (length, end) = (length + 1, end + taken);
        }
        if KEY_TAIL_BYTES_MIN <= length {
            return Some(start..end);
        }
        from = end;
    }
    None
}

fn end_of(word: &[u8], bytes: &[u8], start: usize) -> Option<usize> {
    word.iter().try_fold(start, |at, byte| {
        unit(bytes, at).filter(|(found, _)| found == byte).map(|(_, taken)| at + taken)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAKE_KEY: &str = "sk-ant-api03-probity-test-key";

    fn secrets(fields: &[(&'static str, &str)], target: &str) -> Secrets {
        let fields =
            fields.iter().map(|(name, value)| ((*name).into(), (*value).to_owned().into()));
        Secrets::of(&Headers(fields.collect()), target)
    }

    /// What becomes of a text, masked and scrubbed, where `<key>` stands for the placeholder.
    fn check(secrets: &Secrets, text: &str, masked: &str, scrubbed: &str) {
        let seen = secrets.mask(text.as_bytes());
        assert_eq!(String::from_utf8_lossy(&seen), masked);
        assert_eq!(secrets.scrub(text), scrubbed.replace("<key>", KEY_PLACEHOLDER));
    }

    #[test]
    fn secrets_are_known_by_where_they_stood() {
        let found = secrets(
            &[
                ("X-Api-Key", "gateway-key-0001"),
                ("authorization", "Bearer eyJhbGciOi.J9.x-1"),
                ("Proxy-Authorization", "Basic dXNlcm5hbWU6aHVudGVyMjIy"),
                ("cookie", "theme=dark; sid=abcdef0123456789"),
            ],
            "/v1/messages?beta=true&api_key=query-secret",
        );
        check(&found, "no gateway-key-0001!", "no ****************!", "no <key>!");
        check(&found, "eyJhbGciOi.J9.x-1", "*****************", "<key>");
        check(&found, "username, hunter222", "********, *********", "<key>, <key>");
        check(&found, "sid abcdef0123456789", "sid ****************", "sid <key>");
        check(&found, "query-secret", "************", "<key>");
        check(&found, "theme dark, beta true", "theme dark, beta true", "theme dark, beta true");
        assert_eq!(
            found.scrub_target("/v1/messages?beta=true&api_key=query-secret&limit=2"),
            "/v1/messages?beta=true&api_key=$ANTHROPIC_API_KEY&limit=2"
        );
    }

    #[test]
    fn keys_of_the_api_are_known_by_their_shape() {
        let nobody = Secrets::default();
        let mask = "*".repeat(FAKE_KEY.len());
        check(&nobody, &format!("{FAKE_KEY} {FAKE_KEY}"), &format!("{mask} {mask}"), "<key> <key>");
        check(&nobody, &format!("\"{FAKE_KEY}\""), &format!("\"{mask}\""), "\"<key>\"");
    }

    #[test]
    fn what_only_looks_like_a_secret_stays() {
        let nobody = Secrets::default();
        for text in [
            "sk-ant-...",
            "sk-ant-api03-x",
            "toolu_01A09q90qw90lq917835lq9",
            "req_011CSHoEeqs5C35K2UUqR7Fy",
            "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF",
            "\"max_tokens\":1024,\"input_tokens\":12,\"budget_tokens\":2048",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk=",
        ] {
            check(&nobody, text, text, text);
        }
        let short = secrets(&[("x-api-key", "test")], "");
        check(&short, "a test", "a test", "a test");
    }

    #[test]
    fn bytes_that_are_no_text_keep_their_places() {
        let found = secrets(&[("x-api-key", "gateway-key")], "");
        let seen = found.mask(b"\xffgateway-key\xfe");
        assert_eq!(&seen[..], b"\xff***********\xfe");
    }
}
