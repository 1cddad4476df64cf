//! The scripted answers: each file of `specs/replies` goes over the wire, and must get the class typed in it by hand.
//!
//! Here it is the reader that is tried and not a server: the sender must hand on what arrived, and the classifier must
//! name it. What a corpus against the mock can never show (edge pages, cut streams, limits) is shown here.

use std::borrow::Cow;
use std::fmt::Write as _;

use classify::http::KEY_PLACEHOLDER;
use classify::{Body, Headers, Observation, Request, Script, classify};
use contract::case::CaseId;
use contract::expect::Expectation;
use contract::judge::{Blame, Finding, Record, Verdict};
use contract::version::{OperationId, Version};
use wire::script;
use wire::send::{Connections, Sender, send};
use wire::target::{Key, Target};

use crate::embedded::KEY;

/// Scripts are short and local; past this the server has stalled.
const DEADLINE_MS: u64 = 5_000;

/// Plays one script to the ordinary sender, and judges the class.
pub async fn play(script: &Script) -> Record {
    let observation = match observe(script).await {
        Ok(observation) => observation,
        Err(error) => Observation::Unsendable(format!("no server for the script: {error}")),
    };
    let class = classify(&observation);
    let (verdict, findings) = match &observation {
        Observation::Unsendable(why) => (
            Verdict::Inconclusive,
            vec![Finding::new("unsendable", "", Blame::Harness, why.clone())],
        ),
        _ if class == script.class => (Verdict::Agree, Vec::new()),
        _ => {
            let trace = format!("expected {}, got {class}", script.class);
            (Verdict::Drift, vec![Finding::new("scripted-class", "", Blame::Harness, trace)])
        }
    };
    let version = Version::ALL[Version::ALL.len() - 1];
    let operation = OperationId::parse(&script.operation).unwrap_or(OperationId::MessagesCreate);
    Record {
        id: CaseId(format!("{version}/{operation}/scripted/{}", script.name)),
        version,
        operation,
        origin: "scripted",
        family: "scripted",
        rule: Cow::Owned(script.name.clone()),
        at: Cow::Borrowed(""),
        expected: Expectation {
            classes: Cow::Owned(vec![script.class]),
            status: None,
            error_type: None,
            error_code: None,
            question: None,
        },
        class,
        status: observation.status(),
        error_type: None,
        error_code: None,
        verdict,
        findings,
    }
}

/// The ledger of these records: one line for each script.
pub fn ledger(records: &[Record]) -> String {
    let agree = records.iter().filter(|record| record.verdict == Verdict::Agree).count();
    let mut text = format!(
        "scripted answers\ncases {} · agree {agree} · drift {}\n\n",
        records.len(),
        records.len() - agree
    );
    let width = records.iter().map(|record| record.rule.len()).max().unwrap_or(0);
    for record in records {
        let status = record.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let (name, class, verdict) = (&record.rule, record.class, record.verdict.name());
        let _ = writeln!(text, "{name:width$}  {class} {status}  {verdict}");
    }
    text
}

async fn observe(script: &Script) -> Result<Observation, String> {
    let server = script::serve(vec![script.clone()]).await.map_err(|error| error.to_string())?;
    let target = Target::local(server.address, Key::new(KEY.to_owned()))
        .map_err(|error| error.to_string())?;
    let sender = Sender::new(target, Connections::Fresh, DEADLINE_MS);
    Ok(send(&sender, &request(script)).await)
}

/// Any plain request does: a script is played whatever is asked.
fn request(script: &Script) -> Request {
    let mut headers = Headers::default();
    headers.push("x-api-key", KEY_PLACEHOLDER);
    headers.push("content-type", "application/json");
    let body = format!("{{\"stream\":{}}}", script.stream);
    Request {
        method: "POST".into(),
        target: "/v1/messages".into(),
        headers,
        body: Body::Bytes(body.into()),
    }
}
