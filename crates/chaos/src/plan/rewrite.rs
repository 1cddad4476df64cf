//! Faults that change a reply as a whole: its events, or the coding of its body.
//!
//! They need the whole reply before the first byte of it leaves, because the length stands in front. The price
//! is that the pace of the upstream is lost; the framing is kept in kind, chunks stay chunks, one for each
//! event, and a length stays a length and is right.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::place::{Events, is_chunked};
use crate::scenario::{At, Coding, Fault};
use crate::served::dechunk;

/// The check sum and the length at the end of a gzip member.
const GZIP_TRAILER_BYTES: usize = 8;

/// Header lines that a rewritten reply gets anew.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// The reply with this fault in it, if there is a place for it.
pub(super) fn rewrite(reply: &[u8], at: At, fault: &Fault, offers_gzip: bool) -> Option<Vec<u8>> {
    let head_end = reply.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let (head, body) = reply.split_at(head_end);
    let chunked = is_chunked(head);
    let body = if chunked { dechunk(body).0 } else { body.to_vec() };
    let (body, coding) = match (fault, at) {
        (Fault::Gzip(Coding::Negotiated), _) if !offers_gzip => return Some(reply.to_vec()),
        (Fault::Gzip(coding), _) => (gzip(&body, *coding), Some("content-encoding: gzip\r\n")),
        (_, At::EventStart(number)) => (edit(&events(&body), number, fault)?.concat(), None),
        _ => return None,
    };
    let head = String::from_utf8_lossy(head);
    let mut rewritten = String::new();
    let has_length = head.lines().any(|line| is_header(line, "content-length"));
    for line in head.lines().filter(|line| !line.is_empty()) {
        if !FRAMING.iter().any(|name| is_header(line, name)) {
            rewritten += &format!("{line}\r\n");
        }
    }
    rewritten += coding.unwrap_or_default();
    if chunked {
        rewritten += "transfer-encoding: chunked\r\n";
    } else if has_length {
        rewritten += &format!("content-length: {}\r\n", body.len());
    }
    let mut bytes = (rewritten + "\r\n").into_bytes();
    if chunked {
        write_chunks(&mut bytes, &body)
    } else {
        bytes.extend_from_slice(&body)
    }
    Some(bytes)
}

fn is_header(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
}

/// Events, each with the blank line that ends it, and what is left at the end.
fn events(body: &[u8]) -> Vec<&[u8]> {
    let mut events = vec![];
    let (mut start, mut counter) = (0, Events::default());
    for (idx, &byte) in body.iter().enumerate() {
        if counter.advance(byte) {
            events.push(&body[start..=idx]);
            start = idx + 1;
        }
    }
    events.push(&body[start..]);
    events
}

/// The events with this one dropped, given twice, or after the next.
fn edit<'a>(events: &[&'a [u8]], number: u32, fault: &Fault) -> Option<Vec<&'a [u8]>> {
    let mut edited = events.to_vec();
    // The last piece is no event: nothing has ended it.
    let n_events = events.len() - 1;
    let idx = (number as usize).checked_sub(1).filter(|idx| *idx < n_events)?;
    match fault {
        Fault::DropEvent => drop(edited.remove(idx)),
        Fault::DuplicateEvent => edited.insert(idx, events[idx]),
        Fault::SwapEvents if idx + 1 < n_events => edited.swap(idx, idx + 1),
        _ => return None,
    }
    Some(edited)
}

fn gzip(body: &[u8], coding: Coding) -> Vec<u8> {
    if coding == Coding::Plain {
        return body.to_vec();
    }
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(body).expect("a vector takes every byte");
    let mut coded = encoder.finish().expect("a vector takes every byte");
    match coding {
        Coding::Corrupt => {
            let middle = coded.len() / 2;
            // More than one byte: a single one may happen to decode to something else that is valid.
            for byte in coded.iter_mut().skip(middle).take(GZIP_TRAILER_BYTES) {
                *byte = !*byte;
            }
        }
        Coding::Truncated => coded.truncate(coded.len() - GZIP_TRAILER_BYTES),
        Coding::Negotiated | Coding::Plain | Coding::Whole => {}
    }
    coded
}

fn write_chunks(bytes: &mut Vec<u8>, body: &[u8]) {
    for chunk in events(body).into_iter().filter(|chunk| !chunk.is_empty()) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
}
