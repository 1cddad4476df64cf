//! Makes a request smaller without losing what it shows: the search behind `probity shrink`, without the asking.
//!
//! [`Search`] proposes a smaller request, is told whether that one still shows the thing, and proposes the next; so it
//! can be tried on a function, on a mock, or on a server that takes a second for each. What is kept is smaller than
//! what was kept before (in bytes, then in the order of its bytes), so the search ends. When it is done, no single
//! reduction keeps the thing: a local minimum. Two reductions that only work together are not looked for, with two
//! exceptions that conversations need: neighbours in a list go together, and so do all copies of a text.

mod candidates;
mod reduction;

use std::collections::BTreeSet;

use bytes::Bytes;
use classify::{Body, Request};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use candidates::{candidates, of_bytes};
pub use reduction::{Edit, Reduction};

/// A search under way.
pub struct Search {
    best: Request,
    form: Form,
    steps: Vec<Step>,
    /// The step to try next; the steps are gone through round and round.
    at: usize,
    /// Steps in a row that led nowhere. When they are all of them, the search is over.
    in_vain: usize,
    tried: BTreeSet<Digest128>,
    proposed: Option<Request>,
}

/// How the body is taken apart.
enum Form {
    /// It is JSON, and it is not known yet whether it may be written anew: what it shows may be in how it is written.
    Unsettled(Value),
    Json(Value),
    Bytes,
}

/// One way to make a request smaller.
#[derive(Clone, Debug)]
enum Step {
    NoBody,
    Body(Reduction),
    /// Keeps what lies outside.
    BodyWithout(std::ops::Range<usize>),
    Header(usize),
    /// Halves the value of a header.
    HeaderValue(usize),
    /// Drops the n-th member of the query.
    Query(usize),
}

/// Half of a digest: chance makes no two of them alike.
type Digest128 = [u8; 16];

impl Search {
    pub fn new(start: Request) -> Self {
        let form = match (&start.body, serde_json::from_slice(&start.body.to_bytes())) {
            (Body::Empty, _) | (_, Err(_)) => Form::Bytes,
            (_, Ok(value)) => Form::Unsettled(value),
        };
        let mut search = Self {
            best: start,
            form,
            steps: Vec::new(),
            at: 0,
            in_vain: 0,
            tried: BTreeSet::new(),
            proposed: None,
        };
        search.settle_form();
        search.steps = search.list();
        search
    }

    /// The smallest request so far.
    pub fn best(&self) -> &Request {
        &self.best
    }

    /// The next request to try; none when there is nothing smaller left. Answer with [`Search::settle`].
    pub fn propose(&mut self) -> Option<Request> {
        if let Form::Unsettled(value) = &self.form {
            let written = Body::Bytes(value.to_string().into());
            let request = Request { body: written, ..self.best.clone() };
            self.proposed = Some(request.clone());
            return Some(request);
        }
        // Ends: each round tries one more step in vain.
        while self.in_vain < self.steps.len() {
            let at = self.at % self.steps.len();
            let made = self.apply(&self.steps[at]).filter(|made| is_smaller(made, &self.best));
            self.at = at + 1;
            self.in_vain += 1;
            let Some(made) = made else { continue };
            if self.tried.insert(digest(&made)) {
                self.proposed = Some(made.clone());
                return Some(made);
            }
        }
        None
    }

    /// Takes the answer: whether the request that was proposed last still shows the thing.
    pub fn settle(&mut self, is_kept: bool) {
        let Some(proposed) = self.proposed.take() else { return };
        let form = std::mem::replace(&mut self.form, Form::Bytes);
        self.form = match form {
            Form::Unsettled(_) if !is_kept => Form::Bytes,
            Form::Json(value) if !is_kept => Form::Json(value),
            Form::Bytes => Form::Bytes,
            // It was written by us a moment ago.
            Form::Unsettled(_) | Form::Json(_) => {
                serde_json::from_slice(&proposed.body.to_bytes()).map_or(Form::Bytes, Form::Json)
            }
        };
        if is_kept {
            self.best = proposed;
            self.in_vain = 0;
            // What stood behind the part that is gone has moved up to its place.
            self.at = self.at.saturating_sub(1);
        }
        if is_kept || self.steps.is_empty() {
            self.steps = self.list();
        }
    }

    /// A body that reads the same when it is written anew needs no trial, and one that gets longer is left as it is.
    fn settle_form(&mut self) {
        let Form::Unsettled(value) = &self.form else { return };
        let (written, length) = (value.to_string(), self.best.body.len());
        if written.len() as u64 == length && self.best.body.to_bytes() == written {
            self.form = Form::Json(value.clone());
        } else if length < written.len() as u64 {
            self.form = Form::Bytes;
        }
    }

    fn list(&self) -> Vec<Step> {
        let body: Vec<_> = match &self.form {
            Form::Unsettled(_) => return Vec::new(),
            Form::Json(value) => candidates(value).map(Step::Body).collect(),
            Form::Bytes => of_bytes(length(&self.best)).map(Step::BodyWithout).collect(),
        };
        let headers = self.best.headers.iter().enumerate();
        let headers = headers.flat_map(|(at, _)| [Step::Header(at), Step::HeaderValue(at)]);
        let members = match self.best.query() {
            "" => 0,
            query => query.split('&').count(),
        };
        let body = std::iter::once(Step::NoBody).chain(body);
        body.chain((0..members).map(Step::Query)).chain(headers).collect()
    }

    fn apply(&self, step: &Step) -> Option<Request> {
        let mut request = self.best.clone();
        match step {
            Step::NoBody => request.body = Body::Empty,
            Step::Body(reduction) => {
                let Form::Json(value) = &self.form else { return None };
                request.body = Body::Bytes(reduction.apply(value)?.to_string().into());
            }
            Step::BodyWithout(range) => {
                let bytes = request.body.to_bytes();
                let rest: Bytes =
                    [bytes.get(..range.start)?, bytes.get(range.end..)?].concat().into();
                request.body = if rest.is_empty() { Body::Empty } else { Body::Bytes(rest) };
            }
            Step::Header(at) => {
                (*at < request.headers.0.len()).then(|| request.headers.0.remove(*at))?;
            }
            Step::HeaderValue(at) => {
                let (_, value) = request.headers.0.get_mut(*at)?;
                let half = value[..value.floor_char_boundary(value.len() / 2)].to_owned();
                *value = half.into();
            }
            Step::Query(at) => request.target = without_member(&request, *at)?.into(),
        }
        Some(request)
    }
}

fn without_member(request: &Request, at: usize) -> Option<String> {
    let mut members: Vec<_> = request.query().split('&').collect();
    (at < members.len()).then(|| members.remove(at))?;
    let path = request.path();
    Some(if members.is_empty() { path.to_owned() } else { format!("{path}?{}", members.join("&")) })
}

fn length(request: &Request) -> usize {
    usize::try_from(request.body.len()).unwrap_or(usize::MAX)
}

/// The bytes that somebody reads.
fn weight(request: &Request) -> u64 {
    let headers = request.headers.iter().map(|(name, value)| name.len() + value.len());
    (request.target.len() + headers.sum::<usize>()) as u64 + request.body.len()
}

/// Shorter, or as long and earlier in the alphabet: every descent in this order ends.
fn is_smaller(one: &Request, other: &Request) -> bool {
    let (left, right) = (weight(one), weight(other));
    left < right || left == right && one.body.to_bytes() < other.body.to_bytes()
}

fn digest(request: &Request) -> Digest128 {
    let mut hasher = Sha256::new();
    // A zero byte stands in no name and in no target; where one ends is told apart by it.
    let mut add = |part: &[u8]| {
        hasher.update(part);
        hasher.update([0]);
    };
    add(request.method.as_bytes());
    add(request.target.as_bytes());
    for (name, value) in request.headers.iter() {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    request.body.pieces().for_each(|piece| hasher.update(piece));
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize()[..16]);
    half
}
