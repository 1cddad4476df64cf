//! Judges an item: the request by the schema and the rules, the answer by its class and the rules for answers, and
//! the two by each other.
//!
//! A body without a head is judged under the head that suits it best: the newest version it keeps, and with beta
//! features where it needs them. The price is that a mistake which another version would forgive is not seen. Nothing is
//! said about what a file cannot show: whether a key is right, a batch exists, or a signature is the API's own.

mod answer;
mod request;

use std::borrow::Cow;

use classify::stream::TraceLine;
use classify::{Class, Request};
use contract::judge::Blame;
use contract::lint::{self, Advice};
use contract::rules;
use contract::spec::Contract;
use contract::version::{OperationId, Version};
use mock::{Now, State};
use serde_json::Value;
use wildmatch::WildMatch;
use wire::record::secrets::Secrets;

use self::request::{Told, heads, is_of_head, version_of, violations, without_unlisted};
use super::item::{Answered, Asked, Head, Item, Place};
use super::locate::{self, Spot};
use super::shape::{self, Shape};
use super::{route, unpack};

/// What no file can show.
const UNKNOWABLE: [&str; 6] = [
    "batch-not-ended",
    "batch-unknown",
    "bearer-invalid",
    "credential-invalid",
    "redacted-thinking-forged",
    "thinking-signature-forged",
];

const NEWEST: Version = Version::ALL[Version::ALL.len() - 1];

/// What is wrong with an answer that breaks no rule, and yet is none that is permitted.
pub(super) const ANSWER_CLASS: &str = "answer-class";

/// Enough to mend a request or an answer by.
const FAULTS_MAX: usize = 50;

/// Everything a judgement looks at.
pub(super) struct Bench<'a> {
    pub(super) contract: &'a Contract,
    pub(super) state: State,
    pub(super) now: Now,
    pub(super) version: Option<Version>,
    pub(super) ignored: Vec<WildMatch>,
}

/// An item, judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) place: Place,
    pub(super) has_request: bool,
    pub(super) operation: Option<OperationId>,
    pub(super) version: Version,
    pub(super) model: Option<String>,
    pub(super) class: Option<Class>,
    pub(super) status: Option<u16>,
    pub(super) faults: Vec<Fault>,
    pub(super) advice: Vec<Advice>,
    pub(super) notes: Vec<Cow<'static, str>>,
    /// Whether it names a beta that is not known here, of which nobody can say whether the API takes it.
    has_unlisted: bool,
    /// Of the content, so that the item is known again in the next run.
    pub(super) digest: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) rule: &'static str,
    pub(super) blame: Blame,
    /// Into the request for those of the client, else into the answer.
    pub(super) pointer: String,
    pub(super) message: String,
    pub(super) spot: Option<Spot>,
    /// The events around it, where it is about a stream.
    pub(super) trace: Vec<TraceLine>,
}

/// Judges one item.
pub(super) fn judge(bench: &Bench<'_>, item: &Item) -> Judged {
    let secrets = item.asked.as_ref().map(|asked| &asked.request);
    let secrets =
        secrets.map(|request| Secrets::of(&request.headers, &request.target)).unwrap_or_default();
    let reply = item.answered.as_ref().and_then(Answered::reply);
    let secrets = match reply {
        Some(reply) => secrets.and(&reply.headers, ""),
        None => secrets,
    };
    let answered = item.answered.as_ref().map(unpack::answer);
    let (answered, packed) = match &answered {
        Some(Ok(answered)) => (Some(answered), None),
        Some(Err(note)) => (None, Some(*note)),
        None => (None, None),
    };
    let value = answered.and_then(Answered::reply).and_then(|reply| parsed(&reply.body));
    let operation = match (&item.asked, item.about) {
        (Some(asked), _) => operation_of(asked),
        (None, Some((_, operation))) => Some(operation),
        (None, None) => {
            value.as_ref().map(shape::operation_of).or(Some(OperationId::MessagesCreate))
        }
    };
    let asked_for = item.about.map(|(version, _)| version);
    let version = bench.version.or(asked_for).unwrap_or(NEWEST);
    let mut judged = Judged {
        place: item.place.clone(),
        has_request: item.asked.is_some(),
        operation,
        version,
        model: None,
        class: None,
        status: answered.and_then(|answered| answered.observation.status()),
        faults: Vec::new(),
        advice: Vec::new(),
        notes: item.notes.iter().copied().chain(packed).map(Cow::from).collect(),
        has_unlisted: false,
        digest: super::ledger::digest(item.asked.as_ref(), item.answered.as_ref()),
    };
    let request = item.asked.as_ref().map(|asked| judge_request(bench, asked, item, &mut judged));
    if let Some(answered) = answered {
        answer::judge(bench, answered, value.as_ref(), request.as_ref(), item, &mut judged);
    }
    judged.faults.retain(|fault| !bench.ignored.iter().any(|glob| glob.matches(fault.rule)));
    judged.faults.truncate(FAULTS_MAX);
    judged.model = judged.model.map(|model| secrets.scrub(&model));
    for note in &mut judged.notes {
        *note = secrets.scrub(note).into();
    }
    for fault in &mut judged.faults {
        fault.message = secrets.scrub(&fault.message);
        fault.pointer = secrets.scrub(&fault.pointer);
        for line in &mut fault.trace {
            line.data_excerpt = secrets.scrub(&line.data_excerpt);
        }
        if let Some(spot) = &mut fault.spot {
            spot.excerpt = String::from_utf8_lossy(&secrets.mask(spot.excerpt.as_bytes())).into();
        }
    }
    judged
}

fn operation_of(asked: &Asked) -> Option<OperationId> {
    match asked.shape {
        Shape::Whole => route::operation(&asked.request),
        Shape::Message => Some(OperationId::MessagesCreate),
        Shape::Count => Some(OperationId::MessagesCountTokens),
        Shape::Batch | Shape::BatchItem => Some(OperationId::BatchesCreate),
    }
}

/// Notes what is wrong with the request, and returns it with the head it was judged under.
fn judge_request(bench: &Bench<'_>, asked: &Asked, item: &Item, judged: &mut Judged) -> Request {
    let bare = Bare::of(asked);
    let heads = heads(bench, asked, judged.operation);
    let mut best: Option<(Request, Vec<Told>)> = None;
    for mut request in heads {
        for beta in without_unlisted(&mut request) {
            let note = format!(
                "the beta `{beta}` is not known here: whether the API takes it is left open"
            );
            judged.notes.push(note.into());
            judged.has_unlisted = true;
        }
        let told = violations(bench, asked, &request);
        let is_better = best.as_ref().is_none_or(|(_, before)| told.len() < before.len());
        let is_clean = told.is_empty();
        if is_better {
            best = Some((request, told));
        }
        if is_clean {
            break;
        }
    }
    let (request, told) = best.expect("there is one head at least");
    judged.version = version_of(&request);
    let body = bare.value(&request);
    for told in told {
        // A header has no pointer.
        let in_body = body.as_ref().filter(|_| !is_of_head(told.rule));
        let pointer = in_body.map(|body| locate::pointer(body, &told.path));
        let decided_by_shell = is_variable(asked, &told, body.as_ref(), pointer.as_deref());
        if UNKNOWABLE.contains(&told.rule) || decided_by_shell {
            continue;
        }
        let pointer = pointer.map(|pointer| bare.of_item(&pointer)).unwrap_or_default();
        let spot = item.source.as_ref().filter(|_| asked.head == Head::None).and_then(|source| {
            place_in_message(source, &told.message).or_else(|| locate::spot(source, &pointer))
        });
        let message = match told.path.is_empty() || !pointer.is_empty() {
            true => told.message,
            false => format!("{}: {}", told.path, told.message),
        };
        let (rule, blame, trace) = (told.rule, Blame::Client, Vec::new());
        judged.faults.push(Fault { rule, blame, pointer, message, spot, trace });
    }
    if let Some(model) = body.as_ref().and_then(|body| body.get("model")?.as_str()) {
        let is_variable = asked.variables.iter().any(|variable| model.contains(variable));
        if !is_variable {
            judged.advice = lint::model(&bench.contract.models, model, &bench.now.date());
        }
        judged.model = Some(model.to_owned());
    }
    request
}

/// How the body in hand and the one that was judged differ.
struct Bare {
    is_item: bool,
}

impl Bare {
    fn of(asked: &Asked) -> Self {
        Self { is_item: asked.shape == Shape::BatchItem }
    }

    fn value(&self, request: &Request) -> Option<Value> {
        rules::parse_body(request).ok()
    }

    /// The pointer into what stands in the file.
    fn of_item(&self, pointer: &str) -> String {
        match self.is_item {
            true => pointer.strip_prefix("/requests/0").unwrap_or(pointer).to_owned(),
            false => pointer.to_owned(),
        }
    }
}

/// Whether what was told hangs on a word that a shell would have replaced.
fn is_variable(asked: &Asked, told: &Told, body: Option<&Value>, pointer: Option<&str>) -> bool {
    let value = body.zip(pointer).and_then(|(body, pointer)| body.pointer(pointer));
    let text = value.filter(|value| value.is_string()).map(ToString::to_string);
    // Of pictures and documents the API does not say which one it is about.
    let is_of_data = ["image-", "pdf-"].iter().any(|kind| told.rule.starts_with(kind));
    let data = body.filter(|_| is_of_data && told.path.is_empty()).map(ToString::to_string);
    asked.variables.iter().any(|variable| {
        told.message.contains(variable)
            || text.as_ref().is_some_and(|text| text.contains(variable))
            || told.path.contains(variable)
            || data.as_ref().is_some_and(|data| data.contains(&format!("\"data\":\"{variable}")))
    }) || body.is_none()
        && !asked.variables.is_empty()
        && told.path.is_empty()
        && told.rule.starts_with("body-")
}

/// Of what is no JSON, the message says the place itself.
fn place_in_message(source: &super::item::Source, message: &str) -> Option<Spot> {
    let (_, place) = message.rsplit_once(": line ")?;
    let (line, rest) = place.split_once(" column ")?;
    let column: usize = rest.split(' ').next()?.parse().ok()?;
    let line: usize = line.parse().ok()?;
    let before: usize =
        source.text.split(|byte| *byte == b'\n').take(line - 1).map(|l| l.len() + 1).sum();
    let rest = String::from_utf8_lossy(source.text.get(before..)?);
    let within: usize = rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    Some(locate::spot_at(source, before + within))
}

fn parsed(body: &[u8]) -> Option<Value> {
    let first = body.split(|byte| *byte == b'\n').find(|line| !line.is_empty())?;
    serde_json::from_slice(body).or_else(|_| serde_json::from_slice(first)).ok()
}
