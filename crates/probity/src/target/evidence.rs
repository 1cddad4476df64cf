//! What shows a finding from both sides of a gateway: what was sent and said, before it and behind.

use classify::{Body, Observation, Reply};
use contract::case::Case;
use contract::conformance::blame::Exchange;
use contract::judge::{Blame, Record};
use wire::target::Key;

/// Exchanges shown as evidence; the rest can be had again by its case id.
const EVIDENCE_MAX: usize = 50;
/// Of a body, shown as evidence: enough for any request that a probe or a small draw makes.
const EVIDENCE_BYTES_MAX: usize = 4 * 1024;

/// What was sent and said, on both sides of a gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    pub rule: &'static str,
    pub case: String,
    pub blame: Blame,
    pub trace: String,
    pub sent: String,
    pub answered: String,
    pub upstream_got: String,
    pub upstream_said: String,
}

/// One exchange of each kind of finding.
#[derive(Default)]
pub(super) struct Kept(pub Vec<Evidence>);

impl Kept {
    pub(super) fn keep(
        &mut self,
        key: &Key,
        case: &Case,
        observation: &Observation,
        record: &Record,
        last: &Exchange,
    ) {
        for finding in &record.findings {
            let is_known = self.0.iter().any(|kept| {
                kept.rule == finding.rule
                    && kept.blame == finding.blame
                    && kept.trace == finding.trace
            });
            if is_known || self.0.len() == EVIDENCE_MAX {
                continue;
            }
            self.0.push(Evidence {
                rule: finding.rule,
                case: case.id.0.clone(),
                blame: finding.blame,
                trace: finding.trace.to_string(),
                sent: body_text(key, &case.request.body),
                answered: answer_text(key, observation),
                upstream_got: body_text(key, &last.request.body),
                upstream_said: reply_text(key, &last.reply),
            });
        }
    }
}

fn body_text(key: &Key, body: &Body) -> String {
    match body {
        Body::Empty => String::new(),
        Body::Bytes(bytes) => text(key, bytes),
        Body::Repeat { .. } => format!("{} bytes", body.len()),
    }
}

fn answer_text(key: &Key, observation: &Observation) -> String {
    match observation {
        Observation::Reply(reply) => reply_text(key, reply),
        Observation::Cut(cut) => format!("cut: {:?}", cut.kind),
        Observation::Unsendable(why) => why.clone(),
    }
}

fn reply_text(key: &Key, reply: &Reply) -> String {
    format!("{} {}", reply.status, text(key, &reply.body))
}

/// Without the key first, and only then cut: half of one would no longer be known as such.
fn text(key: &Key, bytes: &[u8]) -> String {
    let clean = key.scrub_bytes(bytes);
    let text = String::from_utf8_lossy(&clean);
    let end = text.floor_char_boundary(EVIDENCE_BYTES_MAX);
    let more = if end < text.len() { "…" } else { "" };
    format!("{}{more}", &text[..end])
}
