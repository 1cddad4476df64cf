//! An answer with its head, as `curl -i` shows it.

use std::sync::Arc;

use bytes::Bytes;
use classify::{Headers, Observation, Reply};

use super::super::item::{Answered, Item, Place, Source};

/// Answers that only announce another, and proxies that opened a way, come before it.
const HEADS_MAX: usize = 10;

/// The answer, or why it is none.
pub(super) fn read(name: &Arc<str>, text: &Bytes) -> Result<Item, String> {
    let mut rest = text.clone();
    for _ in 0..HEADS_MAX {
        let Some((status, headers, behind)) = head(&rest) else { break };
        let body = rest.slice(behind..);
        if body.starts_with(b"HTTP/") {
            rest = body;
            continue;
        }
        let before = &text[..text.len() - body.len()];
        let lines = before.iter().filter(|byte| **byte == b'\n').count() as u64;
        let source = Source { text: body.clone(), within: "", line: lines + 1 };
        let answered = Answered::whole(Observation::Reply(Reply { status, headers, body }));
        let (answered, source) = (Some(answered), Some(source));
        return Ok(Item { place: Place::of(name), answered, source, ..Item::default() });
    }
    Err("begins like an answer, and has no status or no blank line behind its head".to_owned())
}

/// Status and fields, and where the body begins.
fn head(text: &[u8]) -> Option<(u16, Headers, usize)> {
    let mut at = 0;
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| {
        at += line.len();
        (at, String::from_utf8_lossy(line.trim_ascii_end()))
    });
    let (_, first) = lines.next()?;
    let status = first.split(' ').nth(1)?.parse().ok()?;
    let mut headers = Headers::default();
    for (end, line) in lines {
        if line.is_empty() {
            return Some((status, headers, end));
        }
        let (name, value) = line.split_once(':')?;
        headers.push(name.trim().to_owned(), value.trim().to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u16, &str, u64)>) {
        let item = read(&Arc::from("a"), &Bytes::from(text.to_owned())).ok();
        let told = item.as_ref().map(|item| {
            let reply = item.answered.as_ref().unwrap().reply().unwrap();
            let body = std::str::from_utf8(&reply.body).unwrap();
            (reply.status, body, item.source.as_ref().unwrap().line)
        });
        assert_eq!(told, expected, "{text:?}");
    }

    #[test]
    fn the_last_head_counts() {
        check("HTTP/2 400 \r\na: b\r\n\r\n{}", Some((400, "{}", 4)));
        check("HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\na:b\n\n{}\n", Some((200, "{}\n", 6)));
        check("HTTP/1.1 204 No Content\n\n", Some((204, "", 3)));
        for wrong in ["HTTP/2", "HTTP/2 x\n\n", "HTTP/2 200\na: b\n", "HTTP/2 200\nno field\n\n"] {
            check(wrong, None);
        }
    }
}
