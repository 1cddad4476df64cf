//! What no script can know when it is written: whose answer it will be, and when.
//!
//! Where a script says `nonce-00000000`, the nonce of the request stands in the answer, so that an answer shows whose
//! it is. Dates in its head are moved so that the day of the scripts is now: a client may measure a date by the `date`
//! of the answer or by its own clock, and both must come to the same. Neither changes a length.

use std::time::{Duration, SystemTime};

const PLACEHOLDER: &[u8; NONCE_BYTES] = b"nonce-00000000";
const NONCE_PREFIX: &[u8] = b"nonce-";
const NONCE_BYTES: usize = 14;

/// A prompt begins with its nonce, however long it is.
const NONCE_REACH_BYTES: usize = 1 << 20;

/// The moment at which scripts are written: Sun, 22 Nov 2026 12:00:00 GMT, in seconds since 1970.
const WRITTEN_S: u64 = 1_795_348_800;

/// Headers that may hold a date.
const DATED: [&str; 2] = ["date: ", "retry-after: "];

/// The bytes of a script as they go out in answer to this request.
pub(super) fn filled(mut bytes: Vec<u8>, request: &[u8], now: SystemTime) -> Vec<u8> {
    if let Some(nonce) = nonce(request) {
        put_nonce(&mut bytes, &nonce);
    }
    move_dates(&mut bytes, now);
    bytes
}

fn put_nonce(bytes: &mut [u8], nonce: &[u8; NONCE_BYTES]) {
    let mut idx = 0;
    while let Some(found) = find(&bytes[idx..], PLACEHOLDER) {
        idx += found + NONCE_BYTES;
        bytes[idx - NONCE_BYTES..idx].copy_from_slice(nonce);
    }
}

/// The first nonce in a request: of a conversation, the one that it began with.
fn nonce(request: &[u8]) -> Option<[u8; NONCE_BYTES]> {
    let mut rest = &request[..request.len().min(NONCE_REACH_BYTES)];
    while let Some(found) = find(rest, NONCE_PREFIX) {
        rest = &rest[found..];
        let digits = rest.get(NONCE_PREFIX.len()..NONCE_BYTES)?;
        if digits.iter().all(u8::is_ascii_hexdigit) {
            return rest[..NONCE_BYTES].try_into().ok();
        }
        rest = &rest[NONCE_PREFIX.len()..];
    }
    None
}

/// A date that is not one of HTTP's usual format stays as it is: it is there to be unusable.
fn move_dates(bytes: &mut [u8], now: SystemTime) {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else { return };
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(WRITTEN_S);
    // Rounded up: what is cut off would make every wait look shorter than it was meant.
    let Ok(since) = now.duration_since(written) else { return };
    let since = Duration::from_secs(since.as_secs() + u64::from(since.subsec_nanos() > 0));
    let mut start = 0;
    while start <= head_end
        && let Some(found) = find(&bytes[start..=head_end], b"\r")
    {
        let line = start..start + found;
        start = line.end + 2;
        let Ok(text) = std::str::from_utf8(&bytes[line.clone()]) else { continue };
        let Some(value) = DATED.iter().find_map(|name| text.strip_prefix(name)) else { continue };
        let Ok(date) = httpdate::parse_http_date(value) else { continue };
        let moved = httpdate::fmt_http_date(date + since);
        let at = line.end - value.len();
        if moved.len() == value.len() {
            bytes[at..line.end].copy_from_slice(moved.as_bytes());
        }
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, request: &str, after_ms: u64, expected: &str) {
        let now = SystemTime::UNIX_EPOCH
            + Duration::from_secs(WRITTEN_S)
            + Duration::from_millis(after_ms);
        let filled = filled(script.as_bytes().to_vec(), request.as_bytes(), now);
        assert_eq!(String::from_utf8(filled).unwrap(), expected);
    }

    #[test]
    fn an_answer_shows_whose_it_is() {
        let script = "HTTP/1.1 200 OK\r\n\r\nHi nonce-00000000, nonce-00000000";
        check(
            script,
            "nonce-x nonce-12ab34cd nonce-99999999",
            0,
            "HTTP/1.1 200 OK\r\n\r\nHi nonce-12ab34cd, nonce-12ab34cd",
        );
        check(script, "nothing", 0, script);
    }

    #[test]
    fn dates_are_those_of_the_moment() {
        let head = |date: &str, after: &str| {
            format!(
                "HTTP/1.1 429 No\r\ndate: {date}\r\nretry-after: {after}\r\n\r\nretry-after: Sun, 22 Nov 2026 12:00:03 GMT\r\n"
            )
        };
        let script = head("Sun, 22 Nov 2026 12:00:00 GMT", "Sun, 22 Nov 2026 12:00:03 GMT");
        check(
            &script,
            "",
            90_000,
            &head("Sun, 22 Nov 2026 12:01:30 GMT", "Sun, 22 Nov 2026 12:01:33 GMT"),
        );
        check(
            &script,
            "",
            90_001,
            &head("Sun, 22 Nov 2026 12:01:31 GMT", "Sun, 22 Nov 2026 12:01:34 GMT"),
        );
        let odd = head("yesterday", "2");
        check(&odd, "", 90_000, &odd);
    }
}
