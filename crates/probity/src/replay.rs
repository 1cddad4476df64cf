//! The `replay` verb: cases once more, or requests from files, with everything that went over the wire.

mod attempts;
mod story;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use classify::Body;
use contract::case::Case;
use contract::conformance::model::renamed;
use contract::exceptions::Exceptions;
use contract::judge::{Verdict, judge};
use serde_json::{Value, json};
use wire::send::{Connections, Sender};
use wire::target::{Key, Target};

use crate::cli::{Format, ReplayArgs};
use crate::concrete;
use crate::config::Config;
use crate::console::{Paint, complain, count, say, width};
use crate::embedded;
use crate::exit::{Exit, Stop, decide};
use crate::live::gate::{Account, Warden};
use crate::live::{estimate, thrift};
use crate::rejudge::rejudge;
use crate::report::human::Page;
use crate::report::json;
use crate::run::{Order, Past};
use crate::selection::Selection;
use crate::settings::{self, Settings};
use crate::specs::Specs;

use self::attempts::{Asked, Asker, Attempt, answers, telling};
use self::story::{bytes, tell};

/// Between two attempts at another server than our mock: what is flaky is so over time, and at once all of them might
/// meet the same worker of it.
const ATTEMPT_GAP: Duration = Duration::from_millis(250);
/// Longer than any answer in the corpus takes.
const DEADLINE_MS: u64 = 30_000;
/// Of a body, shown; `--body` writes it whole.
const BODY_BYTES_MAX: usize = 2_048;
/// Cases shown of a glob; more would not be read.
const CASES_MAX: usize = 50;

/// The verb.
///
/// A case whose answers disagree is FLAKY and a finding, since whoever relies on one of the answers is wrong in the
/// other case. Answers about load or a lost connection say nothing, so they disagree with none.
pub fn replay(args: &ReplayArgs) -> Result<Exit, Stop> {
    if let Some(journal) = &args.judge_only {
        return rejudge(journal, args);
    }
    let config = Config::load(args.common.config.as_deref())?;
    let settings = Settings::replay(args, &config)?;
    let mut specs = Specs::load(&settings.overrides)?;
    let exceptions = std::mem::take(&mut specs.exceptions);
    let runtime = settings::runtime()?;
    let target = runtime.block_on(settings.target())?;
    let mut cases = named(&specs, &settings)?;
    if settings.way.live {
        // As a live run sends them.
        cases = cases.into_iter().map(thrift::frugal).collect();
    }
    if let (Some(path), Some(case)) = (&args.body, cases.first()) {
        write_body(path, &case.request.body)?;
        let written =
            format!("{}: {} of {}\n", path.display(), bytes(case.request.body.len()), case.id);
        match args.attempts.format {
            Format::Human => say(&written),
            Format::Json | Format::Ndjson => complain(&written),
        }
    }
    let shown = &cases[..cases.len().min(CASES_MAX)];
    if settings.dry_run {
        let limits = settings.limits.as_ref().map(|limits| limits.prices);
        let is_json = args.attempts.format != Format::Human;
        say(&estimate::dry_run(shown, args.attempts.times.into(), limits, is_json));
        return Ok(Exit::Clean);
    }
    let tally = runtime.block_on(send_all(args, &settings, &specs, exceptions, target, shown))?;
    if cases.len() > shown.len() {
        complain(&format!("\nonly the first {CASES_MAX} cases are shown: name fewer\n"));
    }
    tally.end()
}

async fn send_all(
    args: &ReplayArgs,
    settings: &Settings,
    specs: &Specs,
    mut exceptions: Exceptions,
    target: Option<Target>,
    cases: &[Case],
) -> Result<Tally, Stop> {
    let mock = embedded::start(&specs.contract).await?;
    let base_url = target.as_ref().map(|target| target.base_url());
    let gap = if target.is_some() { ATTEMPT_GAP } else { Duration::ZERO };
    let target = target.as_ref().unwrap_or(&mock.target);
    let sender = || Sender::new(target.clone(), Connections::Fresh, DEADLINE_MS);
    let warden = settings.limits.clone().map(|limits| Warden::new(sender(), limits));
    let asker = Asker { sender: sender(), warden, times: args.attempts.times, gap };
    let page = Page { width: width(), paint: Paint::decide(settings.color) };
    let mut sheet = Sheet::new(args.attempts.format, base_url, page);
    let mut tally = Tally::default();
    for case in cases {
        let asked = asker.ask(case, |observation| {
            let mut record = judge(&specs.contract, case, observation);
            exceptions.excuse(&mut record);
            record
        });
        let Asked { attempts, skipped, is_over } = asked.await;
        if let Some(why) = skipped {
            tally.skipped.get_or_insert(why);
        }
        if !attempts.is_empty() {
            tally.add(&attempts);
            say(&target.key.scrub(&sheet.case(case, &attempts, &target.key)));
        }
        if is_over {
            break;
        }
    }
    let account = asker.warden.map(|warden| warden.account(cases.len(), tally.cases));
    say(&sheet.end(account.as_ref()));
    tally.unfinished = account.and_then(|account| account.unfinished());
    Ok(tally)
}

/// What all cases come to.
#[derive(Default)]
struct Tally {
    cases: usize,
    drift: usize,
    flaky: usize,
    unclear: usize,
    /// Why a case was left out, of the first of those.
    skipped: Option<&'static str>,
    /// Why the server was not asked for more.
    unfinished: Option<String>,
}

impl Tally {
    fn add(&mut self, attempts: &[Attempt]) {
        let verdict = telling(attempts).1.verdict;
        self.cases += 1;
        self.drift += usize::from(verdict == Verdict::Drift);
        self.flaky += usize::from(answers(attempts).len() > 1);
        self.unclear += usize::from(verdict == Verdict::Inconclusive);
    }

    fn end(&self) -> Result<Exit, Stop> {
        let Self { cases, drift, flaky, unclear, skipped, unfinished } = self;
        let flaky = match *flaky {
            0 => String::new(),
            flaky => format!("FLAKY: {} of {cases} drew different answers; ", count(flaky, "case")),
        };
        let mut reasons = Vec::new();
        if *drift > 0 || !flaky.is_empty() {
            let reason = format!("{flaky}{} of {cases} drift", count(*drift, "case"));
            reasons.push(Stop::new(Exit::Findings, reason));
        }
        if let Some(why) = unfinished {
            reasons.push(Stop::new(Exit::Exhausted, why));
        } else if unclear == cases {
            let why = skipped.map_or(String::new(), |why| format!(": {why}"));
            reasons.push(Stop::new(Exit::NotChecked, format!("no answer says anything{why}")));
        }
        decide(&reasons).cloned().map_or(Ok(Exit::Clean), Err)
    }
}

/// Standard output, in one of its forms.
struct Sheet<'a> {
    format: Format,
    base_url: Option<&'a str>,
    page: Page,
    written: usize,
}

impl<'a> Sheet<'a> {
    fn new(format: Format, base_url: Option<&'a str>, page: Page) -> Self {
        Self { format, base_url, page, written: 0 }
    }

    fn case(&mut self, case: &Case, attempts: &[Attempt], key: &Key) -> String {
        self.written += 1;
        let before = match (self.format, self.written) {
            (Format::Json, 1) => "{\"results\":[\n",
            (Format::Json, _) => ",\n",
            (Format::Human | Format::Ndjson, _) => "",
        };
        match self.format {
            Format::Human => tell(self.page, case, attempts, self.base_url, key),
            Format::Json => format!("{before}{}", result(case, attempts, self.base_url)),
            Format::Ndjson => format!("{}\n", result(case, attempts, self.base_url)),
        }
    }

    fn end(&self, account: Option<&Account>) -> String {
        let mut head = json!({"probity": env!("CARGO_PKG_VERSION"), "target": self.base_url});
        if let Some(account) = account {
            head["account"] = account.to_json();
        }
        match (self.format, account) {
            (Format::Human, Some(account)) => format!("\nused {}\n", account.text()),
            (Format::Human | Format::Ndjson, _) => String::new(),
            // The head is an object; its opening brace stands at the very beginning.
            (Format::Json, _) => {
                let begun = if self.written == 0 { "{\"results\":[" } else { "" };
                format!("{begun}\n],{}\n", head.to_string().trim_start_matches('{'))
            }
        }
    }
}

/// A result as `contract` has it, and how often which answer came.
fn result(case: &Case, attempts: &[Attempt], base_url: Option<&str>) -> Value {
    let row = json::value(case, &telling(attempts).1, base_url);
    let mut row = row.expect("texts and numbers can be written");
    let answers = answers(attempts);
    row["flaky"] = (answers.len() > 1).into();
    row["attempts"] = attempts.len().into();
    let answers = answers.iter().map(|(answer, times)| json!({"answer": answer, "times": times}));
    row["answers"] = answers.collect();
    row
}

/// What was asked for: files as they are named, then cases.
fn named(specs: &Specs, settings: &Settings) -> Result<Vec<Case>, Stop> {
    let (files, globs): (Vec<_>, Vec<_>) =
        settings.globs.iter().cloned().partition(|name| concrete::is_file_name(name));
    let mut cases = Vec::new();
    for file in &files {
        cases.push(concrete::read_case(&specs.contract, file)?);
    }
    if !globs.is_empty() {
        cases.extend(find(specs, settings, &globs)?);
    }
    if let Some(name) = &settings.trial.model {
        for case in &mut cases {
            case.request = renamed(&specs.contract.models, &case.request, name);
        }
    }
    Ok(cases)
}

/// The cases that are named: by their ids if there are such, else by globs. An id stands for itself here and not for
/// everything under it, because it was pasted from a report.
pub(crate) fn find(
    specs: &Specs,
    settings: &Settings,
    globs: &[String],
) -> Result<Vec<Case>, Stop> {
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
        past: Past::None,
        limits: None,
        trial: None,
    };
    let may_be_id = |glob: &&String| glob.matches('/').count() >= 3 && !glob.contains(['*', '?']);
    let ids: BTreeSet<_> = globs.iter().filter(may_be_id).collect();
    let mut cases: Vec<_> = order(&everything)
        .cases(|_| {})
        .filter(|case| ids.contains(&case.id.0))
        .take(ids.len())
        .collect();
    let is_found = |glob: &&String| cases.iter().any(|case| case.id.0 == **glob);
    let globs: Vec<_> = globs.iter().filter(|glob| !is_found(glob)).cloned().collect();
    if !globs.is_empty() {
        let selection = Selection::new(&globs, None);
        let order = order(&selection);
        order.check_globs()?;
        cases.extend(order.cases(|_| {}).take(CASES_MAX + 1));
    }
    Ok(cases)
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
