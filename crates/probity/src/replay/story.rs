//! The whole story of one case: request, curl line, answer, verdict.

use std::fmt::Write as _;

use classify::{Body, Headers, Observation, Reply};
use contract::case::Case;
use contract::judge::{Record, Verdict};
use contract::rules;
use wire::record::secrets::{Secrets, is_telling};
use wire::target::Key;

use super::{BODY_BYTES_MAX, answers, telling};
use crate::console::{count, fold};
use crate::curl::curl;
use crate::findings::{expected, got};
use crate::report::human::Page;

/// The whole story of one case.
pub(super) fn tell(
    page: Page,
    case: &Case,
    seen: &[(Observation, Record)],
    base_url: Option<&str>,
    key: &Key,
) -> String {
    let Page { paint, width } = page;
    let (observation, record) = telling(seen);
    let request = &case.request;
    let mut text = format!("\n{}\n", paint.bold(&case.id));
    if let Some(rule) = rules::find(case.origin.rule()) {
        let _ = writeln!(text, "{}", fold(rule.explanation, width, "  "));
        let _ = writeln!(text, "{}", fold(&format!("Remedy: {}", rule.remedy), width, "  "));
    }
    if let Some(reason) = case.traits.mock_only {
        let _ = writeln!(text, "  mock-only: {reason}");
    }
    let _ = writeln!(text, "\n{}\n  {} {}", paint.dim("request"), request.method, request.target);
    text += &headers(&request.headers);
    text += &body(&first_bytes(&request.body), request.body.len());
    let _ = writeln!(text, "\n{}\n  {}", paint.dim("curl"), curl(request, base_url).lines("  "));
    let _ = writeln!(text, "\n{}", paint.dim("answer"));
    text += &answer(observation, key);
    let verdict = match record.verdict {
        Verdict::Agree => paint.green("agree"),
        Verdict::Drift => paint.red("drift"),
        other => paint.yellow(other.name()),
    };
    let _ = writeln!(
        text,
        "\n{} {verdict}: expected {}, got {}",
        paint.dim("verdict"),
        expected(record),
        got(record)
    );
    for finding in &record.findings {
        let place = if finding.pointer.is_empty() {
            String::new()
        } else {
            format!(" at {}", finding.pointer)
        };
        let _ = writeln!(
            text,
            "  {}{place}: {} (blame: {})",
            finding.rule,
            finding.trace,
            finding.blame.name()
        );
    }
    if let Some(question) = record.expected.question {
        let _ = writeln!(text, "  open: {question}");
    }
    let answers = answers(seen);
    if answers.len() > 1 {
        let answers: Vec<_> =
            answers.iter().map(|(answer, times)| format!("{times} × {answer}")).collect();
        let _ = writeln!(text, "  {} {}", paint.yellow("FLAKY:"), answers.join(", "));
    }
    text
}

fn answer(observation: &Observation, key: &Key) -> String {
    let partial = |reply: &Reply| {
        // What the server gives as a secret of its own, such as a cookie, is nobody else's.
        let secrets = Secrets::default().and(&reply.headers, "");
        let clean = secrets.mask(&key.scrub_bytes(&reply.body)).into_owned();
        let shown = reply.headers.iter().map(|(name, value)| match is_telling(name) {
            true => format!("  {name}: …\n"),
            false => format!("  {name}: {}\n", secrets.scrub_target(value)),
        });
        format!(
            "  {}\n{}{}",
            reply.status,
            shown.collect::<String>(),
            body(&clean, reply.body.len() as u64)
        )
    };
    match observation {
        Observation::Reply(reply) => partial(reply),
        Observation::Cut(cut) => {
            let before = cut.partial.as_ref().map(partial).unwrap_or_default();
            format!("{before}  cut: {:?}\n", cut.kind)
        }
        Observation::Unsendable(why) => format!("  could not be sent: {why}\n"),
    }
}

fn headers(headers: &Headers) -> String {
    headers.iter().map(|(name, value)| format!("  {name}: {value}\n")).collect()
}

/// Enough of a body to show.
fn first_bytes(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in body.pieces() {
        bytes.extend_from_slice(&piece[..piece.len().min(BODY_BYTES_MAX + 1)]);
        if bytes.len() > BODY_BYTES_MAX {
            break;
        }
    }
    bytes
}

fn body(shown: &[u8], len: u64) -> String {
    if len == 0 {
        return String::new();
    }
    let cut = &shown[..shown.len().min(BODY_BYTES_MAX)];
    let text = String::from_utf8_lossy(cut);
    let lines: String = text.lines().map(|line| format!("  {line}\n")).collect();
    let more = if len > cut.len() as u64 {
        format!("  … {} in all\n", bytes(len))
    } else {
        String::new()
    };
    format!("\n{lines}{more}")
}

pub(super) fn bytes(len: u64) -> String {
    count(usize::try_from(len).unwrap_or(usize::MAX), "byte")
}
