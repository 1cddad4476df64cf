//! Ids and choices, drawn from a hash of what was asked.

use classify::{Body, Request};
use contract::splice;

/// A splitmix64 generator. Quick and even, and nothing that must be hard to guess depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The throw of a request: its method, target, version and body under that seed.
    ///
    /// Credentials do not count, so that a rotated key changes no answer. Of the body only the first
    /// [`HASHED_BYTES_MAX`] count, and its length.
    pub(crate) fn of_request(seed: u64, request: &Request) -> Self {
        let mut hash = mix(seed, request.body.len());
        for text in [
            &*request.method,
            &*request.target,
            request.headers.get("anthropic-version").unwrap_or_default(),
        ] {
            hash = absorb(hash, text.as_bytes());
        }
        match &request.body {
            Body::Empty => {}
            Body::Bytes(bytes) => hash = absorb(hash, &bytes[..bytes.len().min(HASHED_BYTES_MAX)]),
            repeat @ Body::Repeat { .. } => {
                let mut start = Vec::new();
                for piece in repeat.pieces() {
                    let room = HASHED_BYTES_MAX - start.len();
                    start.extend_from_slice(&piece[..piece.len().min(room)]);
                    if start.len() == HASHED_BYTES_MAX {
                        break;
                    }
                }
                hash = absorb(hash, &start);
            }
        }
        Self(hash)
    }

    /// The throw of a request that mentions `stream`: that of the same text without the member, so that the model
    /// says the same either way.
    pub(crate) fn without_stream(seed: u64, request: &Request) -> Self {
        let bytes = request.body.to_bytes();
        let plain = std::str::from_utf8(&bytes).ok().and_then(without_stream);
        match plain {
            Some(plain) => Self::of_request(
                seed,
                &Request { body: Body::Bytes(plain.into()), ..request.clone() },
            ),
            None => Self::of_request(seed, request),
        }
    }

    /// The throw of something with a name and a number.
    pub(crate) fn of_part(seed: u64, name: &str, index: u64) -> Self {
        Self(mix(absorb(seed, name.as_bytes()), index))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.0)
    }

    /// A number from 0 to `sides` - 1.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        (self.next() % sides.max(1) as u64) as usize
    }

    /// True once in `sides` throws.
    pub(crate) fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    /// `prefix`, `01` and twenty letters or digits: the shape of the API's own ids.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8; 62] =
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        /// As many as one throw pays for: 62^10 < 2^64.
        const LETTERS_PER_THROW: usize = 10;
        const THROWS: usize = 2;
        let mut id = String::with_capacity(prefix.len() + 2 + THROWS * LETTERS_PER_THROW);
        id.push_str(prefix);
        id.push_str("01");
        for _ in 0..THROWS {
            let mut throw = self.next();
            for _ in 0..LETTERS_PER_THROW {
                id.push(char::from(ALPHABET[(throw % 62) as usize]));
                throw /= 62;
            }
        }
        id
    }
}

/// More than any body that differs from another on purpose; a body of 32 MB costs no more than this.
const HASHED_BYTES_MAX: usize = 64 * 1024;

/// The text without the member and the comma that it needs: a writer that leaves the member out writes the same.
fn without_stream(text: &str) -> Option<String> {
    let value = splice::find(text, "/stream")?;
    // Nothing but a colon and space stands between the two.
    let name = text[..value.start].rfind("\"stream\"")?;
    let (before, after) = (text[..name].trim_end(), text[value.end..].trim_start());
    Some(match before.strip_suffix(',') {
        Some(before) => format!("{before}{after}"),
        None => format!("{before}{}", after.strip_prefix(',').unwrap_or(after).trim_start()),
    })
}

fn absorb(hash: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words
        .iter()
        .fold(mix(hash, bytes.len() as u64), |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn finish(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throw(seed: u64, target: &'static str, body: Body) -> String {
        let request = Request {
            method: "POST".into(),
            target: target.into(),
            headers: classify::Headers::default(),
            body,
        };
        Dice::of_request(seed, &request).id("req_")
    }

    fn check(one: &str, other: &str, same: bool) {
        assert_eq!(one == other, same, "{one} {other}");
        assert!(one.starts_with("req_01") && one.len() == 26, "{one}");
    }

    #[test]
    fn what_was_asked_decides() {
        let bytes = |text: &str| Body::Bytes(text.to_owned().into());
        let base = throw(1, "/v1/messages", bytes("{\"a\":1}"));
        check(&base, &throw(1, "/v1/messages", bytes("{\"a\":1}")), true);
        check(&base, &throw(2, "/v1/messages", bytes("{\"a\":1}")), false);
        check(&base, &throw(1, "/v1/models", bytes("{\"a\":1}")), false);
        check(&base, &throw(1, "/v1/messages", bytes("{\"a\":2}")), false);
        check(&base, &throw(1, "/v1/messages", Body::Empty), false);
    }

    #[test]
    fn a_stream_throws_as_what_it_streams() {
        for (streamed, plain) in [
            (r#"{"a":1,"stream":true}"#, r#"{"a":1}"#),
            (r#"{"stream":true,"a":{"stream":1}}"#, r#"{"a":{"stream":1}}"#),
            (r#"{"a": "stream", "stream": true, "b": 2}"#, r#"{"a": "stream", "b": 2}"#),
            ("{\n  \"stream\": true,\n  \"b\": 2\n}", "{\"b\": 2\n}"),
            (r#"{"stream":true}"#, "{}"),
        ] {
            assert_eq!(without_stream(streamed).as_deref(), Some(plain));
        }
        assert_eq!(without_stream(r#"{"str\u0065am":true}"#), None);
    }

    #[test]
    fn a_repeat_throws_as_what_it_writes_out() {
        let repeat = Body::Repeat {
            prefix: "[".into(),
            unit: "0,".into(),
            count: 70_000,
            suffix: "0]".into(),
        };
        let bytes = Body::Bytes(repeat.to_bytes());
        check(&throw(1, "/", repeat), &throw(1, "/", bytes), true);
    }
}
