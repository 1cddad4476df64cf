//! The `check` verb: judges traffic that somebody recorded, without sending anything.
//!
//! Items are read, judged, counted and let go one by one, so that a recording of any length costs the memory of its
//! longest line. What cannot be read is told once and does not stop the rest. A [ledger](ledger) makes a team's own
//! traffic its contract: what was accepted once is no finding, and what differs from it is.

mod human;
mod item;
mod json;
mod judge;
mod junit;
mod ledger;
mod locate;
mod meaning;
mod read;
mod route;
mod shape;
mod sums;
mod unpack;

use std::io::{self, BufWriter};
use std::path::Path;
use std::time::SystemTime;

use contract::spec::Contract;
use contract::version::Version;
use mock::{Now, State};
use serde_json::{Value, json};
use wildmatch::WildMatch;

use self::human::Page;
use self::judge::{Bench, Fault, Judged};
use self::ledger::{Ledger, Shelf};
use self::read::Found;
use self::sums::Sums;
use crate::cli::{CheckArgs, Format, Report, ReportKind};
use crate::console::{self, Paint, count, say};
use crate::exit::{Exit, Stop, decide, without_keys};
use crate::reporter::{create, failed};
use crate::specs::{Overrides, load_contract};

/// The verb.
pub fn check(args: &CheckArgs) -> Result<Exit, Stop> {
    let overrides = Overrides {
        spec: args.texts.spec.clone(),
        overlays: args.texts.overlay.clone(),
        models: args.texts.models.clone(),
        ..Overrides::default()
    };
    let (spec_path, contract) = load_contract(&overrides)?;
    let bench = Bench {
        contract: &contract,
        state: State::new(),
        now: day(args, &contract)?,
        version: args.api_version.as_deref().and_then(Version::parse),
        ignored: args.ignore.iter().map(|glob| WildMatch::new(glob)).collect(),
    };
    let inputs = inputs(args);
    let shelf = shelf(args, &inputs)?;
    let mut tally = Tally::begin(args, &head(args, &bench, &spec_path), shelf.as_ref())?;
    read::read(&args.inputs, args.kind, &mut |found| tally.take(&bench, found));
    tally.finish(args, shelf.as_ref(), &inputs)
}

/// Everything that is taken up while items come.
struct Tally<'s> {
    sums: Sums,
    writers: Vec<json::Writer>,
    /// Noted only where somebody wants to compare or to keep it.
    ledger: Option<Ledger>,
    accepted: Option<&'s Ledger>,
    trouble: Option<Stop>,
}

impl<'s> Tally<'s> {
    fn begin(args: &CheckArgs, head: &Value, shelf: Option<&'s Shelf>) -> Result<Self, Stop> {
        let mut writers = Vec::new();
        let to_screen = match args.format {
            Format::Human => None,
            Format::Json => Some(json::Shape::Object),
            Format::Ndjson => Some(json::Shape::Lines),
        };
        if let Some(shape) = to_screen {
            let out = Box::new(BufWriter::new(io::stdout()));
            let begun = json::Writer::begin(out, shape, head);
            writers.push(begun.map_err(|error| failed(Path::new("standard output"), &error))?);
        }
        for Report { kind, path } in &args.report {
            let shape = match kind {
                ReportKind::Json => json::Shape::Object,
                ReportKind::Ndjson => json::Shape::Lines,
                ReportKind::Badge | ReportKind::Html | ReportKind::Junit | ReportKind::Markdown => {
                    continue;
                }
            };
            let begun = json::Writer::begin(Box::new(create(path)?), shape, head);
            writers.push(begun.map_err(|error| failed(path, &error))?);
        }
        Ok(Self {
            sums: Sums::new(args.verbose),
            writers,
            ledger: shelf.map(|_| Ledger::default()),
            accepted: shelf.and_then(|shelf| shelf.accepted.as_ref()).filter(|_| !args.accept),
            trouble: None,
        })
    }

    fn take(&mut self, bench: &Bench<'_>, found: Found) {
        match found {
            Found::Other => self.sums.other += 1,
            Found::Unread(path) => self.sums.unread(path),
            Found::Unreadable(place, reason) => self.sums.unreadable(place, reason),
            Found::Item(item) => self.judged(&judge::judge(bench, &item)),
        }
    }

    fn judged(&mut self, judged: &Judged) {
        let accepted = self.accepted;
        let is_known =
            |fault: &Fault| accepted.is_some_and(|ledger| ledger.knows(&judged.digest, fault.rule));
        self.sums.note(judged, is_known);
        if let Some(ledger) = &mut self.ledger {
            ledger.note(judged);
        }
        for writer in &mut self.writers {
            if let Err(error) = writer.row(judged, is_known) {
                self.trouble.get_or_insert_with(|| {
                    Stop::new(Exit::Internal, format!("failed to write a report: {error}"))
                });
            }
        }
    }

    fn finish(
        mut self,
        args: &CheckArgs,
        shelf: Option<&Shelf>,
        inputs: &str,
    ) -> Result<Exit, Stop> {
        let mut reasons: Vec<_> = self.trouble.take().into_iter().collect();
        let mut differences = Vec::new();
        if let (Some(shelf), Some(ledger)) = (shelf, &self.ledger) {
            match self.accepted {
                _ if args.accept => ledger.write(&shelf.path, inputs)?,
                Some(accepted) => differences = ledger.differences(accepted),
                None => {}
            }
        }
        reasons.extend(reasons_of(&self.sums, &differences, shelf));
        let ended = decide(&reasons).cloned();
        let exit = ended.as_ref().map_or(Exit::Clean, |stop| stop.exit);
        for writer in self.writers {
            let finished = writer.finish(&self.sums, &differences, exit.code());
            finished.map_err(|error| failed(Path::new("a report"), &error))?;
        }
        for Report { path, .. } in args.report.iter().filter(|r| r.kind == ReportKind::Junit) {
            let written = junit::write(&self.sums, create(path)?);
            written.map_err(|error| failed(path, &io::Error::other(error)))?;
        }
        if args.format == Format::Human {
            let paint = Paint::decide(args.color);
            let page = Page { paint, width: console::width(), is_quiet: args.quiet };
            say(&human::page(page, &self.sums, &differences));
            if let Some(shelf) = shelf.filter(|_| args.accept) {
                let lines = self.ledger.as_ref().map_or(0, Ledger::len);
                say(&format!("ledger    {} in {}\n", count(lines, "item"), shelf.path.display()));
            }
            if ended.is_none() {
                say(&human::clean(paint, &self.sums));
            }
        }
        ended.map_or(Ok(Exit::Clean), Err)
    }
}

/// Why the run is not clean.
fn reasons_of(sums: &Sums, differences: &[String], shelf: Option<&Shelf>) -> Vec<Stop> {
    let mut reasons = Vec::new();
    if sums.unreadable > 0 {
        let first = sums.unreadable_places.first();
        let first = first.map(|(place, reason)| format!("{place} {reason}")).unwrap_or_default();
        let more = match sums.unreadable {
            1 => String::new(),
            more => format!(", and {} more", more - 1),
        };
        reasons.push(Stop::usage(format!("{first}{more}")));
    }
    if sums.items == 0 {
        let what = "nothing to check: no request and no answer of the Messages API was found";
        reasons.push(Stop::new(Exit::NotChecked, what));
    }
    let findings = sums.findings();
    if findings > 0 {
        let rules = count(sums.groups.len(), "rule");
        reasons
            .push(Stop::new(Exit::Findings, format!("{} of {rules}", count(findings, "finding"))));
    }
    if let Some(shelf) = shelf.filter(|_| !differences.is_empty()) {
        let lines = count(differences.len(), "line");
        let path = shelf.path.display();
        let what = format!("{lines} differ from {path}; --accept takes them");
        reasons.push(Stop::new(Exit::Pending, what));
    }
    reasons
}

/// The ledger to compare with or to write, if this run has to do with one.
fn shelf(args: &CheckArgs, inputs: &str) -> Result<Option<Shelf>, Stop> {
    if let Some(path) = &args.ledger {
        let accepted = if args.accept { None } else { Ledger::read(path, None)? };
        if accepted.is_none() && !args.accept {
            let what = format!("there is no ledger {}; --accept writes it", path.display());
            return Err(Stop::usage(what));
        }
        return Ok(Some(Shelf { path: path.clone(), accepted }));
    }
    let path = Path::new(ledger::FILE).to_owned();
    if args.accept {
        return Ok(Some(Shelf { path, accepted: None }));
    }
    let accepted = Ledger::read(&path, Some(inputs))?;
    Ok(accepted.map(|accepted| Shelf { path, accepted: Some(accepted) }))
}

/// The inputs as they were named; a command line may hold a key.
fn inputs(args: &CheckArgs) -> String {
    let shown = args.inputs.iter().map(|input| match input.to_string_lossy() {
        text if read::is_command_line(&text) => "curl".to_owned(),
        text => without_keys(&text),
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn day(args: &CheckArgs, contract: &Contract) -> Result<Now, Stop> {
    let named = args.as_of.as_deref().unwrap_or(&contract.as_of);
    if named == "today" {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        return Ok(Now { unix_seconds: since.unwrap_or_default().as_secs() });
    }
    let day = Now::at_date(named).filter(|day| day.date() == named);
    day.ok_or_else(|| Stop::usage(format!("--as-of: `{named}` is not a date such as 2026-11-22")))
}

/// What stands at the beginning of the JSON report.
fn head(args: &CheckArgs, bench: &Bench<'_>, spec_path: &str) -> Value {
    let contract = bench.contract;
    json!({
        "probity": env!("CARGO_PKG_VERSION"),
        "spec": {
            "path": spec_path,
            "sha256": contract.sha256,
            "as_of": contract.as_of,
            "api_versions":
                contract.editions.iter().map(|edition| edition.version.name()).collect::<Vec<_>>(),
        },
        "as_of": bench.now.date(),
        "inputs": inputs(args),
    })
}
