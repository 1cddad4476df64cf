//! The `serve` verb: the mock as a server, for clients in any language.
//!
//! It runs until it is interrupted, and that is a clean end: whoever started it has learnt from the answers and the
//! report what was wrong, and exit 0 keeps `set -e` scripts alive. The time begins on the day that the specs describe
//! and runs on from there, so that a model that retires next year fails no test of this year's code; the price is
//! that dates in answers are not today's.

mod account;
pub(crate) mod lines;
mod scenario;

use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use classify::Request;
use contract::rules;
use contract::spec::Contract;
use futures::future::select;
use mock::{Answer, Config, Limits, Now, Pace, Rules, State, Trouble, Violation};
use serde_json::{Value, json};
use wire::serve::{BODY_TIME_MAX, Brain, Manner};

use self::account::{Account, Entry};
use crate::cli::{ReportKind, ServeArgs, ServeRules};
use crate::console::{Paint, complain, say};
use crate::exit::{Exit, Stop};
use crate::settings;
use crate::specs::{Overrides, load_contract};

/// The verb.
pub fn serve(args: &ServeArgs) -> Result<Exit, Stop> {
    if !args.listen.ip().is_loopback() {
        return Err(Stop::usage(format!(
            "--listen {}: only loopback addresses are served, such as 127.0.0.1:4010 or [::1]:4010: \
             the mock takes any key, and nothing it says is meant for others",
            args.listen
        )));
    }
    if let Some(id) = &args.scenario {
        return scenario::play(args, id);
    }
    let overrides = Overrides {
        spec: args.texts.spec.clone(),
        overlays: args.texts.overlay.clone(),
        models: args.texts.models.clone(),
        ..Overrides::default()
    };
    let (spec_path, contract) = load_contract(&overrides)?;
    let report = report_path(args)?;
    let day = Now::at_date(&contract.as_of)
        .ok_or_else(|| Stop::usage(format!("as_of: `{}` is not a date", contract.as_of)))?;
    let account = Account::new(report, Paint::decide(args.color), args.quiet)?;
    let desk = Arc::new(Desk {
        contract,
        config: config(args),
        day,
        started: Instant::now(),
        state: Mutex::new(State::new()),
        account: Mutex::new(Some(account)),
    });
    survive_panics_of_answers();
    settings::runtime()?.block_on(run(args, &desk, &spec_path))?;
    if let Some(account) = lock(&desk.account).take() {
        account.finish()?;
    }
    Ok(Exit::Clean)
}

async fn run(args: &ServeArgs, desk: &Arc<Desk>, spec_path: &str) -> Result<(), Stop> {
    let brain: Brain = {
        let desk = Arc::clone(desk);
        Arc::new(move |request, trouble| desk.answer(request, trouble))
    };
    let manner = Manner {
        latency: args.latency.unwrap_or_default(),
        body_time_max: BODY_TIME_MAX,
        version: args.api_version.clone(),
    };
    // Before the port opens: an interrupt that comes at once must find somebody listening.
    let interrupted = interrupt()?;
    let server = wire::serve::start(args.listen, brain, manner)
        .await
        .map_err(|error| Stop::usage(format!("failed to listen on {}: {error}", args.listen)))?;
    if let Some(account) = lock(&desk.account).as_mut() {
        account.begin(&head(args, desk, server.address, spec_path))?;
    }
    say(&format!(
        "probity serve: http://{0} (set ANTHROPIC_BASE_URL=http://{0}; Ctrl-C ends)\n",
        server.address
    ));
    interrupted.await;
    Ok(())
}

/// Completes on Ctrl-C, or when the process is asked to end.
pub(crate) fn interrupt() -> Result<impl Future<Output = ()>, Stop> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let failed =
            |error| Stop::new(Exit::Internal, format!("failed to watch for signals: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        Ok(async move {
            select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
        })
    }
    #[cfg(not(unix))]
    Ok(tokio::signal::ctrl_c().map(drop))
}

fn config(args: &ServeArgs) -> Config {
    let has_limits = args.rpm.is_some() || args.itpm.is_some();
    Config {
        key: args.api_key.clone(),
        rules: match args.rules {
            ServeRules::All => Rules::All,
            ServeRules::Schema => Rules::Schema,
        },
        seed: args.seed.unwrap_or(settings::SEED),
        pace: Pace::Human,
        limits: has_limits.then_some(Limits { rpm: args.rpm, itpm: args.itpm }),
    }
}

fn report_path(args: &ServeArgs) -> Result<Option<&Path>, Stop> {
    match &args.report[..] {
        [] => Ok(None),
        [report] if report.kind == ReportKind::Json => Ok(Some(&report.path)),
        _ => Err(Stop::usage("--report: serve writes one report, json=FILE")),
    }
}

/// What stands at the beginning of the report.
fn head(args: &ServeArgs, desk: &Desk, address: SocketAddr, spec_path: &str) -> Value {
    let contract = &desk.contract;
    json!({
        "probity": env!("CARGO_PKG_VERSION"),
        "url": format!("http://{address}"),
        "spec": {
            "path": spec_path,
            "sha256": contract.sha256,
            "as_of": contract.as_of,
            "api_versions":
                contract.editions.iter().map(|edition| edition.version.name()).collect::<Vec<_>>(),
        },
        "rules": match args.rules {
            ServeRules::All => "all",
            ServeRules::Schema => "schema",
        },
        "seed": desk.config.seed,
    })
}

/// Where requests are answered, one at a time.
struct Desk {
    contract: Arc<Contract>,
    config: Config,
    /// The moment the server takes for the beginning.
    day: Now,
    started: Instant,
    state: Mutex<State>,
    /// `None` once it is closed.
    account: Mutex<Option<Account>>,
}

impl Desk {
    fn answer(&self, request: &Request, trouble: Option<Trouble>) -> Answer {
        let now = self.now();
        let (answer, violations) = match trouble {
            Some(trouble) => (mock::trouble(self.config.seed, request, trouble), Vec::new()),
            None => self.judged(request, now),
        };
        let mut account = lock(&self.account);
        let Some(account) = account.as_mut() else { return answer };
        let model = account.wants_models().then(|| model_of(request)).flatten();
        let lints = model.as_deref().map_or_else(Vec::new, |model| {
            contract::lint::model(&self.contract.models, model, &now.date())
        });
        account.note(Entry { request, answer: &answer, violations, model, lints });
        answer
    }

    fn judged(&self, request: &Request, now: Now) -> (Answer, Vec<Violation>) {
        let (contract, config) = (&self.contract, &self.config);
        let mut state = lock(&self.state);
        let answer = mock::answer(&mut state, contract, config, request, now);
        let violations = match answer.refused {
            Some(_) => mock::violations(&state, contract, config, request, now),
            None => Vec::new(),
        };
        (answer, violations)
    }

    fn now(&self) -> Now {
        Now { unix_seconds: self.day.unix_seconds + self.started.elapsed().as_secs() }
    }
}

fn model_of(request: &Request) -> Option<String> {
    let body = rules::parse_body(request).ok()?;
    Some(body.get("model")?.as_str()?.to_owned())
}

/// A judge that panicked was answered for; what it left behind is good enough for the next request.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the server outlive a panic of its judge, which is answered with a 500; any other panic still ends the
/// process.
fn survive_panics_of_answers() {
    let fatal = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !wire::serve::is_answering() {
            return fatal(info);
        }
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        complain(&format!(
            "probity: internal error while answering (at {place}); please report it\n"
        ));
    }));
}
