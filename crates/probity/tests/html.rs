//! The page of scorecards: it stands on its own, its links lead somewhere, and nothing hostile gets in.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

mod page;

use std::collections::BTreeMap;

use chaos::handling::{CANARY_KEY, Sent, Struck};
use chaos::oracle::{Code, Finding, Level, Verdict};
use chaos::report::{Moment, MomentKind, Observed};
use chaos::scenario::Severity;
use chaos::{Attempt, End, Handling, Outcome, OutcomeClass, Scenario, Surface, TrialReport, judge};
use probity::chaos::card::{Client, Profile, Scorecard};
use probity::chaos::report::html;

use self::page::{HOSTILE, check_page};

#[test]
fn the_page_is_well_formed_and_its_links_lead_somewhere() {
    let (cards, scenarios) = fixture();
    for timings in [true, false] {
        let page = html::text(&cards, &scenarios, timings);
        let ids = check_page(&page);
        for (number, card) in cards.iter().enumerate() {
            for report in &card.results {
                let id = format!("{}.{}.{}", report.scenario, report.surface.name(), number + 1);
                assert!(ids.contains(&id), "no place for {id}");
                assert!(page.contains(&format!("href=\"#{id}\"")), "no link to {id}");
            }
        }
        assert_eq!(page, html::text(&cards, &scenarios, timings));
    }
}

#[test]
fn pages_without_anything_are_pages() {
    check_page(&html::text(&[], &[], true));
    let (mut cards, scenarios) = fixture();
    cards[0].results.clear();
    check_page(&html::text(&cards[..1], &[], true));
    check_page(&html::text(&cards, &scenarios[..1], false));
}

#[test]
fn words_of_clients_stay_words() {
    let (mut cards, scenarios) = fixture();
    for card in &mut cards {
        let client = &mut card.client;
        let own = [&mut client.name, &mut client.version, &mut client.language];
        for words in own.into_iter().chain(&mut client.runtime).chain(&mut client.asked_as) {
            *words = format!("{HOSTILE} {CANARY_KEY}");
        }
        card.stale.push(HOSTILE.to_owned());
        for report in &mut card.results {
            report.scenario = format!("{} {HOSTILE}", report.scenario);
            report.expected = HOSTILE.to_owned();
            report.reason = Some(format!("{HOSTILE} {CANARY_KEY}"));
            report.summary = format!("{HOSTILE} {CANARY_KEY}");
            report.excuse = report.excuse.as_ref().map(|_| HOSTILE.to_owned());
            for finding in &mut report.findings {
                finding.detail = format!("{HOSTILE} {CANARY_KEY}");
            }
            for moment in &mut report.timeline {
                moment.what = format!("outcome {HOSTILE}: {CANARY_KEY} {HOSTILE}");
            }
        }
    }
    let page = html::text(&cards, &scenarios, true);
    check_page(&page);
    assert_eq!(page.matches("<script>").count(), 1, "only our own");
    let attributes = page
        .split('<')
        .filter_map(|tag| tag.split_once('>'))
        .filter(|(tag, _)| tag.contains(" onload="));
    assert_eq!(attributes.count(), 0);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    for c in ['\u{202e}', '\0', '\u{1b}', '\r'] {
        assert!(!page.contains(c), "{c:?} is on the page");
    }
}

#[test]
fn no_picture_depends_on_a_clock_where_none_may() {
    let (mut cards, scenarios) = fixture();
    let before = html::text(&cards, &scenarios, false);
    for card in &mut cards {
        card.elapsed_ms += 1234;
        for report in &mut card.results {
            report.observed.elapsed_ms += 17;
            report.summary += ", after 17 ms";
            for (number, gap) in report.observed.gaps_ms.iter_mut().enumerate() {
                *gap += number as u64;
            }
            for (number, moment) in report.timeline.iter_mut().enumerate() {
                moment.at_ms = moment.at_ms * 3 + number as u64;
            }
            // One exchange after another is another order of the same.
            report.timeline.sort_by_key(|moment| moment.attempt.unwrap_or(u32::MAX));
        }
    }
    assert!(html::text(&cards, &scenarios, false) == before, "a time is on the page");
    assert!(html::text(&cards, &scenarios, true) != before);
}

/// What the record says in words alone must still be found in them.
#[test]
fn the_words_of_a_record_are_read() {
    let attempt = |number, connection, head_ms, end| Attempt {
        number,
        connection,
        head_ms,
        end_ms: head_ms + 2,
        served: b"HTTP/1.1 529 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
        sent: vec![Sent { at_ms: head_ms + 1, bytes: 38 }],
        struck: vec![Struck { at_ms: head_ms + 1, fault: 0 }],
        end,
        ..Attempt::default()
    };
    let ends = [End::Closed, End::Reset, End::Left, End::Kept, End::Unended];
    let attempts = ends
        .into_iter()
        .zip(1_u32..)
        .map(|(end, number)| attempt(number, number + 6, u64::from(number) * 10, end));
    let handling = Handling {
        attempts: attempts.collect(),
        abroad: vec![attempt(1, 1, 60, End::Kept)],
        waits_ms: Some(vec![512, 2048]),
        // The client is given up while an exchange is not yet over.
        elapsed_ms: 61,
        ..Handling::default()
    };
    let scenario = scenario("told", "S1", "Its words are read.");
    let page = |handling: &Handling| {
        let report = TrialReport::new(&scenario, Surface::Create, handling);
        html::text(&[card("one", "1", "rust", vec![report])], &[], true)
    };
    let shown = page(&handling);
    let words = [
        ">FIN <",
        ">RST <",
        ">client left <",
        ">kept <",
        ">still open <",
        ">connection 11<",
        ">second origin<",
        "at byte 60 of the body",
        ">512 ms*<",
        ">2.048 s*<",
        ">no outcome<",
    ];
    for words in words {
        assert!(shown.contains(words), "{words} is not in the picture");
    }
    assert!(!shown.contains("no request"), "a moment has no lane");
    let mut cut = Handling { censored_ms: Some(5000), waits_ms: None, ..handling };
    cut.abroad.clear();
    assert!(page(&cut).contains(">≥ 5 s<"));
}

#[test]
fn a_large_run_stays_a_small_page() {
    let page = html::text(&crowd(), &[], true);
    check_page(&page);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    assert!(page.contains("pictures are left out"));
}

/// Writes the pages where a person can look at them: `PROBITY_PAGES=DIR cargo test --test html -- --ignored`.
#[test]
#[ignore = "writes files"]
fn pages_to_look_at() {
    let folder = std::env::var("PROBITY_PAGES").unwrap();
    let (cards, scenarios) = fixture();
    let pages = [
        ("page.html", html::text(&cards, &scenarios, true)),
        ("order.html", html::text(&cards, &scenarios, false)),
        ("crowd.html", html::text(&crowd(), &[], true)),
    ];
    for (name, page) in pages {
        std::fs::write(format!("{folder}/{name}"), page).unwrap();
    }
}

/// Two clients and a bit of everything.
fn fixture() -> (Vec<Scorecard>, Vec<Scenario>) {
    let scenarios = vec![
        scenario("redirect-abroad", "S0", "A key that follows a redirect is anybody's."),
        scenario("sse-rst-mid", "S0", "Half an answer that is taken for a whole one is acted on."),
        scenario("stall-before-headers", "S1", "A call without a limit waits for ever."),
        scenario("ra-on-529", "S1", "A retry before its time meets the same overload."),
        scenario("fail-k-then-ok", "S2", "Two failures and an answer: what retries are for."),
        scenario("retry-storm", "S2", "Fifty attempts help nobody."),
        scenario("drip-body", "S2", "Bytes that trickle in never fall silent and never end."),
        scenario("parallel-pool", "S2", "Calls that share a pool share its poisoned connections."),
        scenario("keep-alive-408", "S3", "A farewell that nobody asked for is no answer."),
        scenario("hostile-words", "S3", "An error page of a proxy ends up in a report."),
    ];
    let first = vec![
        redirect(),
        reset(),
        stall(Surface::Create),
        stall(Surface::Stream),
        demanded(false),
        recovered(Surface::Create),
        recovered(Surface::Raw),
        storm(),
        drip(),
        parallel(),
        skip("keep-alive-408"),
        hostile(),
    ];
    let mut known = stall(Surface::Create);
    known.excuse = Some("it has no limit of its own until 3.0 (example-org/client#12)".to_owned());
    let second = vec![
        trial("redirect-abroad", Severity::S0, Surface::Create, Verdict::Pass, one_answer()),
        trial("sse-rst-mid", Severity::S0, Surface::Stream, Verdict::Pass, one_answer()),
        known,
        demanded(true),
        recovered(Surface::Create),
        skip("keep-alive-408"),
        unclear(),
    ];
    (
        vec![
            card("anthropic", "0.121.0", "python", first),
            card("@ai-sdk/anthropic", "2.4.1", "typescript", second),
        ],
        scenarios,
    )
}

fn card(name: &str, version: &str, language: &str, mut results: Vec<TrialReport>) -> Scorecard {
    results.sort_by_key(|report| (report.severity, report.scenario.clone(), report.surface));
    Scorecard {
        client: Client {
            name: name.to_owned(),
            version: version.to_owned(),
            language: language.to_owned(),
            runtime: (language == "python").then(|| "3.11.2".to_owned()),
            asked_as: Some(format!("--client crates/wire/clients/{language}")),
        },
        profile: Profile::Default,
        results,
        stale: if name.starts_with('@') {
            vec!["sse-error-mid stream false-ok".to_owned()]
        } else {
            vec![]
        },
        is_whole: !name.starts_with('@'),
        elapsed_ms: 41_230,
    }
}

fn scenario(id: &str, severity: &str, why: &str) -> Scenario {
    let text = format!(
        "id = {id:?}\nwhy = {why:?}\nseverity = {severity:?}\n\
         evidence = [\"anthropics/anthropic-sdk-python#1470\", \"its_hub#194\", \"RFC 9112, section 9.8\"]\n\
         surfaces = [\"create\", \"raw\", \"stream\"]\nreplies = [\"529-overloaded\", \"200-message\"]\n\
         [expect]\nattempts = \"1-3\"\noutcome = [\"success\"]\n"
    );
    let faults = "[[fault]]\nattempts = \"1-2\"\nat = { body-byte = 60 }\nfault = \"close\"\n";
    Scenario::parse(&format!("{text}{faults}")).unwrap()
}

fn trial(
    id: &str,
    severity: Severity,
    surface: Surface,
    verdict: Verdict,
    timeline: Vec<Moment>,
) -> TrialReport {
    let starts: Vec<_> =
        timeline.iter().filter(|moment| moment.kind == MomentKind::Request).collect();
    let said = timeline.iter().rev().find(|moment| moment.kind == MomentKind::Outcome);
    let classes = ["success", "api-error", "incomplete", "timeout"];
    let outcome = said.and_then(|said| classes.into_iter().find(|class| said.what.contains(class)));
    TrialReport {
        scenario: id.to_owned(),
        surface,
        severity,
        verdict,
        finding: None,
        findings: vec![],
        reason: None,
        expected: "success in 1 to 3 attempts".to_owned(),
        observed: Observed {
            attempts: starts.len(),
            gaps_ms: starts.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).collect(),
            outcome,
            elapsed_ms: said.map_or(0, |said| said.at_ms),
        },
        summary: said
            .map(|said| format!("{} attempts, then {}", starts.len(), said.what))
            .unwrap_or_default(),
        timeline,
        excuse: None,
    }
}

/// With these findings; the first decided.
fn found(mut report: TrialReport, findings: &[(Code, Level, &str)]) -> TrialReport {
    let mut scenario = scenario("seed", "S0", "Only its finding is needed.");
    scenario.expect.attempts.first = 0;
    // A finding is made by the oracle alone, so one is borrowed: a message that holds the key always draws one.
    let message = CANARY_KEY.to_owned();
    let outcome = Some(Outcome { message, ..Outcome::of(OutcomeClass::LocalError) });
    let handling = Handling { outcome, ..Handling::default() };
    let borrowed = judge(&scenario, Surface::Create, &handling).findings.remove(0);
    let made = |(code, level, detail): &(Code, Level, &str)| {
        let mut finding: Finding = borrowed.clone();
        (finding.code, finding.level, finding.detail) = (*code, *level, (*detail).to_owned());
        finding
    };
    report.findings = findings.iter().map(made).collect();
    report.finding = findings.first().map(|(code, ..)| *code);
    report
}

fn at(at_ms: u64, kind: MomentKind, attempt: u32, bytes: u64, what: &str) -> Moment {
    let attempt = (attempt > 0).then_some(attempt);
    Moment { at_ms, kind, attempt, bytes: (bytes > 0).then_some(bytes), what: what.to_owned() }
}

fn request(at_ms: u64, attempt: u32, connection: u32) -> Moment {
    let what =
        format!("attempt {attempt} on connection {connection}: POST /v1/messages, 312 bytes");
    at(at_ms, MomentKind::Request, attempt, 312, &what)
}

fn sent(at_ms: u64, attempt: u32, bytes: u64) -> Moment {
    at(at_ms, MomentKind::Sent, attempt, bytes, &format!("{bytes} bytes"))
}

fn end(at_ms: u64, attempt: u32, bytes: u64, how: &str) -> Moment {
    at(
        at_ms,
        MomentKind::End,
        attempt,
        bytes,
        &format!("attempt {attempt}: {bytes} bytes sent, {how}"),
    )
}

fn fault(at_ms: u64, attempt: u32, what: &str) -> Moment {
    at(at_ms, MomentKind::Fault, attempt, 0, what)
}

fn said(at_ms: u64, what: &str) -> Moment {
    at(at_ms, MomentKind::Outcome, 0, 0, what)
}

fn one_answer() -> Vec<Moment> {
    vec![
        request(1, 1, 1),
        sent(2, 1, 188),
        sent(2, 1, 640),
        end(2, 1, 828, "success, connection kept"),
        said(5, "outcome success: Hello."),
    ]
}

fn redirect() -> TrialReport {
    let abroad = "attempt 1 abroad on connection 1: GET /v1/messages, 0 bytes";
    let gone = "attempt 1 abroad: 828 bytes sent, success, connection kept";
    let timeline = vec![
        request(1, 1, 1),
        fault(1, 1, "the reply is a redirect (307) to another port of the same host"),
        sent(1, 1, 142),
        end(2, 1, 142, "redirect, connection kept"),
        at(4, MomentKind::Abroad, 1, 312, abroad),
        at(5, MomentKind::Sent, 1, 828, "828 bytes"),
        at(5, MomentKind::End, 1, 828, gone),
        said(7, "outcome success: Hello."),
    ];
    let report = trial("redirect-abroad", Severity::S0, Surface::Create, Verdict::Fail, timeline);
    found(
        report,
        &[
            (
                Code::CredentialLeak,
                Level::Fail,
                "`x-api-key` reached 127.0.0.1:40112, given for 127.0.0.1:40111",
            ),
            (Code::BodyAbroad, Level::Fail, "312 bytes of the prompt reached the second origin"),
        ],
    )
}

fn reset() -> TrialReport {
    let mut timeline = vec![request(2, 1, 1), sent(3, 1, 176)];
    timeline.extend((0..9).map(|number| sent(4 + number * 2, 1, 96 + number * 11)));
    timeline.extend([
        fault(22, 1, "the connection is reset 7 bytes into event 10"),
        end(22, 1, 1350, "stream cut, reset"),
        said(26, "outcome success: The answer, as far as it goes."),
    ]);
    let report = trial("sse-rst-mid", Severity::S0, Surface::Stream, Verdict::Fail, timeline);
    found(
        report,
        &[(
            Code::FalseOk,
            Level::Fail,
            "success with 41 of 118 characters; message_stop never came",
        )],
    )
}

fn stall(surface: Surface) -> TrialReport {
    let timeline = vec![
        request(3, 1, 1),
        fault(3, 1, "nothing moves any more before the status line"),
        end(15_004, 1, 0, "no reply, still open"),
        said(15_004, "no outcome"),
    ];
    let report = trial("stall-before-headers", Severity::S1, surface, Verdict::Fail, timeline);
    let mut report = found(
        report,
        &[(
            Code::Hang,
            Level::Fail,
            "no outcome 15000 ms after the call; the limit was 5000 ms for an attempt",
        )],
    );
    report.expected = "timeout in 1 to 3 attempts".to_owned();
    report
}

fn demanded(is_kept: bool) -> TrialReport {
    let mut timeline =
        vec![request(1, 1, 1), sent(2, 1, 310), end(2, 1, 310, "overloaded, connection kept")];
    if is_kept {
        timeline.extend([
            at(2, MomentKind::Wait, 1, 0, "waited ≥ 5 s (censored)"),
            said(5006, "no outcome yet"),
        ]);
        return trial("ra-on-529", Severity::S1, Surface::Create, Verdict::Pass, timeline);
    }
    timeline.extend([
        request(514, 2, 1),
        sent(515, 2, 310),
        end(515, 2, 310, "overloaded, connection kept"),
        request(1571, 3, 2),
        sent(1572, 3, 828),
        end(1573, 3, 828, "success, connection kept"),
        said(1577, "outcome success: Hello."),
    ]);
    let report = trial("ra-on-529", Severity::S1, Surface::Create, Verdict::Fail, timeline);
    found(
        report,
        &[(Code::EarlyRetry, Level::Fail, "retry 1 after 512 ms, and the server demanded 8000 ms")],
    )
}

fn recovered(surface: Surface) -> TrialReport {
    let timeline = vec![
        request(1, 1, 1),
        fault(1, 1, "the connection is closed 60 bytes into the body"),
        sent(1, 1, 248),
        end(1, 1, 248, "cut, closed"),
        at(1, MomentKind::Wait, 1, 0, "waits 538 ms (injected)"),
        request(2, 2, 2),
        fault(2, 2, "the connection is closed 60 bytes into the body"),
        sent(3, 2, 248),
        end(3, 2, 248, "cut, closed"),
        at(3, MomentKind::Wait, 2, 0, "waits 1204 ms (injected)"),
        request(3, 3, 3),
        sent(4, 3, 828),
        end(4, 3, 828, "success, connection kept"),
        said(6, "outcome success: Hello."),
    ];
    let report = trial("fail-k-then-ok", Severity::S2, surface, Verdict::Pass, timeline);
    if surface == Surface::Create {
        return report;
    }
    let mut report = found(
        report,
        &[(Code::UntypedError, Level::Warn, "the error carries no status, the server said 529")],
    );
    report.verdict = Verdict::Warn;
    report
}

fn storm() -> TrialReport {
    let mut timeline = vec![];
    for number in 1..=50_u32 {
        let start = u64::from(number) * 45;
        timeline.push(request(start, number, number));
        timeline.extend((0..40).map(|piece| sent(start + piece, number, 20)));
        timeline.push(fault(start + 40, number, "the connection is reset after the head"));
        timeline.push(end(start + 40, number, 800, "cut, reset"));
    }
    timeline.push(said(2300, "outcome api-error 529 overloaded_error: gave up"));
    let report = trial("retry-storm", Severity::S2, Surface::Create, Verdict::Fail, timeline);
    found(
        report,
        &[
            (Code::RetryStorm, Level::Fail, "50 attempts, and the budget was 3"),
            (Code::NoBackoff, Level::Fail, "retry 2 after 5 ms"),
        ],
    )
}

fn drip() -> TrialReport {
    let mut timeline = vec![
        request(1, 1, 1),
        fault(1, 1, "from here on 4 bytes move at a time, with 40 ms between"),
    ];
    timeline.extend((0..40).map(|piece| sent(1 + piece * 40, 1, 4)));
    timeline.extend([
        end(1600, 1, 160, "cut, the client left"),
        said(1602, "outcome timeout: the read took too long"),
    ]);
    trial("drip-body", Severity::S2, Surface::Create, Verdict::Pass, timeline)
}

fn parallel() -> TrialReport {
    let mut timeline = vec![];
    for number in 1..=4_u32 {
        let start = u64::from(number);
        timeline.push(request(start, number, number));
        timeline.extend([sent(start + 20, number, 400), sent(start + 60, number, 428)]);
        timeline.push(end(start + 61, number, 828, "success, connection kept"));
    }
    timeline.push(fault(12, 2, "nothing moves for 20 ms, then the reply goes on"));
    timeline.sort_by_key(|moment| moment.at_ms);
    timeline.push(said(70, "outcome success: Hello."));
    let report = trial("parallel-pool", Severity::S2, Surface::Stream, Verdict::Info, timeline);
    found(report, &[(Code::AbandonedConnection, Level::Info, "4 connections for 4 calls at once")])
}

fn hostile() -> TrialReport {
    let words = format!("outcome api-error: {HOSTILE} x-api-key: {CANARY_KEY}");
    let timeline = vec![
        request(1, 1, 1),
        fault(1, 1, "<svg/onload=alert(1)> & \u{2067}more"),
        sent(2, 1, 9000),
        end(2, 1, 9000, "html error page, closed"),
        said(4, &words),
    ];
    let report =
        trial("hostile-words", Severity::S3, Surface::Create, Verdict::HarnessError, timeline);
    let detail = format!("the key {CANARY_KEY} stands in the message {HOSTILE}");
    found(report, &[(Code::KeyLeak, Level::Fail, &detail)])
}

fn skip(id: &str) -> TrialReport {
    let mut report = trial(id, Severity::S3, Surface::Create, Verdict::Skip, vec![]);
    report.reason = Some("the driver cannot make two calls with one client".to_owned());
    report
}

fn unclear() -> TrialReport {
    let mut report = stall(Surface::Stream);
    report.verdict = Verdict::Inconclusive;
    report.reason = Some("timers were late by 812 ms".to_owned());
    report
}

/// As many trials as a full run of many clients may have.
fn crowd() -> Vec<Scorecard> {
    let mut verdicts = BTreeMap::new();
    let severities = [Severity::S0, Severity::S1, Severity::S2, Severity::S3];
    let cards = (0..8).map(|client| {
        let trials = (0..161).flat_map(|number| {
            [Surface::Create, Surface::Raw, Surface::Stream].map(|surface| (number, surface))
        });
        let results = trials.map(|(number, surface)| {
            let count: &mut usize = verdicts.entry(client).or_default();
            *count += 1;
            let mut report = match (*count * 7 + client * 3) % 29 {
                0 => storm(),
                1..3 => reset(),
                3 => stall(surface),
                4 => unclear(),
                5 => recovered(Surface::Raw),
                _ => recovered(Surface::Create),
            };
            report.scenario = format!("a-scenario-with-a-name-{number}");
            (report.severity, report.surface) = (severities[number % 4], surface);
            report
        });
        card(&format!("client-{client}"), "1.2.3", "rust", results.collect())
    });
    cards.collect()
}
