//! Everything a client can be right or wrong about, as plain data.
//!
//! A wrong client is the right one with a wrong value. The price is that the client asks the policy even where
//! only one answer is right; it asks in one place for each.

use std::ops::RangeInclusive;

/// What a client does: how it retries, how long it waits, what it sends, and how it reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub max_retries: u32,
    /// The first wait, before jitter; each further one is twice as long.
    pub backoff_base_ms: u64,
    pub backoff_cap_ms: u64,
    /// The share of a wait that chance may take away, 0 to 1.
    pub jitter_share: f64,
    /// Where chance starts from, if it is none: clients that count on from the same seed wait alike.
    pub jitter_seed: Option<u64>,
    /// Statuses worth another attempt.
    pub retry_statuses: Vec<RangeInclusive<u16>>,
    pub honours_retry_after: bool,
    /// What a demanded wait is multiplied with: units get confused.
    pub demand_times: u64,
    /// A longer demand than this is handed to the caller at once instead of waited for.
    pub retry_after_ms_max: u64,
    pub honours_should_retry: bool,
    /// Whether to ask again where another attempt would end the same way.
    pub repeats_the_hopeless: bool,
    /// Whether to ask once more after a whole answer.
    pub repeats_success: bool,
    /// Whether to start over although the caller has seen a piece of the answer.
    pub replays_after_delta: bool,
    /// Whether the answer to one call is the answer to all that follow.
    pub answers_from_memory: bool,
    /// Whether a stream without its last event is an error.
    pub demands_message_stop: bool,
    /// Limit on an attempt; in a stream, on each silence.
    pub attempt_ms_max: u64,
    /// Limit on the whole call, waits included.
    pub call_ms_max: u64,
    pub sending: Sending,
    pub reading: Reading,
}

/// What a client sends, and what it does with the connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sending {
    pub accept_encoding: &'static str,
    pub key_goes: KeyPlace,
    /// Headers that are forgotten.
    pub leaves_out: &'static [&'static str],
    /// Whether the connection of an attempt that ran out of time, or was called off, is closed.
    pub lets_go: bool,
    pub redirects_max: usize,
    pub retry_changes: Option<Part>,
}

/// Where the key travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyPlace {
    /// `Authorization`, as a bearer token.
    Bearer,
    /// The same with two spaces before the key.
    BearerPadded,
    /// `x-api-key`.
    Header,
    /// A header, and the query as well.
    Url,
}

/// A part of the request that must be the same on every attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    Body,
    Credential,
    /// Another one for each attempt.
    IdempotencyKey,
    Path,
    /// It goes down where it must go up.
    RetryCount,
    /// One idempotency key for everything that is ever sent.
    SameIdempotencyKey,
}

/// How a client reads what comes back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    pub after_stop: AfterStop,
    /// Whether any byte is a sign of life, or text alone.
    pub bytes_break_silence: bool,
    /// Whether only the first content block counts as the answer.
    pub first_block_only: bool,
    pub heeds_error_events: bool,
    pub ignores_unknown_events: bool,
    /// Whether a character may be split between two pieces of the body.
    pub joins_split_characters: bool,
    pub keeps_stop_reason: bool,
    /// Whether errors keep status, type, code and request id.
    pub names_errors: bool,
    /// Whether the input of a tool is read where it comes in pieces.
    pub reads_tool_input: bool,
    /// Whether the input of a tool that was cut is closed by guess and handed over.
    pub repairs_tool_input: bool,
    /// Whether errors show the key.
    pub shows_key: bool,
    /// Whether events and lines that cannot be read are passed over.
    pub skips_unreadable: bool,
    /// Whether anything is an answer that has no status of an error.
    pub takes_anything: bool,
    /// Whether a second message on a stream is read like the first.
    pub takes_second_message: bool,
}

/// What `message_stop` means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AfterStop {
    /// The answer is whole, whatever becomes of the connection.
    Done,
    /// The body must end in good order, too.
    NeedsEnd,
    /// The answer is whole, and is handed over when the body has ended or fallen silent.
    WaitsForEnd,
}

impl Policy {
    /// The curve and the limits of the official clients, and right in everything else: what a server does not
    /// implement (501, 505) it will not learn by being asked again.
    pub fn official() -> Self {
        Self {
            max_retries: 2,
            backoff_base_ms: 500,
            backoff_cap_ms: 8_000,
            jitter_share: 0.25,
            jitter_seed: None,
            retry_statuses: vec![408..=409, 429..=429, 500..=500, 502..=504, 506..=599],
            honours_retry_after: true,
            demand_times: 1,
            retry_after_ms_max: 60_000,
            honours_should_retry: true,
            repeats_the_hopeless: false,
            repeats_success: false,
            replays_after_delta: false,
            answers_from_memory: false,
            demands_message_stop: true,
            attempt_ms_max: 600_000,
            call_ms_max: 3_600_000,
            sending: Sending {
                accept_encoding: "identity",
                key_goes: KeyPlace::Header,
                leaves_out: &[],
                lets_go: true,
                redirects_max: 0,
                retry_changes: None,
            },
            reading: Reading {
                after_stop: AfterStop::Done,
                bytes_break_silence: true,
                first_block_only: false,
                heeds_error_events: true,
                ignores_unknown_events: true,
                joins_split_characters: true,
                keeps_stop_reason: true,
                names_errors: true,
                reads_tool_input: true,
                repairs_tool_input: false,
                shows_key: false,
                skips_unreadable: false,
                takes_anything: false,
                takes_second_message: false,
            },
        }
    }
}
