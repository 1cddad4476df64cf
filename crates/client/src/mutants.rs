//! The wrong clients: the right one with one thing wrong, for those who want to see the alarm go off.
//!
//! Not every mistake is here. A request sent before the last reply is over, or bytes after a reply taken for the
//! next one, would need another HTTP library underneath.

use crate::policy::{AfterStop, KeyPlace, Part, Policy};

/// A client that is wrong in one way.
pub struct Mutant {
    pub name: &'static str,
    /// What it does wrong, in one sentence.
    pub breaks: &'static str,
    /// Makes a right policy wrong; the values of a trial, such as its limits, are to be set before.
    pub change: fn(&mut Policy),
}

/// Every wrong client, in the order of the policy.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "never-retries",
        breaks: "It gives up at the first failure, whatever its budget.",
        change: |policy| policy.max_retries = 0,
    },
    Mutant {
        name: "budget-plus-one",
        breaks: "It takes the number of attempts for the number of retries.",
        change: |policy| policy.max_retries = policy.max_retries.saturating_add(1),
    },
    Mutant {
        name: "storm",
        breaks: "It retries in short order until somebody gives in.",
        change: |policy| {
            policy.max_retries = STORM_RETRIES;
            (policy.backoff_base_ms, policy.backoff_cap_ms) = (STORM_MS, STORM_MS);
        },
    },
    Mutant {
        name: "no-backoff",
        breaks: "It retries at once.",
        change: |policy| policy.backoff_base_ms = 0,
    },
    Mutant {
        name: "no-growth",
        breaks: "Its waits do not grow.",
        change: |policy| policy.backoff_cap_ms = policy.backoff_base_ms,
    },
    Mutant {
        name: "dozes",
        breaks: "It waits for minutes although nobody asked it to.",
        change: |policy| {
            (policy.backoff_base_ms, policy.backoff_cap_ms) = (DOZE_MS, DOZE_MS);
            policy.call_ms_max = u64::MAX;
        },
    },
    Mutant {
        name: "no-jitter",
        breaks: "Clients that failed together come back together.",
        change: |policy| policy.jitter_share = 0.0,
    },
    Mutant {
        name: "reuses-idempotency-key",
        breaks: "It gives every call the same idempotency key.",
        change: |policy| policy.sending.retry_changes = Some(Part::SameIdempotencyKey),
    },
    Mutant {
        name: "seeded-jitter",
        breaks: "Its chance starts from the same seed in every run.",
        change: |policy| policy.jitter_seed = Some(SEED),
    },
    Mutant {
        name: "retries-everything",
        breaks: "It repeats what the API refuses for good.",
        change: |policy| policy.retry_statuses = vec![400..=599],
    },
    Mutant {
        name: "deaf-to-retry-after",
        breaks: "It comes back before the time that the API demands.",
        change: |policy| policy.honours_retry_after = false,
    },
    Mutant {
        name: "confuses-units",
        breaks: "It waits many times as long as the API demands.",
        change: |policy| {
            policy.demand_times = UNITS;
            (policy.retry_after_ms_max, policy.call_ms_max) = (u64::MAX, u64::MAX);
        },
    },
    Mutant {
        name: "oversleeps",
        breaks: "It waits for any demand, whatever its caller's deadline.",
        change: |policy| (policy.retry_after_ms_max, policy.call_ms_max) = (u64::MAX, u64::MAX),
    },
    Mutant {
        name: "deaf-to-should-retry",
        breaks: "It does not read whether the API sees a point in a retry.",
        change: |policy| policy.honours_should_retry = false,
    },
    Mutant {
        name: "repeats-the-hopeless",
        breaks: "It asks again where the answer cannot be read.",
        change: |policy| policy.repeats_the_hopeless = true,
    },
    Mutant {
        name: "asks-twice",
        breaks: "It repeats the request after a complete answer.",
        change: |policy| policy.repeats_success = true,
    },
    Mutant {
        name: "replays-after-delta",
        breaks: "It starts over in silence when the caller has a piece of the answer, and hands it on again.",
        change: |policy| policy.replays_after_delta = true,
    },
    Mutant {
        name: "answers-from-memory",
        breaks: "It gives every caller the answer that it gave to the first.",
        change: |policy| policy.answers_from_memory = true,
    },
    Mutant {
        name: "accepts-half-stream",
        breaks: "It takes a stream without its last event for a whole answer.",
        change: |policy| policy.demands_message_stop = false,
    },
    Mutant {
        name: "no-timeout",
        breaks: "It waits for an answer forever.",
        change: |policy| (policy.attempt_ms_max, policy.call_ms_max) = (u64::MAX, u64::MAX),
    },
    Mutant {
        name: "late-timeout",
        breaks: "It gives an attempt many times the limit that it was told.",
        change: |policy| policy.attempt_ms_max = policy.attempt_ms_max.saturating_mul(LATE),
    },
    Mutant {
        name: "impatient",
        breaks: "It gives up long before the limit that it was told.",
        change: |policy| policy.attempt_ms_max /= EARLY,
    },
    Mutant {
        name: "offers-unreadable-coding",
        breaks: "It offers a coding that it cannot undo.",
        change: |policy| policy.sending.accept_encoding = "gzip",
    },
    Mutant {
        name: "bearer-abroad",
        breaks: "It follows redirects with the body; the key, a bearer token, stays at home.",
        change: |policy| {
            policy.sending.key_goes = KeyPlace::Bearer;
            policy.sending.redirects_max = FEW_REDIRECTS;
        },
    },
    Mutant {
        name: "padded-key",
        breaks: "It sends two spaces before its key.",
        change: |policy| policy.sending.key_goes = KeyPlace::BearerPadded,
    },
    Mutant {
        name: "key-in-url",
        breaks: "It puts the key into the URL.",
        change: |policy| policy.sending.key_goes = KeyPlace::Url,
    },
    Mutant {
        name: "no-credential",
        breaks: "It sends no key.",
        change: |policy| policy.sending.leaves_out = &["x-api-key"],
    },
    Mutant {
        name: "no-version",
        breaks: "It does not say which version of the API it speaks.",
        change: |policy| policy.sending.leaves_out = &["anthropic-version"],
    },
    Mutant {
        name: "no-content-type",
        breaks: "It does not say that its body is JSON.",
        change: |policy| policy.sending.leaves_out = &["content-type"],
    },
    Mutant {
        name: "keeps-abandoned-connections",
        breaks: "It leaves the connection of an attempt open that ran out of time or was called off.",
        change: |policy| policy.sending.lets_go = false,
    },
    Mutant {
        name: "follows-redirects-with-key",
        breaks: "It takes key and body wherever a redirect leads.",
        change: |policy| policy.sending.redirects_max = FEW_REDIRECTS,
    },
    Mutant {
        name: "follows-redirects-forever",
        breaks: "It follows redirects that lead nowhere.",
        change: |policy| policy.sending.redirects_max = MANY_REDIRECTS,
    },
    Mutant {
        name: "changes-body",
        breaks: "Its retries send another body.",
        change: |policy| policy.sending.retry_changes = Some(Part::Body),
    },
    Mutant {
        name: "changes-credential",
        breaks: "Its retries send another key, which nobody asked for.",
        change: |policy| policy.sending.retry_changes = Some(Part::Credential),
    },
    Mutant {
        name: "changes-idempotency-key",
        breaks: "It gives each retry an idempotency key of its own.",
        change: |policy| policy.sending.retry_changes = Some(Part::IdempotencyKey),
    },
    Mutant {
        name: "changes-path",
        breaks: "Its retries go to another place.",
        change: |policy| policy.sending.retry_changes = Some(Part::Path),
    },
    Mutant {
        name: "counts-retries-down",
        breaks: "The number of its retries goes down from one to the next.",
        change: |policy| policy.sending.retry_changes = Some(Part::RetryCount),
    },
    Mutant {
        name: "lingers-after-stop",
        breaks: "It hands over a complete stream only when the connection ends.",
        change: |policy| policy.reading.after_stop = AfterStop::WaitsForEnd,
    },
    Mutant {
        name: "needs-clean-end",
        breaks: "It gives up a complete stream because the connection does not end in order.",
        change: |policy| policy.reading.after_stop = AfterStop::NeedsEnd,
    },
    Mutant {
        name: "deaf-to-pings",
        breaks: "It takes a stream for dead that brings signs of life and no text.",
        change: |policy| policy.reading.bytes_break_silence = false,
    },
    Mutant {
        name: "first-block-only",
        breaks: "It takes the first content block for the whole answer.",
        change: |policy| policy.reading.first_block_only = true,
    },
    Mutant {
        name: "swallows-stream-error",
        breaks: "It passes over an error in a stream.",
        change: |policy| policy.reading.heeds_error_events = false,
    },
    Mutant {
        name: "fatal-on-unknown-event",
        breaks: "It fails at events that a later version adds.",
        change: |policy| policy.reading.ignores_unknown_events = false,
    },
    Mutant {
        name: "corrupts-utf8",
        breaks: "It decodes each piece of a body by itself, and breaks characters at the cuts.",
        change: |policy| policy.reading.joins_split_characters = false,
    },
    Mutant {
        name: "loses-stop-reason",
        breaks: "It does not say why the answer stopped.",
        change: |policy| policy.reading.keeps_stop_reason = false,
    },
    Mutant {
        name: "untyped-errors",
        breaks: "Its errors are words, without status, type, code and request id.",
        change: |policy| policy.reading.names_errors = false,
    },
    Mutant {
        name: "empties-tool-input",
        breaks: "It hands over a tool's call without the input that came in pieces.",
        change: |policy| policy.reading.reads_tool_input = false,
    },
    Mutant {
        name: "executes-cut-tool-call",
        breaks: "It closes the input of a tool that was cut, and hands over the call.",
        change: |policy| policy.reading.repairs_tool_input = true,
    },
    Mutant {
        name: "prints-key",
        breaks: "It shows the key in its errors.",
        change: |policy| policy.reading.shows_key = true,
    },
    Mutant {
        name: "loses-text",
        breaks: "It passes over events that it cannot read.",
        change: |policy| policy.reading.skips_unreadable = true,
    },
    Mutant {
        name: "accepts-anything",
        breaks: "It takes whatever comes without a status of an error for an answer.",
        change: |policy| policy.reading.takes_anything = true,
    },
    Mutant {
        name: "joins-messages",
        breaks: "It appends a second message on the same stream to the first.",
        change: |policy| {
            policy.reading.takes_second_message = true;
            policy.reading.after_stop = AfterStop::WaitsForEnd;
        },
    },
];

/// Twice as many as no budget justifies, with waits that are waits and still fit any deadline.
const STORM_RETRIES: u32 = 20;
const STORM_MS: u64 = 120;

/// Beyond anybody's patience.
const DOZE_MS: u64 = 200_000;

/// Anything that is not chance.
const SEED: u64 = 7;

/// A demand of one second becomes one that no tolerance covers.
const UNITS: u64 = 60;

/// Beyond any tolerance for a limit, and below it by as much.
const LATE: u64 = 5;
const EARLY: u64 = 5;

/// As many as usual clients follow, and more than lead anywhere.
const FEW_REDIRECTS: usize = 10;
const MANY_REDIRECTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_mutant_has_a_name_and_is_wrong_in_its_own_way() {
        let mut policies = vec![Policy::official()];
        for mutant in MUTANTS {
            let mut policy = Policy::official();
            (mutant.change)(&mut policy);
            assert!(!policies.contains(&policy), "{}", mutant.name);
            policies.push(policy);
            assert!(mutant.breaks.ends_with('.'), "{}", mutant.name);
        }
        let names: BTreeSet<_> = MUTANTS.iter().map(|mutant| mutant.name).collect();
        assert_eq!(names.len(), MUTANTS.len());
    }
}
