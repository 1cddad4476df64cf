//! What is new or unusual in the streams of a target, and no failure: the API promises to add events, deltas, blocks
//! and values, and its clients ignore what they do not know.
//!
//! Whoever wrote the target wants to know all the same, since a name that is not known may be a slip. Each kind is told
//! once, with the first stream that had it and the event as it came. The price is that a kind says of its other names
//! only what they are.

use std::collections::BTreeMap;

use classify::stream::{self, Note, NoteKind};
use classify::{Observation, Reply};
use contract::case::Case;
use wire::target::Key;

/// Names kept of each kind: more are a habit, and not a slip.
const NAMES_MAX: usize = 8;
/// Of the event, shown: as much as a report has room for.
const TRACE_BYTES_MAX: usize = 200;

/// What was seen of one kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Odd {
    pub kind: NoteKind,
    /// Streams that had it.
    pub cases: usize,
    /// The names or values in question, the first [`NAMES_MAX`] that came; none where the kind says it all.
    pub names: Vec<String>,
    /// The first case whose stream had it.
    pub example: String,
    /// The event as it came, on one line.
    pub trace: String,
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Oddities(BTreeMap<NoteKind, Odd>);

impl Oddities {
    /// Looks at an answer.
    pub fn note(&mut self, key: &Key, case: &Case, observation: &Observation) {
        let Observation::Reply(reply) = observation else { return };
        if !is_stream(reply) {
            return;
        }
        // Before anything of it is cut.
        let body = key.scrub_bytes(&reply.body);
        let mut last = None;
        let mut notes = stream::lint(&body).notes;
        notes.sort_by_key(|note| note.kind);
        for note in notes {
            let odd = self.0.entry(note.kind).or_insert_with(|| Odd {
                kind: note.kind,
                cases: 0,
                names: Vec::new(),
                example: case.id.0.clone(),
                trace: trace(&body, &note),
            });
            odd.cases += usize::from(last != Some(note.kind));
            last = Some(note.kind);
            let is_new = !note.detail.is_empty() && !odd.names.contains(&note.detail);
            if is_new && odd.names.len() < NAMES_MAX {
                odd.names.push(note.detail);
            }
        }
    }

    /// By kind.
    pub fn listed(self) -> Vec<Odd> {
        self.0.into_values().collect()
    }
}

fn is_stream(reply: &Reply) -> bool {
    let media = reply.headers.get("content-type").unwrap_or_default();
    media.trim_start().to_ascii_lowercase().starts_with("text/event-stream")
}

/// The lines of the event.
fn trace(body: &[u8], note: &Note) -> String {
    let text = String::from_utf8_lossy(body.get(note.offset..).unwrap_or_default());
    let lines = text.trim_start().lines().take_while(|line| !line.trim().is_empty());
    let event = lines.collect::<Vec<_>>().join(" ");
    let end = event.floor_char_boundary(TRACE_BYTES_MAX);
    let more = if end < event.len() { "…" } else { "" };
    let shown = event[..end].chars().map(|c| if c.is_control() { ' ' } else { c });
    format!("event {}: {}{more}", note.event_idx, shown.collect::<String>())
}

#[cfg(test)]
mod tests {
    use classify::Headers;
    use contract::case::{CaseId, Origin, Traits};
    use contract::version::{OperationId, Version};

    use super::*;

    fn case(name: &str) -> Case {
        Case {
            id: CaseId(name.to_owned()),
            version: Version::ALL[0],
            operation: OperationId::MessagesCreate,
            origin: Origin::Valid,
            traits: Traits::default(),
            request: contract::conformance::probe::hello(Version::ALL[0], "any"),
        }
    }

    fn check(bodies: &[&str], media: &'static str, expected: &[&str]) {
        let key = Key::new("plainsecret0123".to_owned());
        let mut oddities = Oddities::default();
        for (number, body) in bodies.iter().enumerate() {
            let mut headers = Headers::default();
            headers.push("content-type", media);
            let reply = Reply { status: 200, headers, body: body.as_bytes().to_vec().into() };
            oddities.note(&key, &case(&number.to_string()), &Observation::Reply(reply));
        }
        let told = oddities.listed().into_iter().map(|odd| {
            let names = odd.names.join(",");
            format!("{} {} [{names}] {} {}", odd.kind.name(), odd.cases, odd.example, odd.trace)
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_kind_is_told_once_with_its_names_and_the_first_that_had_it() {
        let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
        let new = |name: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\"}}\n\n");
        let media = "text/event-stream; charset=utf-8";
        check(
            &[&(ping.to_owned() + ping), &(new("b") + &new("a") + ping), &new("a")],
            media,
            &[
                r#"ping-outside 2 [] 0 event 0: event: ping data: {"type":"ping"}"#,
                r#"unknown-event 2 [b,a] 1 event 0: event: b data: {"type":"b"}"#,
            ],
        );
        check(&[ping], "application/json", &[]);
        check(&[""], media, &[]);
    }

    #[test]
    fn what_is_shown_has_no_key_and_is_short() {
        let long = format!("event: x\ndata: plainsecret0123 {}\n\n", "é".repeat(200));
        let shown = format!("event 0: event: x data: $ANTHROPIC_API_KEY {}…", "é".repeat(83));
        let expected = format!("unknown-event 1 [x] 0 {shown}");
        check(&[&long], "text/event-stream", &[&expected]);
    }
}
