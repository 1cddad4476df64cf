//! Drivers of every kind of ill will, and the drivers of the official SDKs where those are installed.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]
#![expect(clippy::print_stderr, reason = "a skipped client is said aloud")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chaos::handling::{Asks, CANARY_KEY};
use chaos::oracle::{Code, Verdict};
use chaos::scenario::{Log, PromptShape};
use chaos::{Call, Outcome, OutcomeClass, Scenario, Surface, Told, TrialReport};
use classify::Script;
use tokio::time::timeout;
use wire::driver::{Driver, Program, Tier};
use wire::trial::{Stage, Unseen};

/// A driver in good order, up to its first run.
const START: &str = r#"
    read line
    echo '{"v":1,"client":{"name":"sh","version":"0","language":"sh"},"surfaces":["create"],"caps":["log"],"x":1}'
    fine() { echo '{"seq":'$1',"outcome":"success","text":"fine","x":{"y":1}}'; }
"#;

/// The first process of its home does what it should not; every later one is a good driver.
fn at_first(bad: &str) -> String {
    format!(
        r#"{START}
        n=0
        while read line; do
            n=$((n+1))
            case $line in *stop*) exit;; esac
            if mkdir $HOME/first 2>/dev/null; then {bad}; else fine $n; fi
        done"#
    )
}

/// An empty folder of its own.
fn home() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("driver-{number}"));
    // It may be there from the last time.
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home).unwrap();
    home
}

fn shell(script: &str, tier: Tier) -> Driver {
    let command = ["sh", "-c", script].map(Into::into).to_vec();
    Driver::new(Program { command, folder: None, home: home(), env: vec![] }, tier)
}

fn call() -> Call {
    Call {
        base_url: "http://127.0.0.1:9".to_owned(),
        key: CANARY_KEY.to_owned(),
        prompts: vec!["Say hello.".to_owned()],
        surface: Surface::Create,
        timeout_ms: 1_000,
        deadline_ms: 2_000,
        max_retries: 0,
        asks: Asks::default(),
    }
}

/// No test here is about time, so this is only for those that hang.
const PATIENCE: Duration = Duration::from_secs(20);

async fn run(driver: &Driver) -> Result<Outcome, Unseen> {
    asked(driver, call()).await.map(last)
}

async fn asked(driver: &Driver, call: Call) -> Result<Told, Unseen> {
    timeout(PATIENCE, driver.run("none", call)).await.unwrap()
}

fn last(told: Told) -> Outcome {
    told.outcomes.into_iter().next_back().unwrap()
}

async fn check_fine(driver: &Driver) {
    let outcome = run(driver).await.unwrap();
    assert_eq!(
        (outcome.class, outcome.text.as_deref()),
        (OutcomeClass::Success, Some("fine")),
        "{outcome:?}"
    );
}

async fn check_trouble(bad: &str, expected: &str) {
    let driver = shell(&at_first(bad), Tier::Persistent);
    match run(&driver).await {
        Err(Unseen::Trouble(trouble)) => assert!(trouble.contains(expected), "{trouble}"),
        other => panic!("{other:?}"),
    }
    check_fine(&driver).await;
    check_fine(&driver).await;
    driver.stop().await;
}

async fn check_outcome(script: &str, tier: Tier, class: OutcomeClass, message: &str) {
    let outcome = run(&shell(script, tier)).await.unwrap();
    assert_eq!(outcome.class, class, "{outcome:?}");
    assert!(outcome.message.contains(message), "{outcome:?}");
}

#[tokio::test]
async fn garbage_costs_one_run() {
    check_trouble("echo '{nonsense'", "cannot be read: {nonsense").await;
    check_trouble(r#"echo '{"seq":1}'"#, "cannot be read").await;
    check_trouble(r#"echo '{"seq":1,"outcome":"splendid"}'"#, "cannot be read").await;
    check_trouble(r#"echo '{"seq":2,"outcome":"success"}'"#, "nobody asked for").await;
    check_trouble(&format!("echo '{{{CANARY_KEY}'"), "{[key]").await;
}

#[tokio::test]
async fn a_flood_costs_one_run() {
    check_trouble("yes noise", "floods its standard output").await;
    check_trouble("yes noise >&2", "floods its standard error").await;
    check_trouble("yes | tr -d '\\n'", "a line without end").await;
}

#[tokio::test]
async fn a_death_costs_one_run() {
    let driver = shell(&at_first("echo for a reason >&2; exit 3"), Tier::Persistent);
    let outcome = run(&driver).await.unwrap();
    assert_eq!(outcome.class, OutcomeClass::Crashed);
    assert_eq!(outcome.message, "the process ended (exit status: 3): for a reason");
    check_fine(&driver).await;
}

#[tokio::test]
async fn a_hang_costs_one_run_and_leaves_nothing_behind() {
    let bad = "sleep 600 & echo $! >$HOME/child; echo $$ >$HOME/self; wait";
    let script = at_first(bad);
    let command = ["sh", "-c", &script].map(Into::into).to_vec();
    let home = home();
    let program = Program { command, folder: None, home: home.clone(), env: vec![] };
    let driver = Driver::new(program, Tier::Persistent);
    driver.about().await.unwrap();
    assert!(timeout(Duration::from_millis(500), driver.run("none", call())).await.is_err());
    check_fine(&driver).await;
    for name in ["self", "child"] {
        let id = std::fs::read_to_string(home.join(name)).unwrap();
        check_gone(id.trim()).await;
    }
}

/// A killed process may stay in the table for as long as nobody waits for it.
async fn check_gone(id: &str) {
    let stat = format!("/proc/{id}/stat");
    let is_gone = || match std::fs::read_to_string(&stat) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    timeout(PATIENCE, async {
        while !is_gone() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}

/// What a trial says of a client that is asked for nothing on the wire, so that only its process counts.
async fn judged(driver: &Driver) -> TrialReport {
    let scripts = scripts();
    let mut scenario = scenario("errors/err-400.toml");
    scenario.deadline_ms = 200;
    scenario.expect.attempts = "0".to_owned().try_into().unwrap();
    driver.trial(&scenario, Surface::Create, Stage::of(&scripts)).await
}

fn leaks(report: &TrialReport) -> Vec<&str> {
    let leaks = report.findings.iter().filter(|finding| finding.code == Code::KeyLeak);
    leaks.map(|finding| finding.detail.as_str()).collect()
}

#[tokio::test]
async fn a_leak_is_seen_wherever_it_is() {
    for (bad, place) in [
        ("echo got $key >&2; fine 1", "its standard error"),
        ("echo got $key; fine 1", "its standard output"),
        (r#"echo '{"seq":1,"outcome":"success","text":"fine","x":"'$key'"}'"#, "its report"),
        ("echo got $key >&2; exit 1", "its standard error"),
        ("echo got $key >&2; sleep 600", "its standard error"),
        ("echo got $key; sleep 600", "its standard output"),
    ] {
        let bad = format!("key=$(echo $line | grep -o 'sk-ant-[a-z0-9-]*'); {bad}");
        let driver = shell(&at_first(&bad), Tier::Persistent);
        let report = judged(&driver).await;
        assert_eq!(leaks(&report), [format!("the key stands in {place}")], "{bad}: {report:#?}");
        assert_eq!(report.verdict, Verdict::Fail, "{bad}: {report:#?}");
        let report = judged(&driver).await;
        assert!(leaks(&report).is_empty(), "{bad}: {report:#?}");
    }
    for script in ["echo $ANTHROPIC_API_KEY", "echo $ANTHROPIC_API_KEY; sleep 600"] {
        let report = judged(&shell(script, Tier::BlackBox)).await;
        assert_eq!(leaks(&report), ["the key stands in its standard output"], "{report:#?}");
    }
}

/// Whose it is cannot be known, and nobody is let off.
#[tokio::test]
async fn a_leak_is_everybody_s_who_was_there() {
    let script = format!(
        r#"{START}
        read one; key=$(echo $one | grep -o 'sk-ant-[a-z0-9-]*'); read two
        echo got $key >&2; sleep 0.1; fine 1; sleep 0.1; fine 2
        while read line; do :; done"#
    );
    let driver = shell(&script, Tier::Persistent);
    driver.about().await.unwrap();
    let (one, two) = tokio::join!(judged(&driver), judged(&driver));
    for report in [one, two] {
        assert_eq!(leaks(&report), ["the key stands in its standard error"], "{report:#?}");
    }
}

#[tokio::test]
async fn runs_end_in_any_order() {
    let script = format!(
        "{START} read one; read two; echo a library says hello; fine 2; read three; fine 1"
    );
    let driver = shell(&script, Tier::Persistent);
    driver.about().await.unwrap();
    let first = run(&driver);
    let others = async {
        check_fine(&driver).await;
        run(&driver).await
    };
    let (first, third) = tokio::join!(first, others);
    assert_eq!(first.unwrap().text.as_deref(), Some("fine"));
    // The driver had gone by then, and nobody else was in flight.
    assert_eq!(third.unwrap().class, OutcomeClass::Crashed);
}

#[tokio::test]
async fn what_a_client_cannot_do_is_skipped() {
    let script = format!("{START} read line; fine 1; read line");
    let driver = shell(&script, Tier::Persistent);
    let none = Asks::default;
    let asking = |asks| Call { asks, ..call() };
    let https = Call { base_url: "https://127.0.0.1:9".to_owned(), ..call() };
    for (call, expected) in [
        (Call { surface: Surface::Raw, ..call() }, "no surface `raw`"),
        (asking(Asks { calls: Some(2), ..none() }), "`calls`"),
        (asking(Asks { tools: true, ..none() }), "`tools`"),
        (asking(Asks { abort_after_ms: Some(1), ..none() }), "`cancel-later`"),
        (https.clone(), "`tls`"),
    ] {
        match asked(&driver, call).await {
            Err(Unseen::Skipped(reason)) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    let log = asking(Asks { log: Some(Log::Debug), ..none() });
    assert_eq!(last(asked(&driver, log.clone()).await.unwrap()).text.as_deref(), Some("fine"));
    let once = shell("exit 0", Tier::BlackBox);
    let half = asking(Asks { prompt: PromptShape::LoneSurrogate, ..none() });
    let long = Call { prompts: vec!["x".repeat(200_000)], ..call() };
    for call in [log, half, long, https] {
        let unseen = asked(&once, call).await.unwrap_err();
        assert!(matches!(unseen, Unseen::Skipped(_)), "{unseen:?}");
    }
}

/// A driver that answers with this report if the command holds all of these words.
async fn told_if(words: &[&str], report: &str, call: Call) -> Result<Told, Unseen> {
    let knows: Vec<_> = words.iter().map(|word| format!("*'{word}'*) ;; *) exit 9")).collect();
    let knows: String = knows.iter().map(|word| format!("case $line in {word};; esac; ")).collect();
    let caps = r#"["abandon","calls","follow-up","parallel","rotating-credential"]"#;
    let script = format!(
        r#"read line
        echo '{{"v":1,"client":{{"name":"sh","version":"0","language":"sh"}},"surfaces":["create"],"caps":{caps}}}'
        IFS= read -r line; {knows} echo '{{"seq":1,{report}}}'; read line"#
    );
    asked(&shell(&script, Tier::Persistent), call).await
}

#[tokio::test]
async fn several_calls_are_told_one_by_one() {
    let one = r#"{"outcome":"error","error":{"status":429,"retry_after":"7"}}"#;
    let two = r#"{"outcome":"success","text":"b","tool_calls":[{"name":"t","input":{}}]}"#;
    let last = r#""outcome":"success","text":"b""#;
    let both = format!(r#"{last},"calls":[{one},{two}]"#);
    let prompts = vec!["a".to_owned(), "b".to_owned()];
    let asking = |asks| Call { prompts: prompts.clone(), asks, ..call() };
    let calls = || asking(Asks { calls: Some(2), pause_ms: Some(5), ..Asks::default() });
    let words = [r#""calls":2"#, r#""pause_ms":5"#, r#""prompt":"a","prompts":["a","b"]"#];
    let told = told_if(&words, &both, calls()).await.unwrap();
    assert_eq!(told.outcomes.len(), 2, "{told:?}");
    assert_eq!(told.outcomes[0].class, OutcomeClass::ApiError);
    assert_eq!(told.outcomes[0].retry_after.as_deref(), Some("7"));
    assert!(told.outcomes[1].tool_calls.as_ref().unwrap()[0].valid);
    // A second turn may be missing, and no other call.
    let turn = Asks { follow_up: Some("c".to_owned()), ..Asks::default() };
    let told = told_if(&[r#""follow_up":"c""#], last, Call { asks: turn, ..call() }).await;
    assert_eq!(told.unwrap().outcomes.len(), 1);
    let unseen = told_if(&[], last, calls()).await.unwrap_err();
    assert!(unseen.to_string().contains("1 calls out of 2"), "{unseen}");
    let skipped = r#""outcome":"success","calls":[{"outcome":"success"},{"outcome":"skipped"}]"#;
    let unseen = told_if(&[], skipped, calls()).await.unwrap_err();
    assert!(matches!(unseen, Unseen::Skipped(_)), "{unseen:?}");
}

#[tokio::test]
async fn half_a_character_is_told_as_an_escape() {
    let prompts = vec![format!("Say {}!", PromptShape::SURROGATE)];
    let told = told_if(&[r"Say \ud83d!"], r#""outcome":"success""#, Call { prompts, ..call() });
    assert_eq!(last(told.await.unwrap()).class, OutcomeClass::Success);
}

/// Both herds are asked for in one go, and each meets a process of its own.
#[tokio::test]
async fn a_herd_starts_together_and_twice() {
    let script = format!(
        r#"{START} echo $$ >>$HOME/processes
        n=0; while [ $n -lt 40 ]; do read line; n=$((n+1)); done
        while [ $n -gt 0 ]; do fine $n; n=$((n-1)); done
        while read line; do case $line in *stop*) exit;; esac; done"#
    );
    let home = home();
    let command = ["sh", "-c", &script].map(Into::into).to_vec();
    let program = Program { command, folder: None, home: home.clone(), env: vec![] };
    let driver = Driver::new(program, Tier::Persistent);
    let mut scenario = scenario("errors/err-400.toml");
    scenario.ask.clients = Some(40);
    scenario.expect.attempts = "0".to_owned().try_into().unwrap();
    let scripts = scripts();
    let report = driver.trial(&scenario, Surface::Create, Stage::of(&scripts)).await;
    assert_eq!(report.observed.outcome, Some("success"), "{report:#?}");
    let processes = std::fs::read_to_string(home.join("processes")).unwrap();
    assert_eq!(processes.lines().count(), 2, "{processes}");
}

#[tokio::test]
async fn a_driver_that_does_not_introduce_itself_is_trouble() {
    for (script, expected) in [
        ("exit 4", "exit status: 4"),
        ("echo '{}'; read line", "does not introduce itself"),
        ("yes noise", "floods"),
        (
            r#"echo '{"v":9,"client":{"name":"a","version":"1","language":"b"},"surfaces":[]}'; read x"#,
            "version 9",
        ),
    ] {
        let trouble = shell(script, Tier::Persistent).about().await.unwrap_err();
        assert!(trouble.contains(expected), "{trouble}");
    }
    let command = vec!["no-such-program".into()];
    let program = Program { command, folder: None, home: home(), env: vec![] };
    let trouble = Driver::new(program, Tier::Persistent).about().await.unwrap_err();
    assert!(trouble.contains("does not start"), "{trouble}");
}

#[tokio::test]
async fn a_process_knows_its_task_and_nothing_else() {
    let check = async |script: &str, expected: &str| {
        let message = run(&shell(script, Tier::BlackBox)).await.unwrap().message;
        assert!(message.ends_with(expected), "{message}");
    };
    let script =
        "env | cut -d= -f1 | grep -v '^_$\\|^PWD$\\|^SHLVL$\\|^PATH$' | sort | tr '\\n' ' ' >&2";
    let names = "): ANTHROPIC_API_KEY ANTHROPIC_BASE_URL CHAOS_DEADLINE_S CHAOS_MAX_RETRIES \
                 CHAOS_PROMPT CHAOS_SCENARIO CHAOS_STREAM CHAOS_SURFACE CHAOS_TIMEOUT_S HOME \
                 NO_PROXY no_proxy";
    check(script, names).await;
    let script = "echo $CHAOS_SCENARIO $CHAOS_STREAM $CHAOS_TIMEOUT_S $ANTHROPIC_BASE_URL >&2";
    check(script, "): none 0 1 http://127.0.0.1:9").await;
    let command = ["sh", "-c", "echo $CHAOS_CA_FILE $SSL_CERT_FILE $NODE_EXTRA_CA_CERTS >&2"];
    let command = command.map(Into::into).to_vec();
    let program = Program { command, folder: None, home: home(), env: vec![] };
    let driver = Driver::new(program.trusting(Path::new("/ca.pem")), Tier::BlackBox);
    let message = run(&driver).await.unwrap().message;
    assert!(message.ends_with("): /ca.pem /ca.pem /ca.pem"), "{message}");
}

#[tokio::test]
async fn a_black_box_says_how_it_ended() {
    let check = |script, class, message| check_outcome(script, Tier::BlackBox, class, message);
    check("echo hello", OutcomeClass::Success, "").await;
    check("echo no >&2; exit 7", OutcomeClass::Failed, "(exit status: 7): no").await;
    check("kill -SEGV $$", OutcomeClass::Crashed, "signal").await;
    check("echo $ANTHROPIC_API_KEY >&2", OutcomeClass::Success, "[key]").await;
    // A child that keeps the pipes is not waited for, and does not stay.
    let outcome = run(&shell("sleep 600 & echo $! >&2", Tier::BlackBox)).await.unwrap();
    assert_eq!((outcome.class, outcome.text), (OutcomeClass::Success, None));
    check_gone(outcome.message.rsplit(' ').next().unwrap()).await;
    let unseen = run(&shell("yes", Tier::BlackBox)).await.unwrap_err();
    assert_eq!(unseen, Unseen::Trouble("the client floods its output".to_owned()));
}

#[tokio::test]
async fn one_line_is_enough() {
    let check = |script, class, message| check_outcome(script, Tier::OneShot, class, message);
    let report = r#"echo noise; echo '{"chaos":1,"outcome":"error","error":{"status":429}}'; echo"#;
    check(report, OutcomeClass::ApiError, "").await;
    check("echo no >&2; exit 1", OutcomeClass::Crashed, "exit status: 1").await;
    for (script, expected) in
        [("echo hello", "without a report"), (r#"echo '{"chaos":1'"#, "cannot be read")]
    {
        match run(&shell(script, Tier::OneShot)).await {
            Err(Unseen::Trouble(trouble)) => assert!(trouble.contains(expected), "{trouble}"),
            other => panic!("{other:?}"),
        }
    }
}

fn specs(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(folder)
}

fn scripts() -> BTreeMap<String, Script> {
    let mut scripts = BTreeMap::new();
    for entry in std::fs::read_dir(specs("replies")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "http") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let script = Script::parse(&name, &std::fs::read_to_string(&path).unwrap()).unwrap();
            scripts.insert(name, script);
        }
    }
    scripts
}

fn scenario(path: &str) -> Scenario {
    let text = std::fs::read_to_string(specs("scenarios").join(path)).unwrap();
    Scenario::parse(&text).unwrap()
}

#[tokio::test]
async fn a_trial_tells_the_client_s_fault_from_the_driver_s() {
    let scripts = scripts();
    let stage = Stage::of(&scripts);
    let mut scenario = scenario("errors/err-400.toml");
    scenario.deadline_ms = 200;
    // It sends nothing, so that only what is said of the driver itself can be told apart.
    scenario.expect.attempts = "0".to_owned().try_into().unwrap();
    for (bad, verdict) in [
        ("sleep 600", Verdict::Fail),
        ("exit 1", Verdict::Fail),
        ("echo '{nonsense'", Verdict::HarnessError),
        (r#"echo '{"seq":1,"outcome":"unsupported"}'"#, Verdict::Skip),
    ] {
        let driver = shell(&at_first(bad), Tier::Persistent);
        let report = driver.trial(&scenario, Surface::Create, stage).await;
        assert_eq!(report.verdict, verdict, "{bad}: {report:#?}");
        check_fine(&driver).await;
    }
    let driver = shell("exit 1", Tier::BlackBox);
    let report = driver.trial(&scenario, Surface::Create, stage).await;
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
    let report = shell("exit 1", Tier::Persistent).trial(&scenario, Surface::Create, stage).await;
    assert_eq!(report.verdict, Verdict::HarnessError, "{report:#?}");
}

const SMOKE: [&str; 11] = [
    "errors/err-400.toml",
    "errors/fail-k-then-ok.toml",
    "errors/ra-on-529.toml",
    "latency/stall-before-headers.toml",
    "latency/ttfb-slow-ok.toml",
    "shape/html-200.toml",
    "stream-errors/sse-error-mid.toml",
    "truncation/cut-mid-body-cl.toml",
    "truncation/rst-mid-body.toml",
    "truncation/sse-clean-eof-no-stop.toml",
    "truncation/sse-rst-mid.toml",
];

/// Puts an installed client through the smoke scenarios on every surface they name: what it does there is for people
/// to look at, that it is seen is what counts here.
async fn check_client(name: &str, command: &[&str], folder: Option<&str>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let installed = root.join("target/clients").join(name);
    if !installed.join("installed").exists() {
        eprintln!(
            "SKIPPED: the client `{name}` is not installed (cargo xtask clients install {name})"
        );
        return;
    }
    let command = command.iter().map(|part| part.replace("ROOT", root.to_str().unwrap()).into());
    let program = Program {
        command: command.collect(),
        folder: folder.map(|folder| root.join(folder)),
        home: home(),
        env: vec![],
    };
    let driver = Driver::new(program, Tier::Persistent);
    let about = driver.about().await.unwrap().unwrap();
    let (client, scripts) = (about.client, scripts());
    let stage = Stage::of(&scripts);
    for path in SMOKE {
        let mut scenario = scenario(path);
        let has = |surface| scenario.surfaces.contains(&surface);
        if has(Surface::Stream) && !has(Surface::Raw) {
            scenario.surfaces.push(Surface::Raw);
        }
        for &surface in &scenario.surfaces {
            let TrialReport { verdict, finding, reason, observed, findings, .. } =
                driver.trial(&scenario, surface, stage).await;
            eprintln!(
                "{} {} {} {}: {verdict} {finding:?} {reason:?} {observed:?} {findings:?}",
                client.name,
                client.version,
                scenario.id,
                surface.name()
            );
            assert_ne!(verdict, Verdict::HarnessError, "{path}: {reason:?}");
            assert_ne!(verdict, Verdict::Skip, "{path}: {reason:?}");
            assert!(observed.outcome.is_some(), "{path}: {findings:?}");
        }
    }
    check_asks(&driver, &scripts).await;
    driver.stop().await;
}

/// What the drivers of the official SDKs can do beyond a plain call.
async fn check_asks(driver: &Driver, scripts: &BTreeMap<String, Script>) {
    let none = Asks::default;
    for (surface, asks, class) in [
        (Surface::Create, Asks { calls: Some(2), ..none() }, OutcomeClass::Success),
        (Surface::Stream, Asks { calls: Some(2), ..none() }, OutcomeClass::Success),
        (Surface::Create, Asks { parallel: Some(3), ..none() }, OutcomeClass::Success),
        (Surface::Stream, Asks { follow_up: Some("And?".into()), ..none() }, OutcomeClass::Success),
        (Surface::Create, Asks { abort_after_ms: Some(5_000), ..none() }, OutcomeClass::Success),
        (Surface::Create, Asks { log: Some(Log::Debug), ..none() }, OutcomeClass::Success),
        (Surface::Create, Asks { tools: true, ..none() }, OutcomeClass::Success),
        (Surface::Raw, Asks { abort_after_events: Some(2), ..none() }, OutcomeClass::Aborted),
        (Surface::Stream, Asks { abort_after_events: Some(2), ..none() }, OutcomeClass::Aborted),
        (Surface::Raw, Asks { abandon_after_events: Some(2), ..none() }, OutcomeClass::Aborted),
        (Surface::Stream, Asks { abandon_after_events: Some(2), ..none() }, OutcomeClass::Aborted),
    ] {
        let reply = if surface.streams() { "sse-text" } else { "200-message" };
        let server = wire::script::serve(vec![scripts[reply].clone()]).await.unwrap();
        let base_url = format!("http://{}", server.address);
        let asked = Call { base_url, surface, asks: asks.clone(), timeout_ms: 9_000, ..call() };
        let told = timeout(PATIENCE, driver.run("none", asked)).await.unwrap().unwrap();
        let n_calls = asks.n_calls() as usize + usize::from(asks.follow_up.is_some());
        assert_eq!(told.outcomes.len(), n_calls, "{surface:?} {asks:?}: {told:?}");
        for outcome in told.outcomes {
            assert_eq!(outcome.class, class, "{surface:?} {asks:?}: {outcome:?}");
            assert!(!outcome.message.contains(CANARY_KEY), "{surface:?} {asks:?}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn the_python_sdk_is_seen() {
    let command = [
        "ROOT/target/clients/python/bin/python",
        "-I",
        "ROOT/crates/wire/clients/python/driver.py",
    ];
    check_client("python", &command, None).await;
}

#[tokio::test]
async fn the_typescript_sdk_is_seen() {
    let command = ["node", "ROOT/crates/wire/clients/typescript/driver.mjs"];
    check_client("typescript", &command, Some("target/clients/typescript")).await;
}
