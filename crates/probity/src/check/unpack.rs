//! Answers under a content coding, as recorders that do not look inside keep them.
//!
//! Archives name the coding and hold the text without it, recordings hold the bytes: what already is text stays.

use classify::{Cut, Observation, Reply};
use wire::record::packed::{self, Trouble};

use super::item::Answered;

/// The answer with its body unpacked, or why it cannot be.
pub(super) fn answer(answered: &Answered) -> Result<Answered, &'static str> {
    let observation = match &answered.observation {
        Observation::Reply(reply) => Observation::Reply(unpack(reply, true)?),
        Observation::Cut(Cut { kind, partial }) => {
            let partial = partial.as_ref().map(|reply| unpack(reply, false)).transpose()?;
            Observation::Cut(Cut { kind: *kind, partial })
        }
        Observation::Unsendable(why) => Observation::Unsendable(why.clone()),
    };
    Ok(Answered { observation, has_body: answered.has_body })
}

fn unpack(reply: &Reply, is_whole: bool) -> Result<Reply, &'static str> {
    let body = match packed::coding(&reply.headers, &reply.body) {
        None => reply.body.clone(),
        Some(coding) => match packed::unpack(&coding, &reply.body) {
            Ok(body) => body.into(),
            // What broke off does not unpack to its end, and need not.
            Err(Trouble::Broken(before)) if !is_whole => before.into(),
            Err(Trouble::Broken(_)) => return Err("the answer does not unpack"),
            Err(Trouble::TooMuch) => return Err("the answer unpacks to too much"),
            Err(Trouble::Unknown) => {
                return Err("the answer is packed in a way that is not read here \
                            (gzip, deflate, br and zstd are)");
            }
        },
    };
    let mut headers = reply.headers.clone();
    headers.remove("content-encoding");
    Ok(Reply { status: reply.status, headers, body })
}
