//! One run of a scenario: the proxy and what stands behind it, the clients, and what was seen of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chaos::{Attempt, Call, Handling, Plan, Scenario, Surface, Told};
use classify::Script;
use futures::future::try_join_all;
use tokio::time::{Instant, timeout};

use super::call::call;
use super::censor::long_wait;
use super::noise::Noise;
use super::{Pace, Stage, Subject, Unseen};
use crate::proxy::{self, Proxy, Record, Stand};
use crate::script::{self, ScriptServer, elapsed_ms};

/// A client that keeps the deadline by its own clock returns about then: this much later it hangs.
const HANG_MS: u64 = 1_000;

/// Plays the scenario to as many clients as it asks for, at once over one proxy. `herd` counts the runs of a trial.
pub(super) async fn rehearse(
    scenario: &Scenario,
    surface: Surface,
    stage: Stage<'_>,
    subject: &impl Subject,
    herd: u32,
) -> Result<Vec<Handling>, Unseen> {
    let server = scripted(scenario, surface, stage).await?;
    let started = Instant::now();
    let proxy = stand(scenario, stage, server.as_ref(), started, 0).await?;
    let noise = Noise::watch(started);
    let n_clients = scenario.ask.clients.unwrap_or(1).max(1);
    let clients = (0..n_clients).map(|client| {
        let (call, nonces) = call(scenario, surface, herd * n_clients + client, &proxy.base_url());
        let end = until_told(&proxy, started, stage.pace, subject, call);
        async { Ok(Client { nonces, end: end.await? }) }
    });
    let clients = try_join_all(clients).await?;
    let address = proxy.called.clone();
    let record = proxy.finish().await;
    let mut handlings = handlings(record, clients);
    for handling in &mut handlings {
        handling.address.clone_from(&address);
        // A client that starts late among many has nothing to do with what was before.
        let began_ms = match handling.attempts.first() {
            Some(first) if 1 < n_clients => first.head_ms,
            _ => 0,
        };
        handling.noise_ms = noise.latest_ms(began_ms, handling.elapsed_ms);
        handling.objections = objections(&handling.attempts, scenario, stage);
    }
    if let Some(first) = handlings.first_mut() {
        // Which of several clients it was is not known.
        first.leaks = subject.leaks();
    }
    Ok(handlings)
}

/// The server that answers by scripts, if the scenario names any.
pub(super) async fn scripted(
    scenario: &Scenario,
    surface: Surface,
    stage: Stage<'_>,
) -> Result<Option<ScriptServer>, Unseen> {
    let scripts = scripts(scenario.replies_on(surface), stage.scripts)?;
    if scripts.is_empty() {
        return Ok(None);
    }
    let server = script::serve(scripts).await;
    server.map(Some).map_err(|error| Unseen::Trouble(format!("no script server: {error}")))
}

/// The scripts of these names.
fn scripts(names: &[String], all: &BTreeMap<String, Script>) -> Result<Vec<Script>, Unseen> {
    let find = |name: &String| {
        let missing = || Unseen::Trouble(format!("there is no reply `{name}`"));
        all.get(name).cloned().ok_or_else(missing)
    };
    names.iter().map(find).collect()
}

pub(super) async fn stand(
    scenario: &Scenario,
    stage: Stage<'_>,
    server: Option<&ScriptServer>,
    started: Instant,
    port: u16,
) -> Result<Proxy, Unseen> {
    if scenario.connect.tls.is_some() && stage.authority.is_none() {
        let reason = "it takes TLS, and there is no authority to vouch for the server";
        return Err(Unseen::Skipped(reason.to_owned()));
    }
    let plan =
        Plan::new(scenario, stage.scripts).map_err(|error| Unseen::Trouble(error.to_string()))?;
    let upstream = server.map(|server| server.address).or(stage.mock);
    let authority = stage.authority.map(Arc::clone);
    proxy::start(Stand { scenario, plan, upstream, started, authority, port })
        .await
        .map_err(|error| Unseen::Trouble(format!("no proxy: {error}")))
}

/// How it went with one client, by its own account.
struct End {
    told: Option<Told>,
    censored_ms: Option<u64>,
    elapsed_ms: u64,
}

async fn until_told(
    proxy: &Proxy,
    started: Instant,
    pace: Pace,
    subject: &impl Subject,
    call: Call,
) -> Result<End, Unseen> {
    let patience = Duration::from_millis(call.deadline_ms + HANG_MS);
    let (told, censored_ms) = tokio::select! {
        told = timeout(patience, subject.run(call)) => (told.ok().transpose()?, None),
        ms = long_wait(proxy, started, pace) => (None, Some(ms)),
    };
    Ok(End { told, censored_ms, elapsed_ms: elapsed_ms(started) })
}

/// One of the clients of a run.
struct Client {
    nonces: Vec<String>,
    end: End,
}

/// What was seen of each client. What cannot be told apart is said of all of them.
fn handlings(record: Record, clients: Vec<Client>) -> Vec<Handling> {
    let mut attempts = by_client(record.attempts, &clients);
    let mut abroad = by_client(record.second_origin, &clients);
    let is_herd = 1 < clients.len();
    let handling = |(idx, Client { nonces, end }): (usize, Client)| {
        let (attempts, abroad) =
            (std::mem::take(&mut attempts[idx]), std::mem::take(&mut abroad[idx]));
        let numbers: BTreeSet<_> = attempts.iter().map(|attempt| attempt.number).collect();
        let own: BTreeSet<_> = attempts.iter().map(|attempt| attempt.connection).collect();
        let (mut outcomes, waits_ms) =
            end.told.map_or((vec![], None), |told| (told.outcomes, told.waits_ms));
        if let Some(last) = outcomes.last().cloned() {
            // There is no second turn on top of a failure, which is then the end of both.
            outcomes.resize(nonces.len().max(outcomes.len()), last);
        }
        Handling {
            outcome: outcomes.pop(),
            earlier: outcomes,
            nonces,
            connections: if is_herd { count(own.len()) } else { record.connections },
            waits_ms,
            censored_ms: end.censored_ms,
            elapsed_ms: end.elapsed_ms,
            unfired: record.unfired.clone(),
            pipelined: record.pipelined.iter().copied().filter(|n| numbers.contains(n)).collect(),
            trouble: record.trouble.clone(),
            attempts,
            abroad,
            ..Handling::default()
        }
    };
    clients.into_iter().enumerate().map(handling).collect()
}

/// The requests that hold one of a client's nonces; the first client has those that hold nobody's, too.
fn by_client(attempts: Vec<Attempt>, clients: &[Client]) -> Vec<Vec<Attempt>> {
    let mut sorted = vec![vec![]; clients.len()];
    if let [all] = &mut sorted[..] {
        *all = attempts;
        return sorted;
    }
    for attempt in attempts {
        let body = String::from_utf8_lossy(&attempt.request.body.to_bytes()).into_owned();
        let is_whose = |client: &Client| client.nonces.iter().any(|nonce| body.contains(nonce));
        let owner = clients.iter().position(is_whose).unwrap_or_default();
        sorted[owner].push(attempt);
    }
    sorted
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// What the contract objects to, attempt by attempt. Of a request that is not known to its end nothing is said.
fn objections(attempts: &[Attempt], scenario: &Scenario, stage: Stage<'_>) -> Vec<Vec<String>> {
    let Some(check) = stage.check else { return vec![] };
    // The contract knows nothing of what stands before its paths at a gateway.
    let prefix = scenario.connect.path.trim_end_matches('/');
    let objects = |attempt: &Attempt| {
        if attempt.body_cut {
            return vec![];
        }
        let mut request = attempt.request.clone();
        if let Some(target) = request.target.strip_prefix(prefix) {
            request.target = target.to_owned().into();
        }
        check(&request)
    };
    attempts.iter().map(objects).collect()
}

#[cfg(test)]
mod tests {
    use chaos::{Outcome, OutcomeClass};
    use classify::{Body, Request};

    use super::*;
    use crate::proxy::Handshakes;

    fn attempt(number: u32, connection: u32, words: &str) -> Attempt {
        let body = Body::Bytes(words.to_owned().into_bytes().into());
        Attempt {
            number,
            connection,
            request: Request { body, ..Request::default() },
            ..Attempt::default()
        }
    }

    fn client(nonces: &[&str], outcomes: Vec<Outcome>) -> Client {
        let told = Told { outcomes, waits_ms: None };
        let nonces = nonces.iter().map(|nonce| (*nonce).to_owned()).collect();
        Client { nonces, end: End { told: Some(told), censored_ms: None, elapsed_ms: 1 } }
    }

    fn record() -> Record {
        Record {
            attempts: vec![
                attempt(1, 1, "two nonce-2"),
                attempt(2, 2, "one nonce-1"),
                attempt(3, 2, "nobody's"),
                attempt(4, 1, "nonce-2 again"),
            ],
            second_origin: vec![attempt(1, 1, "two nonce-2")],
            connections: 3,
            handshakes: Handshakes::default(),
            pipelined: vec![2, 4],
            notes: vec![],
            unfired: vec![7],
            trouble: None,
        }
    }

    #[test]
    fn each_client_has_what_is_its_own() {
        let success = || vec![Outcome::of(OutcomeClass::Success)];
        let clients = vec![client(&["nonce-1"], success()), client(&["nonce-2"], success())];
        let handlings = handlings(record(), clients);
        let numbers = |handling: &Handling| -> Vec<u32> {
            handling.attempts.iter().map(|attempt| attempt.number).collect()
        };
        assert_eq!(handlings.iter().map(numbers).collect::<Vec<_>>(), [[2, 3], [1, 4]]);
        let [one, two] = &handlings[..] else { panic!("{handlings:?}") };
        assert_eq!((one.connections, &*one.pipelined, one.abroad.len()), (1, &[2][..], 0));
        assert_eq!((two.connections, &*two.pipelined, two.abroad.len()), (1, &[4][..], 1));
        assert_eq!((&*one.unfired, &*two.unfired), (&[7][..], &[7][..]));
    }

    #[test]
    fn one_client_has_everything() {
        let outcomes = vec![Outcome::of(OutcomeClass::Aborted), Outcome::of(OutcomeClass::Success)];
        let handlings = handlings(record(), vec![client(&["nonce-1", "nonce-2"], outcomes)]);
        let [only] = &handlings[..] else { panic!("{handlings:?}") };
        assert_eq!((only.attempts.len(), only.connections, only.abroad.len()), (4, 3, 1));
        assert_eq!(only.earlier[0].class, OutcomeClass::Aborted);
        assert_eq!(only.outcome.as_ref().unwrap().class, OutcomeClass::Success);
    }

    #[test]
    fn a_failure_ends_the_second_turn_too() {
        let failed = vec![Outcome::of(OutcomeClass::ApiError)];
        let handlings = handlings(record(), vec![client(&["nonce-1", "nonce-1"], failed)]);
        let classes = [&handlings[0].earlier[0], handlings[0].outcome.as_ref().unwrap()];
        assert_eq!(classes.map(|outcome| outcome.class), [OutcomeClass::ApiError; 2]);
    }
}
