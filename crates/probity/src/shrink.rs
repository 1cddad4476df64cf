//! The `shrink` verb: the smallest request that still draws the same answer from the same server.
//!
//! "The same" is class, status, error type and the rules that the answer breaks, and also what the contract makes of
//! the request. Without the latter every refusal would shrink to `{}`, which is refused as well, and a mistake that a
//! server lets pass would shrink until there is none. The contract is asked first and costs nothing, so most of what
//! makes no sense is never sent.
//!
//! Requests go one after another: what is tried next depends on the answer. One that draws the answer is sent a second
//! time before it counts. The price is a few requests more; without it a server that sometimes fails would shrink to
//! nothing.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use classify::{Class, CutKind, Observation, Request};
use contract::case::Case;
use contract::conformance::model::renamed;
use contract::judge::judge;
use contract::shrink::Search;
use contract::spec::Contract;
use futures::FutureExt;
use futures::future::{self, BoxFuture, Shared};
use wire::replay::{Admit, Gate};
use wire::send::{Connections, Sender, send};
use wire::target::Target;

use crate::cli::{ShrinkArgs, ShrinkFormat};
use crate::concrete::{self, BODY_BYTES_MAX};
use crate::config::Config;
use crate::console::{count, say};
use crate::embedded;
use crate::exit::{Exit, Stop};
use crate::live::gate::Warden;
use crate::live::{estimate, thrift};
use crate::replay::find;
use crate::run::DEADLINE_MS;
use crate::settings::{self, Settings};
use crate::specs::Specs;

/// A conversation of thirty turns with tools ends within it, and a long text too, which costs the logarithm of its
/// length.
const REQUESTS_MAX: u64 = 1_000;
/// Of these most are refused and cost nothing; a live server is also not ours to press.
const LIVE_REQUESTS_MAX: u64 = 200;
/// So often the start must draw the same answer.
const START_TIMES: usize = 3;
/// Answers about load or rate in a row, each waited for as long as the server asked.
const BUSY_TIMES_MAX: usize = 3;

/// The verb.
pub fn shrink(args: &ShrinkArgs) -> Result<Exit, Stop> {
    let config = Config::load(args.common.config.as_deref())?;
    let settings = Settings::shrink(args, &config)?;
    let specs = Specs::load(&settings.overrides)?;
    let runtime = settings::runtime()?;
    let target = runtime.block_on(settings.target())?;
    let mut case = start(&specs, &settings, &args.start)?;
    if settings.way.live {
        case = thrift::frugal(case);
    }
    let usual = if settings.way.live { LIVE_REQUESTS_MAX } else { REQUESTS_MAX };
    let requests_max = args.max_requests.unwrap_or(usual);
    if settings.dry_run {
        // What is tried in between is smaller.
        let prices = settings.limits.as_ref().map(|limits| limits.prices);
        let is_json = args.format == ShrinkFormat::Json;
        say(&estimate::dry_run(&[case], requests_max, prices, is_json));
        return Ok(Exit::Clean);
    }
    let limits = settings.limits.clone().unwrap_or_default();
    let interrupt = tokio::signal::ctrl_c().map(drop).boxed();
    let shrunk = runtime.block_on(async {
        let mock = embedded::start(&specs.contract).await?;
        let target = target.as_ref().unwrap_or(&mock.target);
        let mut asker = Asker {
            contract: &specs.contract,
            sender: sender(target),
            warden: Warden::new(sender(target), limits),
            interrupt: interrupt.shared(),
            model: args.model.as_deref(),
            is_class_only: args.class_only,
            requests_left: requests_max,
            ends_at: Instant::now() + args.max_time,
            sent: 0,
            looked_at: 0,
        };
        asker.shrink(case).await
    })?;
    let server = target.as_ref().map(Target::base_url);
    let key = target.as_ref().map(|target| &target.key);
    let sent = as_sent(&specs.contract, &shrunk.least, args.model.as_deref());
    report::tell(args, &settings, &report::Way { server, key, sent: &sent }, &shrunk)?;
    match &shrunk.end {
        None => Ok(Exit::Clean),
        Some(end) => Err(Stop::new(end.exit(), end.text(&shrunk))),
    }
}

fn sender(target: &Target) -> Sender {
    Sender::new(target.clone(), Connections::Fresh, DEADLINE_MS)
}

/// What the argument names.
fn start(specs: &Specs, settings: &Settings, argument: &str) -> Result<Case, Stop> {
    if concrete::is_file_name(argument) {
        return concrete::read_case(&specs.contract, argument);
    }
    let mut cases = find(specs, settings, &settings.globs)?;
    if cases.len() > 1 {
        let ids: Vec<_> = cases.iter().take(3).map(|case| case.id.to_string()).collect();
        return Err(Stop::usage(format!(
            "`{argument}` names several cases; name one: {}, …",
            ids.join(", ")
        )));
    }
    let case = cases.pop().ok_or_else(|| Stop::usage(format!("`{argument}` names no case")))?;
    if case.request.body.len() > BODY_BYTES_MAX {
        return Err(Stop::usage(format!("the body of {} is too large to take apart", case.id)));
    }
    Ok(case)
}

/// What came of it.
pub(crate) struct Shrunk {
    /// As it was at the start.
    case: Case,
    drawn: Drawn,
    /// Why the contract refuses it; none if it serves it.
    reason: Option<String>,
    least: Request,
    sent: u64,
    /// Requests that were made, whether or not they were sent.
    looked_at: u64,
    /// Why it ended before nothing smaller was left.
    end: Option<End>,
}

/// What an answer is known by.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Drawn {
    class: Class,
    status: Option<u16>,
    error_type: Option<Box<str>>,
    findings: BTreeSet<&'static str>,
}

/// Why the search ended early.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Busy,
    /// Why not: its worst case is over the budget, or has no bound.
    Dear(&'static str),
    Gone,
    Interrupted,
    Requests,
    Time,
}

/// Whoever sends, and says what came back.
struct Asker<'a> {
    contract: &'a Contract,
    sender: Sender,
    warden: Warden,
    interrupt: Shared<BoxFuture<'static, ()>>,
    /// What requests name on the wire in place of a model of the contract, which would not know this one.
    model: Option<&'a str>,
    is_class_only: bool,
    requests_left: u64,
    ends_at: Instant,
    sent: u64,
    looked_at: u64,
}

impl Asker<'_> {
    async fn shrink(&mut self, case: Case) -> Result<Shrunk, Stop> {
        let drawn = self.start(&case).await?;
        let reason = self.reason(&case.request);
        let mut search = Search::new(case.request.clone());
        let mut end = None;
        // Ends: the search does, and so do requests and time.
        while let Some(proposed) = search.propose() {
            self.looked_at += 1;
            if self.ends_at <= Instant::now() {
                end = Some(End::Time);
                break;
            }
            let is_sent = self.is_class_only || self.reason(&proposed) == reason;
            let is_kept = match is_sent {
                true => self.draws_twice(&case, &proposed, &drawn).await,
                false => Ok(false),
            };
            match is_kept {
                Ok(is_kept) => search.settle(is_kept),
                Err(early) => {
                    end = Some(early);
                    break;
                }
            }
        }
        let (least, sent, looked_at) = (search.best().clone(), self.sent, self.looked_at);
        Ok(Shrunk { case, drawn, reason, least, sent, looked_at, end })
    }

    /// What the start draws, if it is always the same.
    async fn start(&mut self, case: &Case) -> Result<Drawn, Stop> {
        let mut seen: BTreeMap<Drawn, usize> = BTreeMap::new();
        for _ in 0..START_TIMES {
            let drawn = self.ask(case, &case.request).await;
            let drawn = drawn.map_err(|end| {
                let exit = if end == End::Busy { Exit::NotChecked } else { end.exit() };
                Stop::new(exit, format!("{} cannot be asked about: {}", case.id, end.name()))
            })?;
            *seen.entry(drawn).or_default() += 1;
        }
        if seen.len() > 1 {
            let answers: Vec<_> =
                seen.iter().map(|(drawn, times)| format!("{times} × {}", drawn.text())).collect();
            let reason = format!("FLAKY: {} draws {}", case.id, answers.join(", "));
            return Err(Stop::new(Exit::NotChecked, reason));
        }
        let (drawn, _) = seen.pop_first().expect("it was asked");
        match drawn.class {
            Class::Unsendable => {
                Err(Stop::new(Exit::NotChecked, format!("{} cannot be sent", case.id)))
            }
            _ => Ok(drawn),
        }
    }

    async fn draws_twice(
        &mut self,
        case: &Case,
        request: &Request,
        drawn: &Drawn,
    ) -> Result<bool, End> {
        Ok(self.ask(case, request).await? == *drawn && self.ask(case, request).await? == *drawn)
    }

    /// Sends it, again if the server is busy.
    async fn ask(&mut self, case: &Case, request: &Request) -> Result<Drawn, End> {
        let case = Case { request: as_sent(self.contract, request, self.model), ..case.clone() };
        for _ in 0..BUSY_TIMES_MAX {
            let left = self.ends_at.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Err(End::Time);
            }
            self.requests_left = self.requests_left.checked_sub(1).ok_or(End::Requests)?;
            match self.warden.admit(&case).await {
                Admit::Send => {}
                Admit::Skip(why) => return Err(End::Dear(why)),
                Admit::Stop => return Err(End::Busy),
            }
            self.sent += 1;
            let sending = std::pin::pin!(send(&self.sender, &case.request));
            let observation = match future::select(sending, self.interrupt.clone()).await {
                future::Either::Left((observation, _)) => observation,
                future::Either::Right(_) => return Err(End::Interrupted),
            };
            self.warden.saw(&case, &observation);
            let drawn = self.drawn(&case, &observation);
            match drawn.class {
                Class::Unreachable(CutKind::Refused) => return Err(End::Gone),
                class if is_busy(class) => {}
                _ => return Ok(drawn),
            }
        }
        Err(End::Busy)
    }

    fn drawn(&self, case: &Case, observation: &Observation) -> Drawn {
        let record = judge(self.contract, case, observation);
        Drawn {
            class: record.class,
            status: record.status,
            error_type: record.error_type,
            findings: record.findings.iter().map(|finding| finding.rule).collect(),
        }
    }

    fn reason(&self, request: &Request) -> Option<String> {
        concrete::refusal(self.contract, request).map(|(_, reason)| reason)
    }
}

/// The request with another model's name, where one is given.
fn as_sent(contract: &Contract, request: &Request, model: Option<&str>) -> Request {
    model.map_or_else(|| request.clone(), |name| renamed(&contract.models, request, name))
}

/// These say something about the moment and nothing about the request.
fn is_busy(class: Class) -> bool {
    matches!(
        class,
        Class::RateLimited | Class::RateLimitDisguised | Class::SpendLimited | Class::Overloaded
    )
}

impl Drawn {
    fn text(&self) -> String {
        let status = self.status.map(|status| status.to_string());
        let mut words = vec![self.class.name()];
        words.extend(status.as_deref());
        words.extend(self.error_type.as_deref());
        let answer = words.join(" ");
        match self.findings.is_empty() {
            true => answer,
            false => {
                let findings: Vec<_> = self.findings.iter().copied().collect();
                format!("{answer} ({})", findings.join(", "))
            }
        }
    }
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Busy => "the server is busy",
            Self::Dear(why) => why,
            Self::Gone => "nobody listens there",
            Self::Interrupted => "interrupted",
            Self::Requests => "all requests are used",
            Self::Time => "the time is up",
        }
    }

    fn exit(self) -> Exit {
        match self {
            Self::Busy | Self::Dear(_) | Self::Requests | Self::Time => Exit::Exhausted,
            Self::Gone => Exit::NotChecked,
            Self::Interrupted => Exit::Interrupted,
        }
    }

    fn text(self, shrunk: &Shrunk) -> String {
        let sent = count(usize::try_from(shrunk.sent).unwrap_or(usize::MAX), "request");
        format!("{} after {sent}; something smaller may be left", self.name())
    }
}
