//! A fault in the words of a person who watches it strike.

use super::{At, Coding, Destination, Fault, Strike, When};

/// As much of a text as a line of a report takes.
const TEXT_CHARS_MAX: usize = 60;

/// What happens, where, and to which requests; on which attempts is for the caller to say.
pub fn describe(strike: &Strike) -> String {
    let Strike { at, fault, when, attempts: _ } = strike;
    let what = what(fault, *at);
    let condition = when.as_ref().map(condition).unwrap_or_default();
    format!("{what}{condition}")
}

fn what(fault: &Fault, at: At) -> String {
    let here = place(at);
    match fault {
        Fault::Close => format!("the connection is closed {here}"),
        Fault::Corrupt => format!("every bit of a byte is turned over {here}"),
        Fault::Cut => format!("the connection is closed without a farewell {here}"),
        Fault::Delay { ms } => format!("nothing moves for {ms} ms {here}"),
        Fault::Drip { bytes, ms } => {
            format!("bytes move {bytes} at a time, {ms} ms apart, from there on: {here}")
        }
        Fault::DropEvent => format!("{} is left out", event(at)),
        Fault::DuplicateEvent => format!("{} is sent twice", event(at)),
        Fault::Flood { text, times } => format!("{} is sent {times} times {here}", quoted(text)),
        Fault::Gzip(coding) => coded(*coding).to_owned(),
        Fault::HalfClose => format!("the server closes its half of the connection {here}"),
        Fault::Insert { text } => format!("{} is inserted {here}", quoted(text)),
        Fault::Redirect { status, to } => {
            format!("the reply is a redirect with {status} to {}", destination(*to))
        }
        Fault::Replace { reply } if at == At::HeadByte(0) => format!("the reply is `{reply}`"),
        Fault::Replace { reply } => format!("the rest of the reply is `{reply}` {here}"),
        Fault::Reset => format!("the connection is reset {here}"),
        Fault::Slice { bytes } => format!("bytes leave {bytes} at a time, from there on: {here}"),
        Fault::Stall => format!("nothing moves any more {here}, and the connection stays open"),
        Fault::SwapEvents => format!("{} changes places with the next", event(at)),
        Fault::Throttle { bytes_per_s } => {
            format!("{bytes_per_s} bytes move in a second, from there on: {here}")
        }
    }
}

fn place(at: At) -> String {
    match at {
        At::BodyByte(byte) => format!("at byte {byte} of the body"),
        At::Character(number) => format!("inside character {number} of several bytes"),
        At::ChunkByte { chunk, byte } => format!("at byte {byte} of chunk {chunk}"),
        At::ChunkSizeByte { chunk, byte: 0 } => format!("before chunk {chunk}"),
        At::ChunkSizeByte { chunk, byte } => format!("at byte {byte} of the size of chunk {chunk}"),
        At::End => "at the end of the reply".to_owned(),
        At::EventByte { event, byte } => format!("at byte {byte} of event {event}"),
        At::EventEnd(event) => format!("after event {event}"),
        At::EventStart(event) => format!("at event {event}"),
        At::FinalChunk => "before the last chunk".to_owned(),
        At::HeadByte(0) => "before the first byte of the reply".to_owned(),
        At::HeadByte(byte) => format!("at byte {byte} of the head"),
        At::HeadersStart => "after the status line".to_owned(),
        At::RequestByte(byte) => format!("at byte {byte} of the request's body"),
    }
}

fn event(at: At) -> String {
    match at {
        At::EventStart(event) => format!("event {event}"),
        _ => "an event".to_owned(),
    }
}

fn coded(coding: Coding) -> &'static str {
    match coding {
        Coding::Corrupt => "the body is gzip with bytes turned over",
        Coding::Negotiated => "the body is gzip where the request offers to take it",
        Coding::Plain => "the body is said to be gzip, and is not",
        Coding::Truncated => "the body is gzip without its check sum",
        Coding::Whole => "the body is gzip",
    }
}

fn destination(to: Destination) -> &'static str {
    match to {
        Destination::SameOrigin => "the same origin",
        Destination::SecondHost => "another host",
        Destination::SecondOrigin => "another port",
    }
}

fn condition(when: &When) -> String {
    match when {
        When::ConnectionRequest(span) => {
            format!(", on a request that is number {span} of its connection")
        }
        When::CredentialMalformed => ", if the credential is malformed".to_owned(),
        When::Offers(coding) => format!(", if the request offers {coding}"),
        When::OffersNot(coding) => format!(", if the request does not offer {coding}"),
        // What every request meets is said only so that the fault may stay out.
        When::RequestBytes(0) => String::new(),
        When::RequestBytes(bytes) => format!(", if the request has {bytes} bytes or more"),
    }
}

/// Escaped before it is cut: a line has room for so many characters as they are shown.
fn quoted(text: &str) -> String {
    let escaped = text.escape_debug().to_string();
    let short: String = escaped.chars().take(TEXT_CHARS_MAX).collect();
    let rest = if short.len() < escaped.len() { "…" } else { "" };
    format!("\"{short}{rest}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(strike: &str, expected: &str) {
        let strike: Strike = toml::from_str(&format!("attempts = \"every\"\n{strike}")).unwrap();
        assert_eq!(describe(&strike), expected);
    }

    #[test]
    fn faults_are_told_in_words() {
        check("at = { event-start = 4 }\nfault = \"reset\"", "the connection is reset at event 4");
        check("at = { event-start = 2 }\nfault = \"drop-event\"", "event 2 is left out");
        check(
            "at = { head-byte = 0 }\nfault = { replace = { reply = \"400\" } }",
            "the reply is `400`",
        );
        check(
            "at = \"headers-start\"\nfault = { insert = { text = \"a: b\\r\\n\" } }",
            "\"a: b\\r\\n\" is inserted after the status line",
        );
        check(
            "when = { connection-request = \"2\" }\nat = \"end\"\nfault = \"stall\"",
            "nothing moves any more at the end of the reply, and the connection stays open, on a request that is number 2 of its connection",
        );
        check(
            "at = { body-byte = 0 }\nfault = { drip = { bytes = 1, ms = 80 } }",
            "bytes move 1 at a time, 80 ms apart, from there on: at byte 0 of the body",
        );
    }
}
