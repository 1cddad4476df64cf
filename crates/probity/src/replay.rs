//! The `replay` verb: cases once more, with everything that went over the wire.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use classify::{Body, Headers, Observation, Reply};
use contract::case::Case;
use contract::judge::{Record, Verdict, judge};
use contract::rules;
use wire::send::{Connections, Sender, send};
use wire::target::Key;

use crate::cli::ReplayArgs;
use crate::config::Config;
use crate::console::{Paint, count, fold, say, width};
use crate::curl::curl;
use crate::embedded;
use crate::exit::{Exit, Stop};
use crate::findings::{expected, got};
use crate::report::human::Page;
use crate::run::Order;
use crate::selection::Selection;
use crate::settings::{self, Settings};
use crate::specs::Specs;

/// A case is sent so often; answers of different classes make it flaky.
const TIMES: usize = 3;
/// Longer than any answer in the corpus takes.
const DEADLINE_MS: u64 = 30_000;
/// Of a body, shown; `--body` writes it whole.
const BODY_BYTES_MAX: usize = 2_048;
/// Cases shown of a glob; more would not be read.
const CASES_MAX: usize = 50;

/// The verb.
pub fn replay(args: &ReplayArgs) -> Result<Exit, Stop> {
    let config = Config::load(args.common.config.as_deref())?;
    let settings = Settings::replay(args, &config);
    let mut specs = Specs::load(&settings.overrides)?;
    let mut exceptions = std::mem::take(&mut specs.exceptions);
    let runtime = settings::runtime()?;
    let target = runtime.block_on(settings.target())?;
    let cases = find(&specs, &settings)?;
    let page = Page { width: width(), paint: Paint::decide(settings.color) };
    if let (Some(path), Some(case)) = (&args.body, cases.first()) {
        write_body(path, &case.request.body)?;
        say(&format!("{}: {} of {}\n", path.display(), bytes(case.request.body.len()), case.id));
    }
    let mut drift = 0;
    let mut unclear = 0;
    let shown = cases.len().min(CASES_MAX);
    runtime.block_on(async {
        let mock = embedded::start(&specs.contract).await?;
        let base_url = target.as_ref().map(|target| target.base_url());
        let target = target.as_ref().unwrap_or(&mock.target);
        let sender = Sender::new(target.clone(), Connections::Fresh, DEADLINE_MS);
        for case in &cases[..shown] {
            let mut seen = Vec::new();
            for _ in 0..TIMES {
                let observation = send(&sender, &case.request).await;
                let mut record = judge(&specs.contract, case, &observation);
                exceptions.excuse(&mut record);
                seen.push((observation, record));
            }
            drift += usize::from(seen.iter().any(|(_, record)| record.verdict == Verdict::Drift));
            unclear +=
                usize::from(seen.iter().all(|(_, record)| record.verdict == Verdict::Inconclusive));
            say(&target.key.scrub(&tell(page, case, &seen, base_url, &target.key)));
        }
        Ok::<(), Stop>(())
    })?;
    if cases.len() > shown {
        say(&format!("\nonly the first {CASES_MAX} cases are shown: name fewer\n"));
    }
    if drift > 0 {
        say(&format!("\nexit 1: {} of {shown} drift\n", count(drift, "case")));
        return Ok(Exit::Findings);
    }
    if unclear == shown {
        say("\nexit 3: no answer says anything\n");
        return Ok(Exit::NotChecked);
    }
    Ok(Exit::Clean)
}

/// The cases that are named: by their ids if there are such, else by globs. An id stands for itself here and not for
/// everything under it, because it was pasted from a report.
fn find(specs: &Specs, settings: &Settings) -> Result<Vec<Case>, Stop> {
    let everything = Selection::default();
    let order = |selection| Order {
        specs,
        seed: settings.seed,
        heavy: settings.heavy,
        cases_max: None,
        time_max: None,
        selection,
        target: None,
        chaos: false,
    };
    let may_be_id = |glob: &&String| glob.matches('/').count() >= 3 && !glob.contains(['*', '?']);
    let ids: BTreeSet<_> = settings.globs.iter().filter(may_be_id).collect();
    let mut cases: Vec<_> = order(&everything)
        .cases(|_| {})
        .filter(|case| ids.contains(&case.id.0))
        .take(ids.len())
        .collect();
    let is_found = |glob: &&String| cases.iter().any(|case| case.id.0 == **glob);
    let globs: Vec<_> = settings.globs.iter().filter(|glob| !is_found(glob)).cloned().collect();
    if !globs.is_empty() {
        let selection = Selection::new(&globs, None);
        let order = order(&selection);
        order.check_globs()?;
        cases.extend(order.cases(|_| {}).take(CASES_MAX + 1));
    }
    Ok(cases)
}

/// The whole story of one case.
fn tell(
    page: Page,
    case: &Case,
    seen: &[(Observation, Record)],
    base_url: Option<&str>,
    key: &Key,
) -> String {
    let Page { paint, width } = page;
    let (observation, record) = &seen[0];
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
    if seen.iter().any(|(_, other)| other.class != record.class || other.status != record.status) {
        let answers: Vec<_> = seen.iter().map(|(_, record)| got(record)).collect();
        let _ = writeln!(text, "  {} {}", paint.yellow("FLAKY:"), answers.join(" | "));
    }
    text
}

fn answer(observation: &Observation, key: &Key) -> String {
    let partial = |reply: &Reply| {
        let clean = key.scrub_bytes(&reply.body).into_owned();
        format!(
            "  {}\n{}{}",
            reply.status,
            headers(&reply.headers),
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

fn bytes(len: u64) -> String {
    count(usize::try_from(len).unwrap_or(usize::MAX), "byte")
}

fn write_body(path: &Path, body: &Body) -> Result<(), Stop> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        body.pieces().try_for_each(|piece| file.write_all(&piece))?;
        file.flush()
    };
    write().map_err(|error: std::io::Error| {
        Stop::usage(format!("failed to write {}: {error}", path.display()))
    })
}
