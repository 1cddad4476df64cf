//! What is tried before a run: the alarm, and whether anybody is there.

use std::time::Instant;

use classify::http::KEY_PLACEHOLDER;
use classify::{Body, Class, CutKind, Headers, Observation, Request, classify};
use contract::corpus;
use contract::judge::{Verdict, judge};
use wire::send::{Connections, send};
use wire::target::Target;

use super::{Order, Watch, sender};
use crate::exit::{Exit, Stop};

/// A run whose alarm does not go off says nothing.
pub(super) async fn check_alarm(
    order: &Order<'_>,
    mock: &Target,
    watch: &mut dyn Watch,
) -> Result<(), Stop> {
    let started = Instant::now();
    let contract = &order.specs.contract;
    let case = corpus::canary(contract);
    let observation = send(&sender(mock, Connections::Fresh), &case.request).await;
    let record = judge(contract, &case, &observation);
    if record.verdict != Verdict::Drift {
        let reason = format!(
            "the canary must be reported as drift and was judged {}: no verdict of this run can be trusted",
            record.verdict.name()
        );
        return Err(Stop::new(Exit::Internal, reason));
    }
    watch.passed("canary", "reported as drift, as it must be", started.elapsed());
    Ok(())
}

/// One request, so that a wrong port is said once and not ten thousand times.
pub(super) async fn check_reachable(target: &Target, is_live: bool) -> Result<(), Stop> {
    let mut headers = Headers::default();
    headers.push("x-api-key", KEY_PLACEHOLDER);
    let request =
        Request { method: "GET".into(), target: "/v1/models".into(), headers, body: Body::Empty };
    let observation = send(&sender(target, Connections::Fresh), &request).await;
    let why = match (classify(&observation), &observation) {
        (_, Observation::Unsendable(why)) => why,
        (Class::Unreachable(CutKind::Refused), _) => "nobody listens there",
        (Class::Unreachable(CutKind::TimedOut), Observation::Cut(cut)) if cut.partial.is_none() => {
            "it does not answer"
        }
        (Class::Unreachable(CutKind::BadFraming), _) => "what answers there does not speak HTTP",
        // A run without its key would be a run of refusals, and a live one should not start.
        (Class::Unauthorized, _) if is_live => "it refuses the key",
        _ => return Ok(()),
    };
    Err(Stop::new(Exit::NotChecked, format!("could not reach {}: {why}", target.base_url())))
}
