//! A scenario as an entry: what goes wrong, what is asked of the client, and what a right one does.
//!
//! Every key of a scenario file is told in words. The structs are taken apart member by member, so that a key that is
//! added does not compile without its words.

use chaos::Scenario;
use chaos::scenario::{
    Asks, Connect, Credential, Door, Expect, Host, Idle, KeyShape, Log, Parting, PromptShape, Span,
    Tls, Wait, deadline_ms, describe, retries, timeout_ms,
};

use super::entry::{Entry, Kind};
use super::index::{code, list};
use crate::chaos::card::harm;
use crate::chaos::expected::Failure;
use crate::console::{count, thousands};
use crate::smoke::CANARY;
use crate::specs::Specs;

/// The entry of a scenario.
pub(super) fn scenario(specs: &Specs, scenario: &Scenario) -> Entry {
    let Scenario {
        id,
        why,
        severity,
        evidence,
        surfaces,
        replies,
        stream_replies,
        retries: _,
        timeout_ms: _,
        deadline_ms: _,
        timing,
        slow,
        ask,
        connect,
        faults,
        expect,
    } = scenario;
    let mut entry = Entry::new(Kind::Scenario, id, why);
    entry.fact("severity", format!("{severity:?}: {}", harm(*severity)));
    entry.fact("surfaces", list(surfaces.iter().map(|surface| surface.name())));
    entry.told("connects", &connects(connect));
    entry.told("asked", &asked(ask));
    entry.told("limits", &limits(scenario));
    if !replies.is_empty() {
        entry.fact("replies", list(replies.iter().map(String::as_str)));
    } else if stream_replies.is_empty() && connect.door.is_none() {
        entry.fact("replies", "those of a server that keeps the contract");
    }
    if !stream_replies.is_empty() {
        entry.fact("streamed", list(stream_replies.iter().map(String::as_str)));
    }
    for strike in faults {
        entry.fact("fault", format!("{}: {}", struck(strike.attempts), describe(strike)));
    }
    expected(&mut entry, expect);
    entry.told("trial", &held(*timing, *slow));
    entry.fact("evidence", evidence.join(", "));
    known(specs, &mut entry, id);
    if id != CANARY {
        entry.fact("try it", code(&format!("probity chaos --scenario {id}")));
    }
    relate(specs, &mut entry, scenario);
    entry
}

/// What is right.
fn expected(entry: &mut Entry, expect: &Expect) {
    let Expect {
        attempts,
        outcome,
        earlier,
        connections,
        reuse,
        says,
        own_error,
        status,
        error_type,
        error_code,
        request_id,
        text,
        stop_reason,
        within_ms,
        waits,
    } = expect;
    entry.fact("attempts", counted(*attempts));
    entry.fact("outcome", either(outcome.iter().map(|class| class.name().to_owned())));
    if !earlier.is_empty() {
        let outcomes = either(earlier.iter().map(|class| class.name().to_owned()));
        entry.fact("before", format!("{outcomes}, of the calls before the last"));
    }
    let named = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("{name} {}", code(value)))
    };
    let answer = [named("text", text), named("stop reason", stop_reason)];
    entry.told("answer", &answer.into_iter().flatten().collect::<Vec<_>>());
    let error = [
        own_error.then(|| "of the client's own classes".to_owned()),
        status.map(|status| format!("status {status}")),
        named("type", error_type),
        named("code", error_code),
        named("request id", request_id),
        (!says.is_empty())
            .then(|| format!("says {}", either(says.iter().map(|words| said(words))))),
    ];
    entry.told("error", &error.into_iter().flatten().collect::<Vec<_>>());
    for Wait { retry, at_least_ms, at_most_ms } in waits {
        let most = at_most_ms.map(|most_ms| format!(" and {} at most", span_of(most_ms)));
        let (least, most) = (span_of(*at_least_ms), most.unwrap_or_default());
        entry.fact("waits", format!("{least} at least{most} before retry {retry}"));
    }
    if let Some(within_ms) = within_ms {
        entry.fact("returns", format!("within {}", span_of(*within_ms)));
    }
    let made = connections.map(counted);
    let reused = reuse.then(|| "one carries a second request".to_owned());
    entry.told("connections", &made.into_iter().chain(reused).collect::<Vec<_>>());
}

/// Where the client connects to, and what it meets there.
fn connects(connect: &Connect) -> Vec<String> {
    let Connect { door, connections, host, idle, path, tls } = connect;
    let mut told = vec![];
    told.extend(match host {
        Host::Localhost => {
            Some("to `localhost`, where ::1 refuses and 127.0.0.1 serves".to_owned())
        }
        Host::Loopback => None,
        Host::Nowhere => Some("to a name that no resolver knows".to_owned()),
    });
    if !path.is_empty() {
        told.push(format!("under the path {}", code(path)));
    }
    told.extend(tls.map(|tls| match tls {
        Tls::Trusted => "over TLS, with a certificate that the client is told to trust".to_owned(),
        Tls::Untrusted => "over TLS, with a certificate from nobody it knows".to_owned(),
        Tls::WrongName => "over TLS, with a certificate for another host".to_owned(),
    }));
    if let Some(door) = door {
        let met = match door {
            Door::Blackhole => "nobody ever takes the connection",
            Door::Plaintext => "what listens answers 400 in the clear, whatever it is told",
            Door::Refuse => "nothing listens",
            Door::Reset => "the connection is taken and reset at once",
            Door::Silent => "the connection is taken, and not a byte is read or sent",
        };
        let which = connections.map(|span| format!(" (connections: {span})")).unwrap_or_default();
        told.push(format!("{met}{which}"));
    }
    if let Some(Idle { after_ms, then }) = idle {
        let end = match then {
            Parting::Close => "closed",
            Parting::RequestTimeout => "sent a 408 that nobody asked for, and closed",
            Parting::Reset => "reset",
        };
        told.push(format!("a connection that rests for {} is {end}", span_of(*after_ms)));
    }
    told
}

/// What is asked of the client beyond one plain call.
fn asked(ask: &Asks) -> Vec<String> {
    let Asks {
        abandon_after_events,
        abort_after_events,
        abort_after_ms,
        calls,
        clients,
        credential,
        follow_up,
        gateway_header,
        key,
        log,
        parallel,
        pause_ms,
        prompt,
        prompt_bytes,
        tools,
    } = ask;
    let number = |count: &Option<u32>| count.map(|count| thousands(count as usize));
    let events = |events: u32| count(events as usize, "event");
    let sizes = || {
        let sizes: Vec<_> = prompt_bytes.iter().map(|bytes| thousands(*bytes)).collect();
        format!("prompts of {} bytes or more", sizes.join(", then "))
    };
    let key = match key {
        KeyShape::Empty => Some("an empty key"),
        KeyShape::LeadingSpace => Some("a key after a space"),
        KeyShape::Plain => None,
        KeyShape::TrailingNewline => Some("a key with a line feed at its end"),
        KeyShape::TrailingReturn => Some("a key with a carriage return at its end"),
    };
    let prompt = match prompt {
        PromptShape::LoneSurrogate => Some("half of a surrogate pair in the prompt".to_owned()),
        PromptShape::Plain => None,
    };
    let rest = calls.or(*parallel).map_or("", |_| ", in all calls but the last");
    let told = [
        number(clients).map(|n| format!("{n} clients at once that know nothing of each other")),
        number(calls).map(|n| format!("{n} calls, one after another, with one client object")),
        number(parallel).map(|n| format!("{n} calls at once with one client object")),
        pause_ms.map(|pause_ms| format!("{} between two calls", span_of(pause_ms))),
        key.map(str::to_owned),
        credential.map(|Credential::Rotating| "another credential each time it asks".to_owned()),
        gateway_header.as_ref().map(|name| format!("a gateway's own key in {}", code(name))),
        prompt,
        (!prompt_bytes.is_empty()).then(sizes),
        tools.then(|| "a tool is offered".to_owned()),
        log.map(|Log::Debug| "debug logs".to_owned()),
        abort_after_events.map(|n| format!("the stream is called off after {}", events(n))),
        abort_after_ms.map(|ms| format!("the call is called off after {}", span_of(ms))),
        abandon_after_events
            .map(|n| format!("after {} nobody reads on, and nobody closes{rest}", events(n))),
        follow_up
            .as_ref()
            .map(|words| format!("a second turn on top of the answer: {}", code(words))),
    ];
    told.into_iter().flatten().collect()
}

/// What the client is told to allow itself, where it is not the usual.
fn limits(scenario: &Scenario) -> Vec<String> {
    let mut told = vec![];
    if scenario.retries != retries() {
        told.push(match scenario.retries {
            1 => "1 retry".to_owned(),
            n => format!("{n} retries"),
        });
    }
    if scenario.timeout_ms != timeout_ms() {
        told.push(format!("{} for an attempt", span_of(scenario.timeout_ms)));
    }
    if scenario.deadline_ms != deadline_ms() {
        told.push(format!("{} for all of it", span_of(scenario.deadline_ms)));
    }
    told
}

/// How the trial is held.
fn held(timing: bool, slow: bool) -> Vec<String> {
    let alone = timing.then(|| "alone, since it is judged by a clock".to_owned());
    let slow = slow.then(|| "only by name or with `--profile full`, since it is slow".to_owned());
    alone.into_iter().chain(slow).collect()
}

/// Released clients that fail it, and how.
fn known(specs: &Specs, entry: &mut Entry, id: &str) {
    for expected in &specs.expected {
        let is_of = |failure: &&Failure| failure.scenario.iter().any(|scenario| scenario == id);
        let failures = expected.failures.iter().filter(is_of);
        let mut findings: Vec<&str> = failures.map(|failure| &*failure.finding).collect();
        findings.sort_unstable();
        findings.dedup();
        if !findings.is_empty() {
            let codes = list(findings.iter().copied());
            entry.fact("known of", format!("{} {}: {codes}", expected.client, expected.version));
        }
        entry.related.extend(findings.into_iter().map(str::to_owned));
    }
}

/// The classes of what it answers with, if they are failures.
fn relate(specs: &Specs, entry: &mut Entry, scenario: &Scenario) {
    let replaced = scenario.faults.iter().filter_map(|strike| match &strike.fault {
        chaos::scenario::Fault::Replace { reply } => Some(reply),
        _ => None,
    });
    let replies = scenario.replies.iter().chain(&scenario.stream_replies).chain(replaced);
    let scripts = replies.filter_map(|name| specs.scripts.get(name));
    let failures = scripts.filter(|script| !script.class.is_success());
    entry.related.extend(failures.map(|script| script.class.name().to_owned()));
}

impl Entry {
    /// A fact of several parts, if there is one.
    fn told(&mut self, label: &'static str, parts: &[String]) {
        if !parts.is_empty() {
            self.fact(label, parts.join("; "));
        }
    }
}

/// Words that an error should say; the address is another one each time.
fn said(words: &str) -> String {
    if words == "{address}" { "the address that was called".to_owned() } else { code(words) }
}

fn struck(attempts: Span) -> String {
    match (attempts.first, attempts.last) {
        (1, None) => "every attempt".to_owned(),
        (first, None) => format!("from attempt {first} on"),
        (first, Some(last)) if first == last => format!("attempt {first}"),
        (first, Some(last)) => format!("attempts {first} to {last}"),
    }
}

fn counted(span: Span) -> String {
    match (span.first, span.last) {
        (0, Some(0)) => "none".to_owned(),
        (0, None) => "any number".to_owned(),
        _ => span.to_string(),
    }
}

fn either(names: impl Iterator<Item = String>) -> String {
    let names: Vec<_> = names.collect();
    match &names[..] {
        [names @ .., last] if !names.is_empty() => format!("{} or {last}", names.join(", ")),
        names => names.concat(),
    }
}

/// `1500` as `1.5 s`.
fn span_of(ms: u64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        ms if ms.is_multiple_of(1_000) => format!("{} s", ms / 1_000),
        ms => format!("{} s", std::time::Duration::from_millis(ms).as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specs::Overrides;

    const EVERYTHING: &str = r#"
id = "all-of-it"
why = "Two and two."
severity = "S1"
evidence = ["RFC 9110"]
surfaces = ["create", "raw"]
stream-replies = ["sse-clean-end-in-text"]
retries = 1
timeout-ms = 500
timing = true

[ask]
abandon-after-events = 1
calls = 1200
key = "trailing-newline"
prompt-bytes = [100, 8000000]

[connect]
door = "reset"
connections = "1"
tls = "trusted"

[[fault]]
attempts = "2-"
at = "end"
fault = "stall"

[expect]
attempts = "0-2"
outcome = ["success", "timeout", "failed"]
earlier = ["aborted"]
connections = "1-2"
reuse = true
says = ["cert", "host"]
own-error = true
status = 401
within-ms = 1500
wait = [{ retry = 1, at-least-ms = 400, at-most-ms = 2000 }]
"#;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let specs = Specs::load(&Overrides::default()).unwrap();
        let entry = scenario(&specs, &Scenario::parse(text).unwrap());
        let facts: Vec<_> = entry.facts.iter().map(|fact| (fact.label, &*fact.value)).collect();
        assert_eq!(facts, expected);
    }

    #[test]
    fn every_key_is_told() {
        check(
            EVERYTHING,
            &[
                ("severity", "S1: a hang, or a failure taken for a success"),
                ("surfaces", "create, raw"),
                (
                    "connects",
                    "over TLS, with a certificate that the client is told to trust; the connection is taken and \
                     reset at once (connections: 1)",
                ),
                (
                    "asked",
                    "1,200 calls, one after another, with one client object; a key with a line feed at its end; \
                     prompts of 100, then 8,000,000 bytes or more; after 1 event nobody reads on, and nobody closes, \
                     in all calls but the last",
                ),
                ("limits", "1 retry; 500 ms for an attempt"),
                ("streamed", "sse-clean-end-in-text"),
                (
                    "fault",
                    "from attempt 2 on: nothing moves any more at the end of the reply, and the connection stays open",
                ),
                ("attempts", "0 to 2"),
                ("outcome", "success, timeout or failed"),
                ("before", "aborted, of the calls before the last"),
                ("error", "of the client's own classes; status 401; says `cert` or `host`"),
                ("waits", "400 ms at least and 2 s at most before retry 1"),
                ("returns", "within 1.5 s"),
                ("connections", "1 to 2; one carries a second request"),
                ("trial", "alone, since it is judged by a clock"),
                ("evidence", "RFC 9110"),
                ("try it", "`probity chaos --scenario all-of-it`"),
            ],
        );
    }

    #[test]
    fn what_is_usual_is_not_told() {
        let text = "id = \"canary\"\nwhy = \"x.\"\nseverity = \"S3\"\nevidence = [\"x\"]\nsurfaces = [\"create\"]\n\
                    [expect]\nattempts = \"1\"\noutcome = [\"success\"]\n";
        check(
            text,
            &[
                ("severity", "S3: poor diagnostics"),
                ("surfaces", "create"),
                ("replies", "those of a server that keeps the contract"),
                ("attempts", "1"),
                ("outcome", "success"),
                ("evidence", "x"),
            ],
        );
    }
}
