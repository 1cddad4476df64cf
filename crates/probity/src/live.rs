//! A run against a server that costs money: who is contacted, with which key, what it may cost, and how it stays
//! polite.
//!
//! | question | module |
//! |---|---|
//! | which host, which key? | [`way`] |
//! | in what order, and what would it cost? | [`plan`], [`estimate`] |
//! | how is a case made cheap? | [`thrift`] |
//! | what may a request cost, and what did it? | [`bill`], [`money`] |
//! | may this one be sent now? | [`governor`], asked by [`gate`] |
//! | what is kept, and how does it differ from the mock? | [`dated`], [`compare`] |
//!
//! The worst case of a request is set aside before it is sent, and what it really used is known only afterwards; so
//! a run can end with money left over, and never with less than none.

pub mod bill;
pub mod compare;
pub mod dated;
pub mod estimate;
pub mod gate;
pub mod governor;
pub mod money;
pub mod plan;
pub mod thrift;
pub mod way;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::gate::Account;
use self::money::Prices;
use crate::cli::{BudgetArgs, Format};
use crate::config::Config;
use crate::console::say;
use crate::contract::SNAPSHOTS;
use crate::exit::{Exit, Stop};
use crate::ledger;
use crate::reporter::Reporter;
use crate::run::{End, Order, Run, Watch};
use crate::settings::Settings;

/// Of a live run to which nobody gave a budget. The usual 500 cases take about half of it; at a dear price it is a few
/// dollars and not a few hundred.
const TOKENS_MAX: u64 = 500_000;

/// What a run may use.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    pub tokens_max: Option<u64>,
    pub money: Option<Money>,
    pub per_minute: Option<u32>,
    pub prices: Option<Prices>,
}

/// A budget in money.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Money {
    /// Billionths of a US dollar.
    pub nanos_max: u64,
    pub prices: Prices,
}

impl Limits {
    /// None where nothing was asked for and nothing costs.
    pub fn new(live: bool, args: &BudgetArgs, config: &Config) -> Result<Option<Self>, Stop> {
        let in_config = |what: String| Stop::usage(format!("probity.toml: {what}"));
        let read = |value: Option<f64>, parse: fn(&str) -> Result<u64, String>| {
            value.map(|value| parse(&value.to_string())).transpose().map_err(in_config)
        };
        let usd = args.budget_usd.or(read(config.budget_usd, money::nanos)?);
        let tokens = args.budget_tokens.or(config.budget_tokens);
        let rate = config.rate.as_deref().map(crate::cli::rate).transpose().map_err(in_config)?;
        let input = args.price_input.or(read(config.price_input, money::per_token)?);
        let output = args.price_output.or(read(config.price_output, money::per_token)?);
        let prices = input.zip(output).map(|(input, output)| Prices { input, output });
        let money = match (usd, prices) {
            (None, _) => None,
            (Some(nanos_max), Some(prices)) => Some(Money { nanos_max, prices }),
            (Some(_), None) => return Err(Stop::usage(NO_PRICES)),
        };
        let tokens_max = tokens.or_else(|| (live && money.is_none()).then_some(TOKENS_MAX));
        let limits = Self { tokens_max, money, per_minute: args.rate.or(rate), prices };
        Ok((live || limits != Self { prices, ..Self::default() }).then_some(limits))
    }
}

const NO_PRICES: &str = "--budget-usd needs --price-input and --price-output (USD per million tokens, the dearest that \
                         may apply): prices change, and none are built in. --budget-tokens needs none";

/// After a run: its answers beside the mock's, and its ledgers as those of a day, where that is asked for.
pub(crate) fn finish(
    runtime: &Runtime,
    settings: &Settings,
    order: &Order<'_>,
    run: &mut Run,
    reporter: &mut Reporter,
) -> Result<(), Stop> {
    let started = Instant::now();
    let answers = dated::answers(run.records());
    if settings.is_comparing {
        let ids: BTreeSet<_> = answers.iter().map(|answer| &*answer.id).collect();
        let mock = runtime.block_on(compare::ask_mock(order, &ids))?;
        let comparison = compare::compare(&mock, &answers);
        reporter.passed("compare", &compare::summary(&comparison), started.elapsed());
        run.compared = Some(comparison);
    }
    if !(settings.accept && settings.way.live) {
        return Ok(());
    }
    if run.end != End::Complete {
        reporter.passed("ledgers", "not taken: the run did not reach its end", started.elapsed());
        return Ok(());
    }
    let date = settings.as_of.clone().unwrap_or_else(dated::today);
    let day = dated::Day { date, seed: order.seed, answers };
    let folder = settings.snapshots.as_deref().unwrap_or_else(|| Path::new(SNAPSHOTS));
    let folder = dated::write(folder, &day, &ledger::ledgers(&order.specs.contract, run))?;
    reporter.passed("ledgers", &format!("taken as {}", folder.display()), started.elapsed());
    Ok(())
}

/// Sets the ledgers of a day beside what the mock answers now. Nothing is contacted.
pub(crate) fn compare_with_day(
    runtime: &Runtime,
    settings: &Settings,
    order: Order<'_>,
) -> Result<Exit, Stop> {
    let folder = settings.snapshots.as_deref().unwrap_or_else(|| Path::new(SNAPSHOTS));
    let day = dated::read(folder, settings.as_of.as_deref())?;
    let order = Order { seed: day.seed, ..order };
    let ids: BTreeSet<_> = day.answers.iter().map(|answer| &*answer.id).collect();
    let mock = runtime.block_on(compare::ask_mock(&order, &ids))?;
    let comparison = compare::compare(&mock, &day.answers);
    let live = format!("live of {}", day.date);
    match settings.format {
        Format::Human => say(&compare::text(&comparison, &live)),
        Format::Json | Format::Ndjson => {
            say(&format!("{}\n", compare::to_json(&comparison, &live)))
        }
    }
    if comparison.rows.is_empty() {
        return Ok(Exit::Clean);
    }
    Err(Stop::new(Exit::Findings, format!("mock and {live}: {}", compare::summary(&comparison))))
}

/// What the JSON report says of a run with limits; null of others.
pub(crate) fn to_json(run: &Run) -> Value {
    if run.account.is_none() && run.compared.is_none() {
        return Value::Null;
    }
    let compared = run.compared.as_ref().map(|compared| compare::to_json(compared, LIVE));
    json!({"account": run.account.as_ref().map(Account::to_json), "comparison": compared})
}

/// The live side, where it is the run itself.
pub(crate) const LIVE: &str = "live";
