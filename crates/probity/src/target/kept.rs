//! What of an examination stands in journals, to and fro: the words of [`wire::journal::beside`] on the one side, our
//! types on the other.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use contract::conformance::feature::Feature;
use contract::conformance::probe::Support;
use contract::conformance::profile::Profile;
use contract::judge::Finding;
use wire::journal::Judged;
use wire::journal::beside::{self, Beside, Found, ProfileFile, Said, Twin};

use super::pulse::Gone;
use super::{Facts, Plan};
use crate::exit::Stop;
use crate::merge;
use crate::twins::{self, Compared};

/// How the rules begin that compare both sides of a gateway.
const OF_GATEWAY: &str = "gateway/";

/// The line of a probe.
pub fn probe(
    plan: &Plan,
    facts: &Facts,
    probed: &[(Feature, Support)],
    upstream: Option<SocketAddr>,
    patience: Duration,
) -> Beside {
    let features = probed.iter().map(|(feature, support)| Found {
        feature: feature.name().to_owned(),
        support: support.name().to_owned(),
        words: match support {
            Support::Missing(status) => status.to_string(),
            support => support.text(),
        },
    });
    let profile = plan.profile_path.as_ref().map(|path| ProfileFile {
        path: path.display().to_string(),
        text: plan.profile_text.clone(),
    });
    Beside::Probe(Box::new(beside::Probe {
        model: facts.model.clone(),
        stands_for: facts.stands_for.clone(),
        models_served: facts.models_served.clone(),
        models_refused: facts.models_refused.clone(),
        models_listed: facts.models_listed.clone(),
        is_deterministic: facts.is_deterministic,
        checks_versions: facts.checks_versions,
        features: features.collect(),
        profile,
        upstream: upstream.map(|address| address.to_string()),
        patience_ms: u64::try_from(patience.as_millis()).ok(),
    }))
}

/// What was found then.
pub fn found(kept: &beside::Probe) -> Result<(Facts, Vec<(Feature, Support)>), String> {
    let facts = Facts {
        models_served: kept.models_served.clone(),
        models_refused: kept.models_refused.clone(),
        models_listed: kept.models_listed.clone(),
        model: kept.model.clone(),
        stands_for: kept.stands_for.clone(),
        is_deterministic: kept.is_deterministic,
        checks_versions: kept.checks_versions,
    };
    let probed = kept.features.iter().map(|Found { feature, support, words }| {
        let known = Feature::parse(feature);
        let known = known.ok_or_else(|| format!("there is no feature `{feature}`"))?;
        let support = support_of(support, words)
            .ok_or_else(|| format!("nothing is known as `{support}` with the words `{words}`"))?;
        Ok((known, support))
    });
    Ok((facts, probed.collect::<Result<_, String>>()?))
}

fn support_of(name: &str, words: &str) -> Option<Support> {
    let missing = words.parse().map(Support::Missing);
    let words = || words.to_owned();
    let all = [
        Some(Support::Works),
        Some(Support::Declared(words())),
        missing.ok(),
        Some(Support::Broken(words())),
        Some(Support::Unknown(words())),
    ];
    all.into_iter().flatten().find(|support| support.name() == name)
}

/// Where our mock stood behind the target, if it did.
pub fn upstream(kept: &beside::Probe) -> Option<SocketAddr> {
    kept.upstream.as_deref().and_then(|address| address.parse().ok())
}

/// The plan with the profile of then: the verdicts rest on it.
pub fn plan(told: Plan, kept: Option<&beside::Probe>) -> Result<Plan, Stop> {
    let Some(ProfileFile { path, text }) = kept.and_then(|kept| kept.profile.as_ref()) else {
        let (profile, profile_path, profile_text) = (Profile::default(), None, String::new());
        return Ok(Plan { profile, profile_path, profile_text, ..told });
    };
    let profile = Profile::parse(text)
        .map_err(|error| Stop::usage(format!("the journal's copy of {path}: {error}")))?;
    Ok(Plan {
        profile,
        profile_path: Some(PathBuf::from(path)),
        profile_text: text.clone(),
        ..told
    })
}

/// What two probes found otherwise, in words: `found streaming broken` and `found it working`. Words of answers may
/// differ, and so may what nothing hangs on.
pub fn difference(one: &beside::Probe, other: &beside::Probe) -> Option<[String; 2]> {
    for Found { feature, support, .. } in &one.features {
        let theirs = other.features.iter().find(|found| found.feature == *feature);
        let theirs = theirs.map_or("not asked for", |found| &*found.support);
        if theirs != support {
            let [ours, theirs] = [&**support, theirs].map(|support| match support {
                "works" => "working".to_owned(),
                support => support.replace('-', " "),
            });
            return Some([format!("found {feature} {ours}"), format!("found it {theirs}")]);
        }
    }
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let is_known = |known: Option<bool>| match known {
        Some(true) => "checked",
        Some(false) => "not checked",
        None => "of no clear answer",
    };
    let texts = |probe: &beside::Probe| {
        let has_upstream = if probe.upstream.is_some() { "there" } else { "not there" };
        let profile = probe.profile.as_ref().map(|profile| profile.path.clone());
        [
            ("the models that are served", probe.models_served.join(", ")),
            ("the model to name", or_none(&probe.model)),
            ("the model that it stands for", or_none(&probe.stands_for)),
            ("versions", is_known(probe.checks_versions).to_owned()),
            ("our mock behind it", has_upstream.to_owned()),
            ("its profile", or_none(&profile)),
        ]
    };
    let mut pairs = texts(one).into_iter().zip(texts(other));
    let found = pairs.find(|((_, ours), (_, theirs))| ours != theirs);
    if let Some(((what, ours), (_, theirs))) = found {
        return Some([format!("found {what}: {ours}"), format!("found: {theirs}")]);
    }
    let text = |probe: &beside::Probe| probe.profile.as_ref().map(|profile| profile.text.clone());
    let is_same = text(one) == text(other);
    (!is_same).then(|| ["had one profile".to_owned(), "had another of that name".to_owned()])
}

/// Puts back what rests on the other side of a gateway, which is not kept: what the gateway altered, and whose fault
/// the rest was.
pub fn carry(judged: &Judged, findings: &mut Vec<Finding>) -> Result<(), String> {
    for fault in &judged.findings {
        let then = merge::finding(fault)?;
        let is_same = |now: &&mut Finding| now.rule == then.rule && now.pointer == then.pointer;
        match findings.iter_mut().find(is_same) {
            // Why it is whose fault was told behind what was seen.
            Some(now) if then.trace.starts_with(&*now.trace) => *now = then,
            None if then.rule.starts_with(OF_GATEWAY) => findings.push(then),
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// The line of two answers compared.
pub fn twin(case: &str, compared: &Compared) -> Beside {
    let said = match compared {
        Compared::Alike => Said::Alike,
        Compared::Differs(finding) => {
            Said::Differs { pointer: finding.pointer.to_string(), trace: finding.trace.to_string() }
        }
        Compared::Fickle => Said::Fickle,
        Compared::Silent(why) => Said::Silent(why.clone()),
    };
    Beside::Twin(Twin { case: case.to_owned(), said })
}

/// What came of comparing then.
pub fn compared(said: &Said) -> Compared {
    match said {
        Said::Alike => Compared::Alike,
        Said::Differs { pointer, trace } => {
            Compared::Differs(twins::differs(pointer.clone(), trace.clone()))
        }
        Said::Fickle => Compared::Fickle,
        Said::Silent(why) => Compared::Silent(why.clone()),
    }
}

/// The line of a target that went.
pub fn gone(gone: &Gone) -> Beside {
    let Gone { refused, hung, suspects } = gone.clone();
    Beside::Gone(beside::Gone { refused, hung, suspects })
}

/// How it went then.
pub fn went(kept: &beside::Gone) -> Gone {
    let beside::Gone { refused, hung, suspects } = kept.clone();
    Gone { refused, hung, suspects }
}

#[cfg(test)]
mod tests {
    use wire::journal::Fault;

    use contract::judge::Blame;

    use super::*;

    fn of(probed: &[(Feature, Support)]) -> beside::Probe {
        let facts = Facts {
            models_served: vec!["acme-large".into()],
            model: Some("acme-large".into()),
            is_deterministic: Some(true),
            ..Facts::default()
        };
        let plan = Plan::default();
        match probe(&plan, &facts, probed, None, Duration::from_secs(5)) {
            Beside::Probe(kept) => {
                assert_eq!(found(&kept).unwrap(), (facts, probed.to_vec()));
                *kept
            }
            other => panic!("{other:?}"),
        }
    }

    fn all() -> [(Feature, Support); 5] {
        [
            (Feature::Messages, Support::Works),
            (Feature::Streaming, Support::Broken("500 server-error".into())),
            (Feature::Batches, Support::Missing(404)),
            (Feature::Images, Support::Declared("400: no images".into())),
            (Feature::Keys, Support::Unknown("limited".into())),
        ]
    }

    #[test]
    fn a_probe_comes_back_and_unknown_words_do_not() {
        let kept = of(&all());
        let mut other = kept.clone();
        other.features[0].support = "splendid".into();
        assert!(found(&other).unwrap_err().contains("`splendid`"));
        other.features[0].feature = "telepathy".into();
        assert!(found(&other).unwrap_err().contains("no feature `telepathy`"));
    }

    #[test]
    fn what_two_probes_found_otherwise_is_named() {
        let kept = of(&all());
        let check = |change: &dyn Fn(&mut beside::Probe), expected: Option<[&str; 2]>| {
            let mut other = kept.clone();
            change(&mut other);
            let expected = expected.map(|texts| texts.map(str::to_owned));
            assert_eq!(difference(&other, &kept), expected);
        };
        check(&|_| {}, None);
        check(&|other| other.features[1].words = "500 at ten past nine".into(), None);
        check(
            &|other| other.features[1].support = "works".into(),
            Some(["found streaming working", "found it broken"]),
        );
        check(
            &|other| other.features[3].support = "works".into(),
            Some(["found images working", "found it declared unsupported"]),
        );
        check(
            &|other| other.model = None,
            Some(["found the model to name: none", "found: acme-large"]),
        );
    }

    #[test]
    fn a_comparison_comes_back() {
        let differs = Finding::new(twins::RULE, "/usage", Blame::Target, "streamed 1, plain 2");
        for compared in [
            Compared::Alike,
            Compared::Differs(differs),
            Compared::Fickle,
            Compared::Silent("the stream: overloaded".into()),
        ] {
            match twin("a/b/valid/c", &compared) {
                Beside::Twin(Twin { said, .. }) => assert_eq!(super::compared(&said), compared),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_a_gateway_did_is_put_back() {
        let now = Finding::new("response/id", "/id", Blame::Target, "no id");
        let then = |rule: &str, pointer: &str, trace: &str| Fault {
            rule: rule.into(),
            pointer: pointer.into(),
            blame: "gateway".into(),
            level: "strict".into(),
            trace: trace.into(),
        };
        let judged = Judged {
            findings: vec![
                then("response/id", "/id", "no id; the upstream had one"),
                then("gateway/request-altered", "/system", "member `system` is lost"),
                then("response/gone", "", "no rule of today"),
            ],
            ..Judged::default()
        };
        let mut findings = vec![now];
        carry(&judged, &mut findings).unwrap();
        let told: Vec<_> = findings.iter().map(|one| (one.rule, one.blame, &*one.trace)).collect();
        assert_eq!(
            told,
            [
                ("response/id", Blame::Gateway, "no id; the upstream had one"),
                ("gateway/request-altered", Blame::Gateway, "member `system` is lost"),
            ]
        );
    }
}
