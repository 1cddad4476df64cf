//! The `merge` verb: what shards have found, as one run.
//!
//! It walks through the undivided corpus and takes the record of each case from the shard it falls into; all that is
//! told then comes from the same code as that of a run, so that it is the same to the byte. Scripted answers, the chaos
//! smoke test, ledgers and stale exceptions are about the whole: shards leave them out, and they are tried here. The
//! price is that the corpus is made once more.
//!
//! Of another server each shard asks what it has, and all must have found the same. Chains are played by the first
//! shard alone; of streams each compares the first of its own, among which are those that an undivided run compares.
//! All that stands in journals; JSON reports have verdicts only, and say nothing of levels.

mod files;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use contract::case::Case;
use contract::exceptions::Exceptions;
use contract::spec::Contract;
use wire::journal::beside::Probe;
use wire::journal::{Book, Head, Judged, Scope};
use wire::target::{Key, Target};

use self::files::read;
pub(crate) use self::records::{finding, settled};
use self::records::{kept_name, record};
use crate::cli::MergeArgs;
use crate::config::Config;
use crate::console::{self, count};
use crate::contract::{conduct, is_of_target};
use crate::embedded;
use crate::exit::{Exit, Stop};
use crate::live::Limits;
use crate::live::way::Way;
use crate::report::EMBEDDED;
use crate::run::{Order, Past, Recalled};
use crate::selection::{Selection, Shard};
use crate::settings::{self, Settings};
use crate::specs::Specs;
use crate::target::{Plan, kept};

/// What is said of shards of a target whose conformance is not known.
const NEEDS_JOURNALS: &str = "levels and rules of a target are told by the journals of all shards: of JSON reports only \
    the verdicts are put together";

/// The verb.
pub fn merge(args: &MergeArgs) -> Result<Exit, Stop> {
    let started = Instant::now();
    let config = Config::load(args.contract.common.config.as_deref())?;
    let mut settings = Settings::merge(&args.contract, &config)?;
    if settings.accept && console::is_ci() {
        return Err(Stop::usage("--accept in a CI job would accept what nobody has looked at"));
    }
    let mut specs = Specs::load(&settings.overrides)?;
    let mut exceptions = std::mem::take(&mut specs.exceptions);
    let shards = Shards::open(&args.files)?;
    settings = of_run(&shards.head, settings);
    settings.trial = kept::plan(settings.trial, shards.probe.as_ref())?;
    let report = settings.reports.iter().find(|report| is_of_target(report));
    if let (Some(report), None) = (report, &shards.probe) {
        let path = report.path.display();
        return Err(Stop::usage(format!("there is nothing to write to {path}: {NEEDS_JOURNALS}")));
    }
    let target = named_target(&shards.head.target)?;
    let order = Order::new(&specs, &settings, target, Past::Shards(&shards));
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
    /// What the target was found to have; none of our own mock, and where a shard does not say it.
    probe: Option<Probe>,
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
        let parts: Vec<_> = parts.into_iter().map(|(_, part)| part).collect();
        Ok(Self { head, probe: probe(&parts)?, parts })
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
            let name = part.name();
            let (cases, first) = lacking.remove(&idx).unwrap_or_default();
            match &part.skipped {
                None => wrong.push(format!(
                    "{name} did not reach its end{}{}",
                    part.book()
                        .and_then(|book| book.gone.as_ref())
                        .map_or_else(String::new, |gone| {
                            format!(", since {}", kept::went(gone).text())
                        }),
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

    /// Cases that were not sent, by reason. `unfit` are those of the whole that make no sense to the target: each shard
    /// lets a few more through. Other reasons were given while they were sent.
    pub(crate) fn skipped(
        &self,
        unfit: &BTreeMap<&'static str, usize>,
    ) -> Result<BTreeMap<&'static str, usize>, Stop> {
        let mut sums = unfit.clone();
        for (reason, cases) in self.parts.iter().filter_map(|part| part.skipped.as_ref()).flatten()
        {
            if !unfit.contains_key(&**reason) {
                *sums.entry(kept_name(reason).map_err(Stop::usage)?).or_default() += cases;
            }
        }
        Ok(sums)
    }

    /// What the target was found to have, by all of them.
    pub(crate) fn probe(&self) -> Option<&Probe> {
        self.probe.as_ref()
    }

    pub(crate) fn books(&self) -> impl Iterator<Item = &Book> {
        self.parts.iter().filter_map(Part::book)
    }

    /// Why it is not told what the answers of a target come to, if it is not.
    pub(crate) fn untold(&self) -> Option<&'static str> {
        (self.head.target != EMBEDDED && self.probe.is_none()).then_some(NEEDS_JOURNALS)
    }

    /// What the case's shard says of it; none if it was left out there.
    pub(crate) fn recall(
        &self,
        contract: &Contract,
        case: &Case,
        exceptions: &mut Exceptions,
    ) -> Result<Option<Recalled>, Stop> {
        self.parts[self.place(case)].recall(contract, case, exceptions)
    }

    /// The same for a step of a chain, which only the first shard has.
    pub(crate) fn recall_step(
        &self,
        contract: &Contract,
        case: &Case,
    ) -> Result<Option<Recalled>, Stop> {
        self.parts[0].recall(contract, case, &mut Exceptions::default())
    }

    /// The shard into which the case falls: there is one for each.
    fn place(&self, case: &Case) -> usize {
        self.parts.iter().position(|part| part.shard.contains(&case.id.0)).unwrap_or_default()
    }
}

impl Part {
    /// `shard 2/4 (FILE)`.
    fn name(&self) -> String {
        format!("shard {} ({})", self.shard, self.path.display())
    }

    fn book(&self) -> Option<&Book> {
        match &self.rows {
            Rows::Journal(book) => Some(book),
            Rows::Report(_) => None,
        }
    }

    fn recall(
        &self,
        contract: &Contract,
        case: &Case,
        exceptions: &mut Exceptions,
    ) -> Result<Option<Recalled>, Stop> {
        let failed = |why: String| {
            Stop::usage(format!("failed to read {} of {}: {why}", case.id, self.path.display()))
        };
        match &self.rows {
            Rows::Report(rows) => {
                let Some(judged) = rows.get(&case.id.0) else { return Ok(None) };
                let record = record(contract, case, judged, exceptions).map_err(failed)?;
                let (observation, judged) = (None, None);
                Ok(Some(Recalled { observation, record, judged, is_settled: true, is_new: false }))
            }
            Rows::Journal(book) => {
                let entry = book.entry(&case.id).map_err(|error| failed(error.to_string()))?;
                let recalled = entry.map(|entry| settled(contract, case, entry, exceptions));
                recalled.transpose().map_err(failed)
            }
        }
    }
}

/// What all shards have found the target to have.
fn probe(parts: &[Part]) -> Result<Option<Probe>, Stop> {
    let probes: Option<Vec<_>> =
        parts.iter().map(|part| Some((part, part.book()?.probe.as_ref()?))).collect();
    let Some([(first, merged), others @ ..]) = probes.as_deref() else { return Ok(None) };
    let mut merged = Probe::clone(merged);
    for (part, probe) in others {
        if let Some([theirs, ours]) = kept::difference(probe, &merged) {
            let (part, first) = (part.name(), first.name());
            return Err(Stop::usage(format!("{part} {theirs}, {first} {ours}")));
        }
        // Nothing but words hangs on this: a target that once said two things is not of one mind.
        if probe.is_deterministic == Some(false) {
            merged.is_deterministic = Some(false);
        }
    }
    Ok(Some(merged))
}

impl Rows {
    fn ids(&self) -> BTreeSet<&str> {
        match self {
            Self::Journal(book) => book.ids().into_iter().map(|id| &*id.0).collect(),
            Self::Report(rows) => rows.keys().map(|id| &**id).collect(),
        }
    }
}
