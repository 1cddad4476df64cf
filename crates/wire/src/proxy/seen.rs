//! What the proxy has seen so far, written down at every step, so that a trial that is broken off leaves a
//! true record.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chaos::handling::Sent;
use chaos::scenario::{Connect, Destination, Door, Host};
use chaos::{Attempt, End, Plan};
use tokio::time::Instant;

use super::{Record, Seal, called};
use crate::inbox::Head;
use crate::script::elapsed_ms;

/// What a client was sent is kept for the judge up to here: twice the largest reply of the catalogue that a
/// client has to read to its end. Of what is longer, the beginning tells enough.
const SERVED_BYTES_MAX: usize = 16 << 20;

/// More writes are told as part of the last one: a timeline of that many is one that nobody reads.
const SENT_MAX: usize = 512;

/// A storm of strange connections is one finding, not thousands.
const NOTES_MAX: usize = 32;

/// Where a request arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    First,
    Second,
}

pub(super) struct State {
    pub(super) book: Mutex<Book>,
    pub(super) connect: Connect,
    /// Scheme, host and port of the first origin, as the client is given them.
    pub(super) origin: String,
    pub(super) seal: Option<Seal>,
    pub(super) second_address: SocketAddr,
    pub(super) started: Instant,
    pub(super) upstream: Option<SocketAddr>,
    pub(super) watches: bool,
}

pub(super) struct Book {
    pub(super) plan: Plan,
    pub(super) record: Record,
    /// Handshakes under way.
    pub(super) n_shaking: u32,
}

impl Book {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, record: Record::default(), n_shaking: 0 }
    }

    fn at(&mut self, origin: Origin) -> &mut Vec<Attempt> {
        match origin {
            Origin::First => &mut self.record.attempts,
            Origin::Second => &mut self.record.second_origin,
        }
    }

    pub(super) fn attempt(&mut self, origin: Origin, number: u32) -> &mut Attempt {
        &mut self.at(origin)[number as usize - 1]
    }
}

impl State {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now_ms(&self) -> u64 {
        elapsed_ms(self.started)
    }

    /// Whether something has begun and not ended.
    pub(super) fn is_busy(&self) -> bool {
        let book = self.book();
        let mut ends = book.record.attempts.iter().map(|attempt| attempt.end);
        book.n_shaking != 0 || ends.any(|end| end == End::Unended)
    }

    /// Everything so far.
    pub(super) fn record(&self) -> Record {
        let now_ms = self.now_ms();
        let book = self.book();
        let mut record = Record { unfired: book.plan.unfired(), ..book.record.clone() };
        let all = record.attempts.iter_mut().chain(&mut record.second_origin);
        for attempt in all.filter(|attempt| attempt.end == End::Unended) {
            attempt.end_ms = now_ms;
        }
        record
    }

    /// A request has begun; `ahead` if the reply to the last one was not over.
    pub(super) fn begin(&self, head: &Head, connection: u32, origin: Origin, ahead: bool) -> u32 {
        let now_ms = self.now_ms();
        let mut book = self.book();
        let attempts = book.at(origin);
        let number = u32::try_from(attempts.len() + 1).unwrap_or(u32::MAX);
        attempts.push(Attempt {
            number,
            connection,
            head_ms: now_ms,
            end_ms: now_ms,
            request: head.request.clone(),
            raw_head: head.raw.clone(),
            ..Attempt::default()
        });
        if ahead && origin == Origin::First {
            book.record.pipelined.push(number);
        }
        number
    }

    pub(super) fn end(&self, origin: Origin, number: u32, end: End) {
        let now_ms = self.now_ms();
        let mut book = self.book();
        let attempt = book.attempt(origin, number);
        (attempt.end, attempt.end_ms) = (end, now_ms);
    }

    /// Writes down what was sent; of a reply that is too long, only how much.
    pub(super) fn sent(&self, origin: Origin, number: u32, bytes: &[u8]) {
        let at_ms = self.now_ms();
        let mut book = self.book();
        let Attempt { served, sent, .. } = book.attempt(origin, number);
        let room = SERVED_BYTES_MAX - served.len();
        served.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let is_full = SENT_MAX <= sent.len();
        match sent.last_mut() {
            Some(last) if is_full || last.at_ms == at_ms => {
                *last = Sent { at_ms, bytes: last.bytes + bytes.len() };
            }
            _ => sent.push(Sent { at_ms, bytes: bytes.len() }),
        }
    }

    pub(super) fn note(&self, connection: u32, what: &str) {
        let notes = &mut self.book().record.notes;
        if notes.len() < NOTES_MAX {
            notes.push(format!("connection {connection}: {what}"));
        }
    }

    pub(super) fn trouble(&self, what: String) {
        self.book().record.trouble.get_or_insert(what);
    }

    /// What meets this connection in place of a server.
    pub(super) fn door(&self, connection: u32) -> Option<Door> {
        let about = self.connect.connections;
        self.connect.door.filter(|_| about.is_none_or(|about| about.contains(connection)))
    }

    /// The address that a redirect names, for a request of this target.
    pub(super) fn location(&self, to: Destination, target: &str) -> String {
        let port = self.second_address.port();
        let (same, other) = match self.connect.host {
            Host::Localhost => (Host::Localhost, Host::Loopback),
            Host::Loopback | Host::Nowhere => (Host::Loopback, Host::Localhost),
        };
        match to {
            Destination::SameOrigin => format!("{}{target}", self.origin),
            Destination::SecondHost => format!("http://{}{target}", called(other, port)),
            Destination::SecondOrigin => format!("http://{}{target}", called(same, port)),
        }
    }
}
