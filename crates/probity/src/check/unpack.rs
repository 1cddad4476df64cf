//! Answers under a content coding, as recorders that do not look inside keep them.
//!
//! Archives name the coding and hold the text without it, recordings hold the bytes: what already is text stays.

use std::io::Read;

use bytes::Bytes;
use classify::{Cut, Observation, Reply};

use super::item::Answered;

/// The longest line of a stream, four times: what unpacks to more is an attack on whoever looks.
const UNPACKED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The working memory of the decoder, as its authors propose it.
const BROTLI_BUFFER_BYTES: usize = 4096;

/// The answer with its body unpacked, or why it cannot be.
pub(super) fn answer(answered: &Answered) -> Result<Answered, &'static str> {
    let observation = match &answered.observation {
        Observation::Reply(reply) => Observation::Reply(unpack(reply)?),
        Observation::Cut(Cut { kind, partial }) => {
            // What broke off does not unpack to its end, and need not.
            let partial =
                partial.as_ref().map(|reply| unpack(reply).unwrap_or_else(|_| reply.clone()));
            Observation::Cut(Cut { kind: *kind, partial })
        }
        Observation::Unsendable(why) => Observation::Unsendable(why.clone()),
    };
    Ok(Answered { observation, has_body: answered.has_body })
}

fn unpack(reply: &Reply) -> Result<Reply, &'static str> {
    let coding = reply.headers.get("content-encoding").unwrap_or_default().trim().to_lowercase();
    let body = match &*coding {
        "" | "identity" => return Ok(reply.clone()),
        _ if is_text(&reply.body) => reply.body.clone(),
        "gzip" | "x-gzip" => inflate(flate2::read::MultiGzDecoder::new(&reply.body[..]))?,
        "deflate" => inflate(flate2::read::ZlibDecoder::new(&reply.body[..]))?,
        "br" => {
            inflate(brotli_decompressor::Decompressor::new(&reply.body[..], BROTLI_BUFFER_BYTES))?
        }
        _ => {
            return Err(
                "the answer is packed in a way that is not read here (gzip, deflate and br are)",
            );
        }
    };
    let mut headers = reply.headers.clone();
    headers.remove("content-encoding");
    Ok(Reply { status: reply.status, headers, body })
}

/// The first byte of a packed body is no letter or bracket, or what follows is no text.
fn is_text(body: &Bytes) -> bool {
    !body.contains(&0) && std::str::from_utf8(body).is_ok()
}

fn inflate(from: impl Read) -> Result<Bytes, &'static str> {
    let mut unpacked = Vec::new();
    match from.take(UNPACKED_BYTES_MAX + 1).read_to_end(&mut unpacked) {
        Err(_) => Err("the answer does not unpack"),
        Ok(length) if length as u64 > UNPACKED_BYTES_MAX => Err("the answer unpacks to too much"),
        Ok(_) => Ok(unpacked.into()),
    }
}
