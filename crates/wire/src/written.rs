//! A secret as others write it down: as it is, escaped for JSON or for a URL, or in base64.
//!
//! Whoever echoes a key seldom writes it as it came: a body of JSON may escape any character, a redirect carries it
//! in a query, a log packs the whole header. The text is read one character at a time for what it stands for, so any
//! mixture of escapes is found; base64 is looked for in each of its three alignments. What somebody encrypts,
//! reverses or spreads over several members of a document is not found: no list of disguises ends.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// JSON within JSON within a log line; deeper nesting is nobody's accident.
const BACKSLASHES_MAX: usize = 8;

/// Shorter runs of base64 stand in any image by chance.
const PACKED_BYTES_MIN: usize = 10;

/// What is looked for. It cannot be printed, like the secret that it is.
#[derive(Clone, Default)]
pub(crate) struct Needle {
    plain: Vec<u8>,
    /// What is certain of it in base64, whatever stands before and behind it.
    packed: Vec<Vec<u8>>,
}

impl Needle {
    pub(crate) fn new(secret: &[u8]) -> Self {
        let mut packed: Vec<_> = (0..3).flat_map(|shift| packed(secret, shift)).collect();
        packed.dedup();
        packed.retain(|core| PACKED_BYTES_MIN <= core.len());
        Self { plain: secret.to_vec(), packed }
    }

    pub(crate) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// The first place, from there on, where it is written in any form.
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let packed = self.packed.iter().filter_map(|core| find(text, from, core));
        let packed = packed.min_by_key(|place| place.start);
        let text = &text[..packed.as_ref().map_or(text.len(), |place| place.end)];
        self.find_plain(text, from)
            .filter(|found| packed.as_ref().is_none_or(|p| found.start <= p.start))
            .or(packed)
    }

    fn find_plain(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let first = *self.plain.first()?;
        let may_begin = |byte: &u8| *byte == first || matches!(byte, b'\\' | b'%');
        let mut at = from;
        while let Some(skipped) = text.get(at..)?.iter().position(may_begin) {
            at += skipped;
            if let Some(end) = self.end(text, at) {
                return Some(at..end);
            }
            at += 1;
        }
        None
    }

    /// Where it ends, if it begins here.
    fn end(&self, text: &[u8], mut at: usize) -> Option<usize> {
        for byte in &self.plain {
            at += match unit(text, at)? {
                (found, length) if found == *byte => length,
                // It may hold a percent sign or a backslash of its own.
                _ if text[at] == *byte => 1,
                _ => return None,
            };
        }
        Some(at)
    }
}

/// What the next character stands for, and how many bytes it takes to say so.
pub(crate) fn unit(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = text.get(at..)?;
    let hex =
        |digits: Option<&[u8]>| u8::from_str_radix(std::str::from_utf8(digits?).ok()?, 16).ok();
    let plain = *rest.first()?;
    let escaped = match plain {
        b'%' => hex(rest.get(1..3)).map(|byte| (byte, 3)),
        b'\\' => {
            let run = rest.iter().take(BACKSLASHES_MAX).take_while(|byte| **byte == b'\\').count();
            match rest.get(run) {
                Some(b'u') if rest[run + 1..].starts_with(b"00") => {
                    hex(rest.get(run + 3..run + 5)).map(|byte| (byte, run + 5))
                }
                Some(b'/') => Some((b'/', run + 1)),
                _ => None,
            }
        }
        _ => None,
    };
    Some(escaped.unwrap_or((plain, 1)))
}

/// The first place of that needle. Its first byte is looked for first, which is what makes a long body quick.
pub(crate) fn find(text: &[u8], from: usize, needle: &[u8]) -> Option<Range<usize>> {
    let first = needle.first()?;
    let mut at = from;
    while let Some(skipped) = text.get(at..)?.iter().position(|byte| byte == first) {
        at += skipped;
        if text[at..].starts_with(needle) {
            return Some(at..at + needle.len());
        }
        at += 1;
    }
    None
}

/// The characters of base64 that the secret alone decides when it stands so many bytes behind a multiple of three.
fn packed(secret: &[u8], shift: usize) -> [Vec<u8>; 2] {
    let shifted = [&[0; 2][..shift], secret].concat();
    // The first and the last character may hold bits of a neighbour.
    let (start, end) = ((shift * 8).div_ceil(6), shifted.len() * 8 / 6);
    [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)]
        .map(|text| text.as_bytes().get(start..end).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAKE_KEY: &str = "sk-ant-api03-probity/test+key";

    fn check(written: &str) {
        let text = format!("no sk-ant %zz \\u00 \\ {written} behind");
        let found = Needle::new(FAKE_KEY.as_bytes()).find(text.as_bytes(), 0);
        let found = found.map(|place| &text[place]);
        assert_eq!(found, Some(written), "{text}");
    }

    #[test]
    fn it_is_found_in_any_form() {
        check(FAKE_KEY);
        check(&FAKE_KEY.replace('-', "\\u002d"));
        check(&FAKE_KEY.replace('-', "\\\\u002D").replace('/', "\\/"));
        check(&FAKE_KEY.replace('s', "\\u0073").replace('/', "%2F").replace('+', "%2b"));
        check(&FAKE_KEY.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>());
        check(&FAKE_KEY.bytes().map(|byte| format!("\\u00{byte:02x}")).collect::<String>());
    }

    #[test]
    fn it_is_found_in_base64() {
        let needle = Needle::new(FAKE_KEY.as_bytes());
        for before in ["", "a", "ab", "abc", "user:"] {
            for behind in ["", "b", "bc"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}{FAKE_KEY}{behind}"));
                let place = needle.find(text.as_bytes(), 0).unwrap();
                assert!(place.len() + 8 + before.len() * 2 > text.len(), "{text}: {place:?}");
            }
        }
    }

    #[test]
    fn other_text_is_not_taken_for_it() {
        let needle = Needle::new(FAKE_KEY.as_bytes());
        for text in ["", "s", "sk-ant-api03-probity/test+ke", "%73", "\\u0073", "\\\\\\\\", "%"] {
            assert_eq!(needle.find(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(Needle::new(b"").find(b"abc", 0), None);
    }
}
