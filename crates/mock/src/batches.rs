//! Batches: created, looked at, listed, cancelled, deleted, and their results.
//!
//! A created batch does not end by the clock, so that nobody has to wait and a replay is the same at any speed: the
//! first look finds it in progress (or canceling) and half of it done, the [second](LOOKS_TO_END) ended. Its items
//! are judged and answered at that moment. What is not done when the batch is cancelled is canceled, what is not
//! done [a day](LIFE_HOURS) after the creation is expired: for that much the clock does count. A list shows the
//! created ones first, newest first, and is no look; the [seeded](crate::seeded) ones follow, always the same, so a
//! page after one of those depends on nobody.
//!
//! What may not be done yet (deleting what is in progress, results of what has not ended) was refused by the rules
//! before. That results which are [gone](RESULTS_HOURS) are a 404 is concluded, not seen.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use classify::Request;
use serde::Serialize;
use serde_json::Value;

use crate::Now;
use crate::compose::{self, Turn};
use crate::dice::Dice;
use crate::error::{Envelope, Refusal};
use crate::judge::{self, Bench, Judged};
use crate::message::Message;
use crate::query::{self, Page};
use crate::seeded;
use crate::state::{Batches, Created, Phase};

/// The look at which a created batch has ended.
const LOOKS_TO_END: u32 = 2;
/// What is not done by then is given up.
const LIFE_HOURS: u64 = 24;
/// From the creation on; after that the results are gone, and the batch is archived.
const RESULTS_HOURS: u64 = 29 * 24;

/// Ends the batches whose time is up.
pub(crate) fn settle(batches: &mut Batches, bench: &Bench<'_>) {
    for batch in batches.iter_mut() {
        let expires_at = batch.created_at.plus_hours(LIFE_HOURS);
        if let Phase::Open { done, .. } = batch.phase
            && bench.now >= expires_at
        {
            batch.end(bench, done, expires_at);
        }
    }
}

pub(crate) fn create(
    batches: &mut Batches,
    bench: &Bench<'_>,
    request: &Request,
    judged: Judged<'_>,
    dice: &mut Dice,
) -> Batch {
    // The same batch sent again is another batch; only in that case an earlier request decides about the id.
    let mut id = dice.id("msgbatch_");
    while batches.contains(&id) {
        id = dice.id("msgbatch_");
    }
    let mut body = judged.body;
    let items = match body.get_mut("requests").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let created = Created {
        id,
        version: judged.version,
        head: judge::head_of(request),
        created_at: bench.now,
        cancel_initiated_at: None,
        bytes: request.body.len(),
        phase: Phase::Open { items, done: 0, looks: 0 },
    };
    batches.add(created).show(bench.now, &origin(request))
}

pub(crate) fn get(
    batches: &mut Batches,
    bench: &Bench<'_>,
    request: &Request,
    id: &str,
) -> Result<Batch, Refusal> {
    let origin = origin(request);
    if let Some(seeded) = seeded::find(id) {
        return Ok(seeded.show(bench.contract, &origin));
    }
    let batch = find(batches, id)?;
    batch.look(bench);
    Ok(batch.show(bench.now, &origin))
}

pub(crate) fn list(batches: &Batches, bench: &Bench<'_>, request: &Request) -> Page<Batch> {
    let origin = origin(request);
    let created = batches.newest_first().map(Row::Created);
    let rows: Vec<Row<'_>> = created.chain(seeded::ALL.iter().map(Row::Seeded)).collect();
    let show = |row: &Row<'_>| match row {
        Row::Created(batch) => batch.show(bench.now, &origin),
        Row::Seeded(seeded) => seeded.show(bench.contract, &origin),
    };
    query::paging(request).cut(&rows, Row::id, show)
}

/// What is cancelled ends with the next look, without another item done; what has ended stays as it is.
pub(crate) fn cancel(
    batches: &mut Batches,
    bench: &Bench<'_>,
    request: &Request,
    id: &str,
) -> Result<Batch, Refusal> {
    let origin = origin(request);
    if let Some(seeded) = seeded::find(id) {
        return Ok(seeded.cancelled(bench.contract, &origin));
    }
    let batch = find(batches, id)?;
    if let Phase::Open { looks, .. } = &mut batch.phase {
        *looks = LOOKS_TO_END - 1;
        batch.cancel_initiated_at.get_or_insert(bench.now);
    }
    Ok(batch.show(bench.now, &origin))
}

pub(crate) fn delete(batches: &mut Batches, id: &str) -> Deleted {
    batches.remove(id);
    Deleted { id: id.to_owned() }
}

/// The results as lines.
pub(crate) fn results(
    batches: &mut Batches,
    bench: &Bench<'_>,
    id: &str,
) -> Result<Bytes, Refusal> {
    if let Some(seeded) = seeded::find(id) {
        return Ok(seeded.results(bench.contract, bench.config.seed));
    }
    let batch = find(batches, id)?;
    match &batch.phase {
        Phase::Ended { results, .. } if !batch.is_archived(bench.now) => Ok(results.clone()),
        _ => {
            Err(Refusal::not_found(format!("The results of message batch {id} are not available.")))
        }
    }
}

/// What stands before the path in the URL of results: `http://` and the host that the client asked for, as in the
/// API's own answers, so that a client which follows the URL as it is finds its way.
///
/// Only if the host is this machine: a client that is led here under another name would be sent there with its
/// credential. It gets the path alone, which SDKs join to their base URL.
fn origin(request: &Request) -> String {
    let host = request.headers.get("host").filter(|host| is_loopback(host));
    host.map(|host| format!("http://{host}")).unwrap_or_default()
}

/// Whether this is `localhost` or a loopback address, with a port or without.
fn is_loopback(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    let v6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()))
}

enum Row<'a> {
    Created(&'a Created),
    Seeded(&'a seeded::Seeded),
}

impl Row<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Created(batch) => &batch.id,
            Self::Seeded(seeded) => seeded.id,
        }
    }
}

fn find<'a>(batches: &'a mut Batches, id: &str) -> Result<&'a mut Created, Refusal> {
    batches.find(id).ok_or_else(|| Refusal::not_found(format!("Message batch {id} not found.")))
}

impl Created {
    fn look(&mut self, bench: &Bench<'_>) {
        let Phase::Open { items, done, looks } = &mut self.phase else { return };
        *looks += 1;
        if *looks < LOOKS_TO_END {
            *done = items.len() / 2;
            return;
        }
        let done = if self.cancel_initiated_at.is_some() { *done } else { items.len() };
        self.end(bench, done, bench.now);
    }

    /// Answers the first items, and gives up the others.
    fn end(&mut self, bench: &Bench<'_>, done: usize, at: Now) {
        let Phase::Open { items, .. } = &mut self.phase else { return };
        let items = std::mem::take(items);
        let mut counts = Counts::default();
        let results = lines(shuffled(items.len(), bench.config.seed, &self.id).map(|index| {
            let item = &items[index];
            let result = match self.cancel_initiated_at {
                _ if index < done => self.outcome(bench, index, item),
                Some(_) => Outcome::Canceled,
                None => Outcome::Expired,
            };
            counts.add(&result);
            Line { custom_id: item["custom_id"].as_str().unwrap_or_default().into(), result }
        }));
        self.phase = Phase::Ended { at, counts, results };
    }

    fn is_archived(&self, now: Now) -> bool {
        now >= self.created_at.plus_hours(RESULTS_HOURS)
    }

    fn outcome(&self, bench: &Bench<'_>, index: usize, item: &Value) -> Outcome {
        let mut dice = Dice::of_part(bench.config.seed, &self.id, index as u64);
        let params = &item["params"];
        match judge::judge_item(bench, self.version, &self.head, params) {
            Ok(model) => {
                let turn = Turn { params, model, dice: &mut dice, now: bench.now, batched: true };
                Outcome::Succeeded { message: Box::new(compose::message(turn)) }
            }
            Err(refusal) => Outcome::errored(&refusal, &mut dice),
        }
    }

    fn show(&self, now: Now, origin: &str) -> Batch {
        let status = match (&self.phase, self.cancel_initiated_at) {
            (Phase::Ended { .. }, _) => Status::Ended,
            (Phase::Open { .. }, Some(_)) => Status::Canceling,
            (Phase::Open { .. }, None) => Status::InProgress,
        };
        let mut batch = Batch::new(self.id.clone(), self.created_at, status, origin);
        match &self.phase {
            Phase::Open { items, .. } => batch.request_counts.processing = items.len(),
            Phase::Ended { at, counts, .. } => {
                batch.request_counts = *counts;
                batch.ended_at = Some(at.rfc3339());
            }
        }
        batch.cancel_initiated_at = self.cancel_initiated_at.map(Now::rfc3339);
        if self.is_archived(now) {
            batch.archived_at = Some(self.created_at.plus_hours(RESULTS_HOURS).rfc3339());
            batch.results_url = None;
        }
        batch
    }
}

/// The places of so many items in an order in which none stays where it was, so that a client that trusts the order
/// of the request is found out. One item has nowhere to go.
fn shuffled(count: usize, seed: u64, id: &str) -> impl Iterator<Item = usize> {
    /// No item has this number.
    const ORDER: u64 = u64::MAX;
    let mut dice = Dice::of_part(seed, id, ORDER);
    let mut places: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        places.swap(place, dice.below(place));
    }
    places.into_iter()
}

/// A batch as the API shows it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "message_batch")]
pub(crate) struct Batch {
    id: String,
    pub(crate) processing_status: Status,
    pub(crate) request_counts: Counts,
    created_at: String,
    expires_at: String,
    pub(crate) ended_at: Option<String>,
    pub(crate) cancel_initiated_at: Option<String>,
    archived_at: Option<String>,
    /// See [`origin`].
    results_url: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Canceling,
    Ended,
    InProgress,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) processing: usize,
    pub(crate) succeeded: usize,
    pub(crate) errored: usize,
    pub(crate) canceled: usize,
    pub(crate) expired: usize,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Canceled => &mut self.canceled,
            Outcome::Errored { .. } => &mut self.errored,
            Outcome::Expired => &mut self.expired,
            Outcome::Succeeded { .. } => &mut self.succeeded,
        } += 1;
    }
}

impl Batch {
    pub(crate) fn new(
        id: String,
        created_at: Now,
        processing_status: Status,
        origin: &str,
    ) -> Self {
        let results_url = format!("{origin}/v1/messages/batches/{id}/results");
        Self {
            id,
            processing_status,
            request_counts: Counts::default(),
            created_at: created_at.rfc3339(),
            expires_at: created_at.plus_hours(LIFE_HOURS).rfc3339(),
            ended_at: None,
            cancel_initiated_at: None,
            archived_at: None,
            results_url: (processing_status == Status::Ended).then_some(results_url),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "message_batch_deleted")]
pub(crate) struct Deleted {
    id: String,
}

/// One line of the results.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) custom_id: Cow<'a, str>,
    pub(crate) result: Outcome,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Canceled,
    Errored { error: Envelope },
    Expired,
    Succeeded { message: Box<Message> },
}

impl Outcome {
    pub(crate) fn errored(refusal: &Refusal, dice: &mut Dice) -> Self {
        Self::Errored { error: refusal.envelope(dice.id("req_")) }
    }
}

pub(crate) fn lines<'a>(results: impl Iterator<Item = Line<'a>>) -> Bytes {
    let mut bytes = Vec::new();
    for line in results {
        serde_json::to_writer(&mut bytes, &line)
            .expect("our own types have string keys and finite numbers");
        bytes.push(b'\n');
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use contract::version::OperationId;
    use serde_json::json;

    use crate::answer;
    use crate::fixture::{ask, body, config, contract, get, hello, now, post};
    use crate::{
        SEEDED_BATCH_CANCELING, SEEDED_BATCH_ENDED, SEEDED_BATCH_IN_PROGRESS, SEEDED_BATCHES, State,
    };

    use super::*;

    /// Sends, checks the schema of a success, and gives the body back.
    fn check(state: &mut State, operation: OperationId, request: &Request, status: u16) -> Value {
        let reply = ask(state, request);
        let body = body(&reply);
        assert_eq!(reply.status, status, "{body:#}");
        let validators = &contract().editions[1].validators;
        if status == 200 {
            assert_eq!(
                validators.success_problems(operation, "application/json", &body),
                [],
                "{body:#}"
            );
        } else {
            assert!(validators.error_holds(&body), "{body:#}");
        }
        body
    }

    fn at(id: &str) -> String {
        format!("/v1/messages/batches/{id}")
    }

    fn check_results(state: &mut State, id: &str, expected: &[&str]) {
        let reply = ask(state, &get(&format!("{}/results", at(id))));
        assert_eq!(
            (reply.status, reply.headers.get("content-type")),
            (200, Some("application/x-jsonl"))
        );
        let validators = &contract().editions[1].validators;
        let mut kinds = Vec::new();
        for line in reply.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Value = serde_json::from_slice(line).unwrap();
            let problems = validators.success_problems(
                OperationId::BatchesResults,
                "application/x-jsonl",
                &line,
            );
            assert_eq!(problems, [], "{line:#}");
            kinds.push(line["result"]["type"].as_str().unwrap().to_owned());
        }
        assert_eq!(kinds, expected, "{id}");
    }

    fn create(state: &mut State) -> String {
        let mut broken = hello();
        broken["messages"] = json!("no list");
        let requests = json!([{"custom_id": "good", "params": hello()}, {"custom_id": "bad", "params": broken}]);
        let request = post("/v1/messages/batches", &json!({"requests": requests}));
        let batch = check(state, OperationId::BatchesCreate, &request, 200);
        assert_eq!(
            (&batch["processing_status"], &batch["request_counts"]["processing"]),
            (&json!("in_progress"), &json!(2))
        );
        batch["id"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_batch_runs_to_its_end() {
        use OperationId::*;
        let state = &mut State::new();
        let id = create(state);
        let delete = Request { method: "DELETE".into(), ..get(&at(&id)) };
        check(state, BatchesDelete, &delete, 400);
        check(state, BatchesResults, &get(&format!("{}/results", at(&id))), 400);
        assert_eq!(
            check(state, BatchesGet, &get(&at(&id)), 200)["processing_status"],
            "in_progress"
        );
        let ended = check(state, BatchesGet, &get(&at(&id)), 200);
        assert_eq!(
            (&ended["request_counts"]["succeeded"], &ended["request_counts"]["errored"]),
            (&json!(1), &json!(1))
        );
        // Not in the order of the request.
        check_results(state, &id, &["errored", "succeeded"]);
        let cancel = post(&format!("{}/cancel", at(&id)), &Value::Null);
        assert_eq!(check(state, BatchesCancel, &cancel, 200)["processing_status"], "ended");
        check(state, BatchesDelete, &delete, 200);
        check(state, BatchesGet, &get(&at(&id)), 404);
    }

    #[test]
    fn a_cancelled_batch_ends_without_answers() {
        let state = &mut State::new();
        let id = create(state);
        let cancel = post(&format!("{}/cancel", at(&id)), &Value::Null);
        assert_eq!(
            check(state, OperationId::BatchesCancel, &cancel, 200)["processing_status"],
            "canceling"
        );
        assert_eq!(
            check(state, OperationId::BatchesGet, &get(&at(&id)), 200)["request_counts"]["canceled"],
            2
        );
        check_results(state, &id, &["canceled", "canceled"]);
    }

    #[test]
    fn a_batch_cancelled_halfway_has_both() {
        let state = &mut State::new();
        let id = create(state);
        check(state, OperationId::BatchesGet, &get(&at(&id)), 200);
        let cancel = post(&format!("{}/cancel", at(&id)), &Value::Null);
        check(state, OperationId::BatchesCancel, &cancel, 200);
        let ended = check(state, OperationId::BatchesGet, &get(&at(&id)), 200);
        let counts = &ended["request_counts"];
        assert_eq!((&counts["succeeded"], &counts["canceled"]), (&json!(1), &json!(1)));
        check_results(state, &id, &["canceled", "succeeded"]);
    }

    #[test]
    fn time_ends_a_batch_and_takes_its_results() {
        let state = &mut State::new();
        let id = create(state);
        check(state, OperationId::BatchesGet, &get(&at(&id)), 200);
        let mut later = |hours: u64, target: &str| {
            let now = now().plus_hours(hours);
            let reply = answer(state, contract(), &config(), &get(target), now).into_reply();
            (reply.status, body(&reply))
        };
        let (_, page) = later(23, "/v1/messages/batches?limit=1");
        assert_eq!(page["data"][0]["processing_status"], "in_progress");
        let (_, page) = later(24, "/v1/messages/batches?limit=1");
        let ended = &page["data"][0];
        assert_eq!(
            (&ended["ended_at"], &ended["request_counts"]["expired"]),
            (&ended["expires_at"], &json!(1))
        );
        assert_eq!(later(29 * 24 - 1, &at(&id)).1["archived_at"], Value::Null);
        let (_, archived) = later(29 * 24, &at(&id));
        assert_eq!(
            (&archived["archived_at"].is_string(), &archived["results_url"]),
            (&true, &Value::Null)
        );
        let (status, refused) = later(29 * 24, &format!("{}/results", at(&id)));
        assert_eq!((status, &refused["error"]["type"]), (404, &json!("not_found_error")));
    }

    #[test]
    fn no_result_stays_in_its_place() {
        for count in 0..9 {
            let places: Vec<_> = shuffled(count, 1, "msgbatch_01").collect();
            let mut sorted = places.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..count).collect::<Vec<_>>());
            assert!(count < 2 || places.iter().enumerate().all(|(at, place)| at != *place));
        }
    }

    #[test]
    fn the_same_batch_twice_is_two() {
        let state = &mut State::new();
        assert_ne!(create(state), create(state));
    }

    #[test]
    fn seeded_batches_do_not_change() {
        use OperationId::*;
        let state = &mut State::new();
        let list = get("/v1/messages/batches?limit=3");
        let before = check(state, BatchesList, &list, 200);
        for (id, status, deleted) in [
            (SEEDED_BATCH_IN_PROGRESS, "in_progress", 400),
            (SEEDED_BATCH_CANCELING, "canceling", 400),
            (SEEDED_BATCH_ENDED, "ended", 200),
        ] {
            let delete = Request { method: "DELETE".into(), ..get(&at(id)) };
            check(state, BatchesDelete, &delete, deleted);
            let cancelled = check(
                state,
                BatchesCancel,
                &post(&format!("{}/cancel", at(id)), &Value::Null),
                200,
            );
            assert_ne!(cancelled["processing_status"], "in_progress");
            assert_eq!(check(state, BatchesGet, &get(&at(id)), 200)["processing_status"], status);
        }
        assert_eq!(check(state, BatchesList, &list, 200), before);
        check_results(state, SEEDED_BATCH_ENDED, &["succeeded", "errored", "canceled", "expired"]);
        check(state, BatchesResults, &get(&format!("{}/results", at(SEEDED_BATCH_CANCELING))), 400);
    }

    #[test]
    fn a_list_shows_created_batches_before_the_seeded_ones() {
        let state = &mut State::new();
        let rest = get(&format!("/v1/messages/batches?limit=2&after_id={}", SEEDED_BATCHES[1]));
        let before = check(state, OperationId::BatchesList, &rest, 200);
        let id = create(state);
        let page = check(state, OperationId::BatchesList, &get("/v1/messages/batches"), 200);
        let ids: Vec<_> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|batch| batch["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, [&[&*id], &SEEDED_BATCHES[..]].concat());
        assert_eq!(check(state, OperationId::BatchesList, &rest, 200), before);
        check(state, OperationId::BatchesGet, &get(&at("msgbatch_01nobody")), 404);
    }

    /// Asks a batch that has ended under that name of the host.
    fn check_results_url(host: Option<&'static str>, expected: &str) {
        let mut request = get(&at(SEEDED_BATCH_ENDED));
        request.headers.remove("host");
        if let Some(host) = host {
            request.headers.push("host", host);
        }
        let batch = check(&mut State::new(), OperationId::BatchesGet, &request, 200);
        let path = format!("{}/results", at(SEEDED_BATCH_ENDED));
        assert_eq!(batch["results_url"], json!(format!("{expected}{path}")));
    }

    #[test]
    fn results_are_where_the_client_asked() {
        check_results_url(Some("127.0.0.1:8080"), "http://127.0.0.1:8080");
        check_results_url(Some("[::1]:8080"), "http://[::1]:8080");
        check_results_url(Some("[::1]"), "http://[::1]");
        check_results_url(Some("localhost"), "http://localhost");
        check_results_url(Some("LocalHost:8080"), "http://LocalHost:8080");
        for other in [
            "api.anthropic.com",
            "example.invalid:8080",
            "10.0.0.1:8080",
            "[2001:db8::1]:8080",
            "127.0.0.1.example.invalid",
            "user@127.0.0.1:8080",
            "localhost:+80",
            "localhost:80/path",
            "",
        ] {
            check_results_url(Some(other), "");
        }
        check_results_url(None, "");
    }

    #[test]
    fn the_list_of_items_itself_is_judged_at_once() {
        let state = &mut State::new();
        let twice = json!({"requests": [{"custom_id": "a b", "params": hello()}]});
        let refused =
            check(state, OperationId::BatchesCreate, &post("/v1/messages/batches", &twice), 400);
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("requests.0.custom_id: String should match pattern"),
            "{message}"
        );
    }
}
