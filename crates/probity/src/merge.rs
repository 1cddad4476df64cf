//! The `merge` verb: what shards have found, as one run.
//!
//! It walks through the undivided corpus and takes the record of each case from the shard it falls into; all that is
//! told then comes from the same code as that of a run, so that it is the same to the byte. Scripted answers, the chaos
//! smoke test, ledgers and stale exceptions are about the whole: shards leave them out, and they are tried here. The
//! price is that the corpus is made once more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use classify::{Class, Observation};
use contract::case::Case;
use contract::exceptions::Exceptions;
use contract::judge::{Blame, Finding, Record, Verdict, judge};
use contract::level;
use contract::spec::Contract;
use serde::Deserialize;
use wire::journal::{Book, Fault, Head, Judged, Scope};
use wire::target::{Key, Target};

use crate::cli::MergeArgs;
use crate::config::Config;
use crate::console::{self, count};
use crate::contract::conduct;
use crate::embedded;
use crate::exit::{Exit, Stop};
use crate::live::Limits;
use crate::live::way::Way;
use crate::report::EMBEDDED;
use crate::run::{Order, Past};
use crate::selection::{Selection, Shard};
use crate::settings::{self, Settings};
use crate::specs::Specs;
use crate::target::Plan;

/// The report of a million cases. A larger file is none of ours, and would not fit into memory.
const REPORT_BYTES_MAX: u64 = 1 << 30;

/// Names of findings and reasons that are kept for good, since runs hold them so. There are some two hundred.
const NAMES_MAX: usize = 4_096;

/// The verb.
pub fn merge(args: &MergeArgs) -> Result<Exit, Stop> {
    let started = Instant::now();
    let config = Config::load(args.contract.common.config.as_deref())?;
    let mut settings = Settings::contract(&args.contract, &config)?;
    if settings.accept && console::is_ci() {
        return Err(Stop::usage("--accept in a CI job would accept what nobody has looked at"));
    }
    let mut specs = Specs::load(&settings.overrides)?;
    let mut exceptions = std::mem::take(&mut specs.exceptions);
    let shards = Shards::open(&args.files)?;
    settings = of_run(&shards.head, settings);
    let target = named_target(&shards.head.target)?;
    let order = Order {
        specs: &specs,
        seed: settings.seed,
        heavy: settings.heavy,
        cases_max: None,
        time_max: None,
        selection: &settings.selection,
        chaos: settings.chaos && target.is_none() && settings.selection.is_everything(),
        target,
        past: Past::Shards(&shards),
        limits: settings.limits.as_ref(),
        trial: Some(&settings.trial),
    };
    shards.check(&order)?;
    conduct(started, &settings, &order, &settings::runtime()?, &mut exceptions)
}

/// The settings of the run that a journal or report is of, told as these say.
pub(crate) fn of_run(head: &Head, told: Settings) -> Settings {
    let Scope { model, filter, live, limited, heavy, .. } = &head.scope;
    Settings {
        way: Way { live: *live, ..told.way },
        limits: limited.then(Limits::default),
        trial: Plan { model: model.clone(), ..told.trial },
        seed: head.seed,
        heavy: *heavy,
        target_url: (head.target != EMBEDDED).then(|| head.target.clone()),
        selection: Selection::new(filter, None),
        globs: filter.clone(),
        cases_max: None,
        time_max: None,
        journal: None,
        resume: false,
        dry_run: false,
        ..told
    }
}

/// The server that was asked, if it was not our own. Nothing is sent there.
pub(crate) fn named_target(name: &str) -> Result<Option<Target>, Stop> {
    if name == EMBEDDED {
        return Ok(None);
    }
    let target = Target::named(name, Key::new(embedded::KEY.to_owned()));
    target.map(Some).map_err(|error| Stop::usage(format!("failed to {error}")))
}

/// All shards of one run.
pub struct Shards {
    /// What they are shards of.
    head: Head,
    parts: Vec<Part>,
}

struct Part {
    path: PathBuf,
    shard: Shard,
    rows: Rows,
    /// Cases that were not sent, by reason; none if the shard did not reach its end.
    skipped: Option<BTreeMap<String, usize>>,
}

enum Rows {
    Journal(Box<Book>),
    Report(BTreeMap<String, Judged>),
}

impl Shards {
    /// Opens the files, and fails unless they are each shard of one run, once.
    fn open(paths: &[PathBuf]) -> Result<Self, Stop> {
        let mut parts = paths.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        parts.sort_by_key(|(_, part)| part.shard.index);
        let Some((head, first)) = parts.first() else {
            return Err(Stop::usage("there is no file to merge"));
        };
        for (other, part) in &parts {
            let names = || format!("{} and {}", first.path.display(), part.path.display());
            if part.shard.count != first.shard.count {
                let (ours, theirs) = (first.shard, part.shard);
                return Err(Stop::usage(format!("{} are shards {ours} and {theirs}", names())));
            }
            let differences = other.differences(head);
            if !differences.is_empty() {
                let differences = differences.join("; ");
                return Err(Stop::usage(format!(
                    "{} are of different runs: {differences}",
                    names()
                )));
            }
        }
        let twice = parts.windows(2).find(|pair| pair[0].1.shard == pair[1].1.shard);
        if let Some([(_, one), (_, other)]) = twice {
            let (one, other, shard) = (one.path.display(), other.path.display(), one.shard);
            return Err(Stop::usage(format!("shard {shard} is there twice: {one} and {other}")));
        }
        let there: BTreeSet<_> = parts.iter().map(|(_, part)| part.shard.index).collect();
        let total = first.shard.count;
        let missing: Vec<_> = (1..=total)
            .filter(|index| !there.contains(index))
            .map(|index| format!("{index}/{total}"))
            .collect();
        if !missing.is_empty() {
            let noun = if missing.len() == 1 { "shard is" } else { "shards are" };
            return Err(Stop::usage(format!("{noun} missing: {}", missing.join(", "))));
        }
        let head = head.clone();
        Ok(Self { head, parts: parts.into_iter().map(|(_, part)| part).collect() })
    }

    /// Fails unless every case of the corpus is there, and no other.
    fn check(&self, order: &Order<'_>) -> Result<(), Stop> {
        let Scope { max_cases, .. } = self.head.scope;
        if max_cases.is_some() {
            let why = "each shard stopped at its own first cases, which are not those of the whole";
            return Err(Stop::usage(format!("runs with --max-cases cannot be merged: {why}")));
        }
        let ours = Head {
            probity: env!("CARGO_PKG_VERSION").to_owned(),
            spec: order.specs.contract.sha256.clone(),
            ..self.head.clone()
        };
        let differences = self.head.differences(&ours);
        if !differences.is_empty() {
            let differences = differences.join("; ");
            return Err(Stop::usage(format!("the shards are of another contract: {differences}")));
        }
        let mut ids: Vec<_> = self.parts.iter().map(|part| part.rows.ids()).collect();
        let mut lacking: BTreeMap<usize, (usize, String)> = BTreeMap::new();
        for case in order.cases(|_| {}) {
            let idx = self.place(&case);
            if !ids[idx].remove(&*case.id.0) {
                lacking.entry(idx).or_insert_with(|| (0, case.id.0)).0 += 1;
            }
        }
        let mut wrong = Vec::new();
        for (idx, (part, more)) in self.parts.iter().zip(&ids).enumerate() {
            let name = format!("shard {} ({})", part.shard, part.path.display());
            let (cases, first) = lacking.remove(&idx).unwrap_or_default();
            match &part.skipped {
                None => wrong.push(format!(
                    "{name} did not reach its end{}",
                    match cases {
                        0 => String::new(),
                        _ => format!(": it lacks {}, the first is {first}", count(cases, "case")),
                    }
                )),
                Some(skipped) if skipped.values().sum::<usize>() != cases => {
                    let left_out = count(skipped.values().sum(), "case");
                    wrong.push(format!("{name} lacks {}, the first is {first}, and says that {left_out} were left out", count(cases, "case")));
                }
                Some(_) => {}
            }
            if let Some(first) = more.first() {
                let cases = count(more.len(), "case");
                wrong.push(format!(
                    "{name} has {cases} that do not belong there, the first is {first}"
                ));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(Stop::usage(wrong.join("\n"))) }
    }

    /// Cases that the shards did not send, by reason.
    pub(crate) fn skipped(&self) -> Result<BTreeMap<&'static str, usize>, Stop> {
        let mut sums = BTreeMap::new();
        for (reason, cases) in self.parts.iter().filter_map(|part| part.skipped.as_ref()).flatten()
        {
            *sums.entry(kept(reason).map_err(Stop::usage)?).or_default() += cases;
        }
        Ok(sums)
    }

    /// What the case's shard says of it; none if it was left out there.
    pub(crate) fn record(
        &self,
        contract: &Contract,
        case: &Case,
        exceptions: &mut Exceptions,
    ) -> Result<Option<Record>, Stop> {
        let part = &self.parts[self.place(case)];
        let failed = |why: String| {
            Stop::usage(format!("failed to read {} of {}: {why}", case.id, part.path.display()))
        };
        let judged = match &part.rows {
            Rows::Report(rows) => rows.get(&case.id.0).cloned(),
            Rows::Journal(book) => {
                let entry = book.entry(&case.id).map_err(|error| failed(error.to_string()))?;
                entry.map(|entry| entry.judged)
            }
        };
        let Some(judged) = judged else { return Ok(None) };
        record(contract, case, &judged, exceptions).map(Some).map_err(failed)
    }

    /// The shard into which the case falls: there is one for each.
    fn place(&self, case: &Case) -> usize {
        self.parts.iter().position(|part| part.shard.contains(&case.id.0)).unwrap_or_default()
    }
}

impl Rows {
    fn ids(&self) -> BTreeSet<&str> {
        match self {
            Self::Journal(book) => book.ids().into_iter().map(|id| &*id.0).collect(),
            Self::Report(rows) => rows.keys().map(|id| &**id).collect(),
        }
    }
}

/// The record that was written down.
pub(crate) fn record(
    contract: &Contract,
    case: &Case,
    judged: &Judged,
    exceptions: &mut Exceptions,
) -> Result<Record, String> {
    let none = |what: &str, name: &str| format!("there is no {what} `{name}`");
    // Whatever is judged, the record says what is known of the case; all else is put in its place.
    let blank = judge(contract, case, &Observation::Unsendable(String::new()));
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.name() == judged.verdict);
    let findings = judged.findings.iter().map(|fault| {
        let Fault { rule, pointer, blame, trace } = fault;
        let by = Blame::ALL.into_iter().find(|known| known.name() == blame);
        let by = by.ok_or_else(|| none("blame", blame))?;
        Ok(Finding::new(kept(rule)?, pointer.clone(), by, trace.clone()))
    });
    let verdict = verdict.ok_or_else(|| none("verdict", &judged.verdict))?;
    let mut record = Record {
        class: Class::parse(&judged.class).ok_or_else(|| none("class", &judged.class))?,
        status: judged.status,
        error_type: judged.error_type.as_deref().map(Box::from),
        error_code: judged.error_code.as_deref().map(Box::from),
        verdict: if verdict == Verdict::Excused { Verdict::Drift } else { verdict },
        findings: findings.collect::<Result<_, String>>()?,
        ..blank
    };
    level::weigh(case, &mut record);
    // Exceptions count what they excuse, and one that excused nothing is stale.
    exceptions.excuse(&mut record);
    record.verdict = verdict;
    Ok(record)
}

/// The name as records hold it, each kept once and for good.
fn kept(name: &str) -> Result<&'static str, String> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Ok(known);
    }
    if names.len() >= NAMES_MAX {
        return Err(format!("`{name}` is one name too many"));
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Ok(kept)
}

/// A JSON report, as far as it is needed.
#[derive(Deserialize)]
struct Report {
    results: Vec<Row>,
    probity: String,
    spec: Spec,
    seed: u64,
    target: String,
    plan: Scope,
    complete: bool,
    skipped: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Spec {
    sha256: String,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    origin: String,
    #[serde(flatten)]
    judged: Judged,
}

/// Reads a journal or a JSON report, whichever it is.
fn read(path: &Path) -> Result<(Head, Part), Stop> {
    let failed = |why: String| Stop::usage(format!("failed to read {}: {why}", path.display()));
    let mut first = Vec::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let taken = file.take(JOURNAL_BEGINS.len() as u64).read_to_end(&mut first);
    taken.map_err(|error| failed(error.to_string()))?;
    let (mut head, rows, skipped) = if first == JOURNAL_BEGINS {
        let book = Book::open(path).map_err(|error| Stop::usage(format!("failed to {error}")))?;
        let book =
            book.ok_or_else(|| failed("not even its header line was finished".to_owned()))?;
        let skipped = book.skipped.clone();
        (book.head.clone(), Rows::Journal(Box::new(book)), skipped)
    } else {
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let from = BufReader::new(file.take(REPORT_BYTES_MAX));
        let report: Report = serde_json::from_reader(from).map_err(|error| {
            failed(format!("it is neither a journal nor a JSON report: {error}"))
        })?;
        let Report { results, probity, spec, seed, target, plan, complete, skipped } = report;
        let cases = results.into_iter().filter(|row| row.origin != "scripted");
        let rows = cases.map(|row| (row.id, row.judged)).collect();
        let head = Head { probity, seed, spec: spec.sha256, target, scope: plan };
        (head, Rows::Report(rows), complete.then_some(skipped))
    };
    let shard = match head.scope.shard.take() {
        Some(shard) => Shard::parse(&shard).map_err(failed)?,
        // An undivided run is its own only shard.
        None => Shard { index: 1, count: 1 },
    };
    Ok((head, Part { path: path.to_owned(), shard, rows, skipped }))
}

/// How a journal begins, and no JSON report does.
const JOURNAL_BEGINS: &[u8] = b"{\"journal\":";
