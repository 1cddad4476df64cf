//! Looks for secrets in what was written, as somebody would who wants them: in every encoding that is undone without
//! a key. It shares no line with what takes them out.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Fewer characters of base64 hold no secret of these.
const RUN_BYTES_MIN: usize = 12;

/// Every reading of these bytes.
pub(crate) fn readings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let once = unescaped(bytes);
    let twice = unescaped(&once);
    let mut all =
        vec![percent(bytes), percent(&twice), unpacked(bytes), unpacked(&twice), bytes.to_vec()];
    all.extend([once, twice]);
    all
}

pub(crate) fn holds(readings: &[Vec<u8>], text: &str) -> bool {
    let text = text.as_bytes();
    readings.iter().any(|reading| {
        reading.windows(text.len()).any(|window| window[0] == text[0] && window == text)
    })
}

/// Without the escapes of JSON, whether or not it is JSON.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(1..5).and_then(hex).and_then(char::from_u32);
        (rest, _) = match (first, behind.first(), code) {
            (b'\\', Some(b'u'), Some(c)) => (&behind[5..], plain.extend(c.to_string().bytes())),
            (b'\\', Some(b'n'), _) => (&behind[1..], plain.push(b'\n')),
            (b'\\', Some(other), _) => (&behind[1..], plain.push(*other)),
            _ => (behind, plain.push(*first)),
        };
    }
    plain
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(hex).filter(|_| *first == b'%');
        plain.push(code.map_or(*first, |code| code.to_le_bytes()[0]));
        rest = if code.is_some() { &behind[2..] } else { behind };
    }
    plain
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// All that is packed in base64, from each of the four places where a group may begin.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let lax = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let engines = [GeneralPurpose::new(&STANDARD, lax), GeneralPurpose::new(&URL_SAFE, lax)];
    let is_packed = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let mut plain = Vec::new();
    for run in bytes.split(|byte| !is_packed(byte)).filter(|run| RUN_BYTES_MIN <= run.len()) {
        for start in 0..4 {
            let run = &run[start..];
            let whole = &run[..run.len() / 4 * 4];
            for engine in &engines {
                plain.extend(engine.decode(whole).unwrap_or_default());
                plain.push(b'\n');
            }
        }
    }
    plain
}

#[test]
fn every_encoding_is_read() {
    let secret = "open-sesame-0042";
    let packed =
        |text: String| GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new()).encode(text);
    let check = |text: String| assert!(holds(&readings(text.as_bytes()), secret), "{text}");
    check(format!("a {secret} b"));
    check(secret.replace('-', "\\u002d"));
    check(secret.replace('-', "\\\\u002D"));
    check(secret.replace('-', "%2d"));
    check(secret.bytes().map(|byte| format!("%{byte:02x}")).collect());
    for before in ["", "a", "ab", "abc"] {
        check(packed(format!("{before}{secret} and more")));
    }
    assert!(!holds(&readings(b"open-sesame-004"), secret));
}
