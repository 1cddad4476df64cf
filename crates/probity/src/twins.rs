//! The same request with and without `stream` says the same, on a target that is of one mind.
//!
//! Whether a target is can only be tried: where a stream and a plain answer differ, both are asked for once more, and
//! what is not said twice alike is no evidence. The second plain request says `stream: false` where the first says
//! nothing, which means the same; a target whose answers hang on the letter of a request is found out, too. The price
//! is that a model which varies its words is not comparable, and that is said in place of a verdict.

use classify::fold::{Difference, FoldError, differences, fold};
use classify::{Body, Class, Observation, Request, classify};
use contract::case::{Case, CaseId, Origin};
use contract::judge::{Blame, Finding};
use contract::level::Level;
use contract::version::OperationId;
use serde_json::Value;
use wire::send::{Sender, send};

/// The code of what is found here.
pub const RULE: &str = "stream/fold-differs";

/// What it demands.
pub const SENTENCE: &str = "A stream tells the message that the same request gets without `stream`. Only what is new \
    each time may differ: ids, signatures and other encrypted parts, times, and what the cache did to the counts of \
    input tokens. It is tried on targets that give two requests alike the same answer.";

/// What to do about it.
pub const REMEDY: &str = "Make the events from the finished message, or fold your own events in a test and compare \
    them with the plain answer; the finding names the first member that differs.";

/// Enough to meet every kind of block and ending, and at two to four requests each no burden on a target.
pub const CASES_MAX: usize = 24;

/// So many without one to compare, and the target is not going to say anything twice.
const FICKLE_MAX: usize = 3;

/// What came of comparing.
#[derive(Clone, Debug, Default)]
pub struct Twins {
    /// Cases whose stream and plain answer could be compared.
    pub compared: usize,
    /// At most one for each of them: the first difference is told, the others are counted.
    pub findings: Vec<(CaseId, Finding)>,
    /// Why nothing is known, or not of all.
    pub not_comparable: Option<String>,
}

/// What came of one case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Compared {
    Alike,
    Differs(Finding),
    /// The target does not say the same twice.
    Fickle,
    /// One of the answers is no message.
    Silent(String),
}

/// Whether the case has a twin.
pub fn has_twin(case: &Case) -> bool {
    case.operation == OperationId::MessagesCreate
        && case.traits.stream
        && matches!(case.origin, Origin::Valid)
}

/// Goes through those of the cases that have a twin, one after the other; at most [`CASES_MAX`]. `compared` says what
/// comes of each, by [`compare`] or as it was; what it does not know is left out. Hand in cases that the target
/// accepts: a refusal of either twin is not judged here.
pub async fn check<'c>(
    cases: impl Iterator<Item = &'c Case>,
    mut compared: impl AsyncFnMut(&'c Case) -> Option<Compared>,
) -> Twins {
    let mut twins = Twins::default();
    let (mut fickle, mut silent, mut why_silent) = (0, 0, String::new());
    for case in cases.filter(|case| has_twin(case)).take(CASES_MAX) {
        match compared(case).await {
            Some(Compared::Alike) => twins.compared += 1,
            Some(Compared::Differs(finding)) => {
                twins.compared += 1;
                twins.findings.push((case.id.clone(), finding));
            }
            Some(Compared::Fickle) => fickle += 1,
            Some(Compared::Silent(why)) => {
                silent += 1;
                why_silent = why;
            }
            None => {}
        }
        if FICKLE_MAX <= fickle && twins.compared == 0 {
            break;
        }
    }
    twins.not_comparable = match (twins.compared, fickle, silent) {
        (0, 0, 0) => Some("no case streams".to_owned()),
        (0, 0, _) => Some(format!("no case was answered both ways: {why_silent}")),
        (_, 0, _) => None,
        (0, ..) => Some("two requests alike are answered in two ways".to_owned()),
        (_, fickle, _) => {
            Some(format!("{fickle} of the cases: two requests alike are answered in two ways"))
        }
    };
    twins
}

/// Sends the case with and without `stream`, and once more where the two differ.
pub async fn compare(sender: &Sender, case: &Case) -> Compared {
    match compare_once(sender, case).await {
        Ok(compared) => compared,
        Err(why) => Compared::Silent(why),
    }
}

async fn compare_once(sender: &Sender, case: &Case) -> Result<Compared, String> {
    let [streaming, plain, plain_again] = requests(case).ok_or("its body is no JSON object")?;
    let told = told(&send(sender, &streaming).await)?;
    let said = said(&send(sender, &plain).await)?;
    let found = differences(&told, &said);
    let Some(finding) = finding(&found) else { return Ok(Compared::Alike) };
    let told_again = self::told(&send(sender, &streaming).await)?;
    let said_again = self::said(&send(sender, &plain_again).await)?;
    let is_fickle =
        !differences(&told, &told_again).is_empty() || !differences(&said, &said_again).is_empty();
    Ok(if is_fickle { Compared::Fickle } else { Compared::Differs(finding) })
}

/// The request as it is, without `stream`, and with a `stream` that says no: written by one hand, so that nothing but
/// the member differs.
fn requests(case: &Case) -> Option<[Request; 3]> {
    let params: Value = serde_json::from_slice(&case.request.body.to_bytes()).ok()?;
    let with = |stream: Option<bool>| {
        let mut params = params.as_object()?.clone();
        match stream {
            Some(stream) => drop(params.insert("stream".to_owned(), stream.into())),
            None => drop(params.remove("stream")),
        }
        let body = Body::Bytes(Value::Object(params).to_string().into());
        Some(Request { body, ..case.request.clone() })
    };
    Some([with(Some(true))?, with(None)?, with(Some(false))?])
}

/// The message that a stream tells.
fn told(observation: &Observation) -> Result<Value, String> {
    match (observation, classify(observation)) {
        (Observation::Reply(reply), Class::Streamed) => fold(&reply.body)
            .map_err(|error: FoldError| format!("the stream has no message: {error}")),
        (_, class) => Err(format!("the stream: {class}")),
    }
}

/// The message of a plain answer.
fn said(observation: &Observation) -> Result<Value, String> {
    match (observation, classify(observation)) {
        (Observation::Reply(reply), Class::Accepted) => serde_json::from_slice(&reply.body)
            .map_err(|error| format!("the plain answer is not JSON: {error}")),
        (_, class) => Err(format!("the plain answer: {class}")),
    }
}

/// The first of the weightiest, and how many more there are.
fn finding(found: &[Difference]) -> Option<Finding> {
    let told = |difference: &Difference| {
        let blank = if ends_blank(difference) { BLANK } else { "" };
        differs(difference.pointer.clone(), format!("{blank}{difference}"))
    };
    let mut finding = found.iter().map(told).min_by_key(|finding| finding.level)?;
    if let more @ 1.. = found.len() - 1 {
        finding.trace = format!("{} (and {more} more)", finding.trace).into();
    }
    Some(finding)
}

/// The finding of that place and trace. What was counted, and white space at the end, is not what an agent reads.
pub fn differs(pointer: String, trace: String) -> Finding {
    let is_light = pointer.starts_with("/usage/") || trace.starts_with(BLANK);
    let mut finding = Finding::new(RULE, pointer, Blame::Target, trace);
    if is_light {
        finding.level = finding.level.max(Level::Compatible);
    }
    finding
}

/// How the trace begins where nothing but white space at the end differs.
const BLANK: &str = "white space at the end: ";

fn ends_blank(difference: &Difference) -> bool {
    let texts = (difference.streamed.as_str(), difference.plain.as_str());
    matches!(texts, (Some(streamed), Some(plain)) if streamed.trim_end() == plain.trim_end())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, LazyLock};

    use classify::Reply;
    use contract::corpus::{self, Plan};
    use contract::version::Version;
    use mock::{Config, Now, Pace, Rules};
    use serde_json::json;
    use wire::send::Connections;
    use wire::server::{Embedded, abiding};
    use wire::target::{Key, Target};

    use super::*;
    use crate::specs::{Overrides, Specs};
    use crate::{embedded, settings};

    static SPECS: LazyLock<Specs> = LazyLock::new(|| {
        Specs::load(&Overrides::default()).unwrap_or_else(|stop| panic!("{stop:?}"))
    });

    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        let plan = Plan { seed: settings::SEED, cases_max: None, heavy: false };
        corpus::cases(&SPECS.contract, &SPECS.witnesses, plan)
            .filter(|case| {
                case.version == Version::V2026_10_21
                    && case.operation == OperationId::MessagesCreate
                    && case.origin == Origin::Valid
            })
            .take(200)
            .collect()
    });

    /// Our mock, with its answers bent: what came of it, and how often it was asked.
    fn run(bend: impl Fn(usize, String) -> String + Send + Sync + 'static) -> (Twins, usize) {
        let config =
            Config { key: None, rules: Rules::All, seed: 1, pace: Pace::Instant, limits: None };
        let now = Now::at_date(&SPECS.contract.as_of).unwrap();
        let abiding = abiding(Arc::clone(&SPECS.contract), config, now);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let brain = move |request: &Request| {
            let Reply { status, headers, body } = abiding(request);
            let body = String::from_utf8(body.to_vec()).unwrap();
            let body = bend(count.fetch_add(1, Ordering::Relaxed), body).into();
            Reply { status, headers, body }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let twins = runtime.block_on(async {
            let server = Embedded::start(Arc::new(brain)).await;
            let key = Key::new(embedded::KEY.to_owned());
            let target = Target::local(server.address(), key).unwrap();
            let sender = Sender::new(target, Connections::Kept, 10_000);
            check(CASES.iter(), async |case| Some(compare(&sender, case).await)).await
        });
        (twins, asked.load(Ordering::Relaxed))
    }

    #[test]
    fn our_own_server_is_of_one_mind() {
        let (twins, asked) = run(|_, body| body);
        assert_eq!((twins.compared, asked), (CASES_MAX, 2 * CASES_MAX));
        assert_eq!((twins.findings, twins.not_comparable), (Vec::new(), None));
    }

    #[test]
    fn a_stream_that_says_something_else_is_found() {
        let lie = |_, body: String| {
            body.replace("\"stop_reason\":\"end_turn\",", "\"stop_reason\":\"pause_turn\",")
        };
        let only_streams = move |n, body: String| {
            if body.starts_with('{') { body } else { lie(n, body) }
        };
        let (twins, _) = run(only_streams);
        assert_eq!((twins.compared, twins.not_comparable), (CASES_MAX, None));
        let (_, finding) = twins.findings.first().unwrap();
        assert_eq!((finding.rule, &*finding.pointer), (RULE, "/stop_reason"));
        assert_eq!(finding.trace, r#"streamed "pause_turn", plain "end_turn""#);
        // Whatever ends otherwise is told as it is.
        assert!(twins.findings.len() < CASES_MAX, "{}", twins.findings.len());
    }

    fn check_level(streamed: &Value, plain: &Value, expected: (&str, Level)) {
        let found = finding(&differences(streamed, plain)).unwrap();
        assert_eq!((&*found.pointer, found.level), expected);
    }

    #[test]
    fn the_weightiest_difference_is_told() {
        let message = |text: &str, reason: &str, output: u64| json!({"content": [{"text": text}], "stop_reason": reason, "usage": {"output_tokens": output}});
        let plain = message("Yes.", "end_turn", 9);
        let usage = ("/usage/output_tokens", Level::Compatible);
        check_level(&message("Yes.", "end_turn", 0), &plain, usage);
        let text = "/content/0/text";
        check_level(&message("Yes. ", "end_turn", 9), &plain, (text, Level::Compatible));
        check_level(&message("Ye", "end_turn", 9), &plain, (text, Level::AgentReady));
        let reason = ("/stop_reason", Level::AgentReady);
        check_level(&message("Yes. ", "tool_use", 0), &plain, reason);
    }

    #[test]
    fn lost_text_is_found() {
        let (twins, _) = run(|_, body| {
            if body.starts_with('{') {
                return body;
            }
            let mut events: Vec<&str> = body.split_inclusive("\n\n").collect();
            if let Some(at) = events.iter().rposition(|event| event.contains("\"text_delta\"")) {
                events.remove(at);
            }
            events.concat()
        });
        let pointers: Vec<&str> = twins.findings.iter().map(|(_, one)| &*one.pointer).collect();
        assert!(
            !pointers.is_empty() && pointers.iter().all(|at| at.ends_with("/text")),
            "{pointers:?}"
        );
    }

    #[test]
    fn a_server_of_many_minds_is_left_alone() {
        let (twins, asked) =
            run(|n, body| body.replace("\"output_tokens\":", &format!("\"output_tokens\":1{n}")));
        assert_eq!((twins.compared, twins.findings), (0, Vec::new()));
        assert_eq!(asked, 4 * FICKLE_MAX);
        let why = twins.not_comparable.unwrap();
        assert_eq!(why, "two requests alike are answered in two ways");
    }

    #[test]
    fn ids_may_differ_and_errors_are_not_judged() {
        let (twins, _) =
            run(|n, body| body.replace("\"id\":\"msg_01", &format!("\"id\":\"msg_{n}")));
        assert_eq!((twins.compared, twins.findings.len()), (CASES_MAX, 0));
        let (twins, _) = run(|_, body| body.replace("message_stop", "message_halt"));
        assert_eq!((twins.compared, twins.findings.len()), (0, 0));
        let why = twins.not_comparable.unwrap();
        assert!(why.starts_with("no case was answered both ways: the stream: "), "{why}");
    }
}
