//! Drivers of every kind of ill will, and the drivers of the official SDKs where those are installed.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]
#![expect(clippy::print_stderr, reason = "a skipped client is said aloud")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chaos::handling::{Asks, CANARY_KEY};
use chaos::oracle::Verdict;
use chaos::scenario::Log;
use chaos::{Call, Outcome, OutcomeClass, Scenario, Surface, TrialReport};
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
    timeout(PATIENCE, driver.run("none", call())).await.unwrap()
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

#[tokio::test]
async fn a_leak_is_seen_wherever_it_is() {
    for (bad, place) in [
        ("echo got $key >&2; fine 1", "standard error"),
        ("echo got $key; fine 1", "standard output"),
        (r#"echo '{"seq":1,"outcome":"success","text":"fine","x":"'$key'"}'"#, "its report"),
        ("echo got $key >&2; exit 1", "exit status: 1"),
    ] {
        let bad = format!("key=$(echo $line | grep -o 'sk-ant-[a-z0-9-]*'); {bad}");
        let driver = shell(&at_first(&bad), Tier::Persistent);
        let outcome = run(&driver).await.unwrap();
        assert!(outcome.message.contains(CANARY_KEY), "{bad}: {outcome:?}");
        assert!(outcome.message.contains(place), "{bad}: {outcome:?}");
        let outcome = run(&driver).await.unwrap();
        assert_eq!(outcome.message, "", "{bad}");
    }
}

#[tokio::test]
async fn runs_end_in_any_order() {
    let script = format!(
        "{START} read one; read two; echo a library says hello; fine 2; read three; fine 1"
    );
    let driver = shell(&script, Tier::Persistent);
    driver.about().await.unwrap();
    let first = driver.run("none", call());
    let others = async {
        check_fine(&driver).await;
        timeout(PATIENCE, driver.run("none", call())).await.unwrap()
    };
    let (first, third) = tokio::join!(first, others);
    assert_eq!(first.unwrap().text.as_deref(), Some("fine"));
    // The driver had gone by then, and nobody else was in flight.
    assert_eq!(third.unwrap().class, OutcomeClass::Crashed);
}

#[tokio::test]
async fn what_a_client_cannot_do_is_skipped() {
    let echo = format!(r#"{START} read line; case $line in *'"log":"debug"'*) fine 1;; esac"#);
    let driver = shell(&echo, Tier::Persistent);
    let asked = |surface, asks| driver.run("none", Call { surface, asks, ..call() });
    for (surface, asks, expected) in [
        (Surface::Raw, Asks::default(), "no surface `raw`"),
        (Surface::Create, Asks { calls: Some(2), ..Asks::default() }, "`calls`"),
        (Surface::Create, Asks { tools: true, ..Asks::default() }, "`tools`"),
    ] {
        match asked(surface, asks).await {
            Err(Unseen::Skipped(reason)) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    let asks = Asks { log: Some(Log::Debug), ..Asks::default() };
    assert_eq!(asked(Surface::Create, asks.clone()).await.unwrap().text.as_deref(), Some("fine"));
    let once = shell("exit 0", Tier::BlackBox);
    let unseen = once.run("none", Call { asks, ..call() }).await.unwrap_err();
    assert!(matches!(unseen, Unseen::Skipped(_)), "{unseen:?}");
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
    let script =
        "env | cut -d= -f1 | grep -v '^_$\\|^PWD$\\|^SHLVL$\\|^PATH$' | sort | tr '\\n' ' '";
    let outcome = run(&shell(script, Tier::BlackBox)).await.unwrap();
    assert_eq!(
        outcome.text.unwrap(),
        "ANTHROPIC_API_KEY ANTHROPIC_BASE_URL CHAOS_DEADLINE_S CHAOS_MAX_RETRIES CHAOS_PROMPT \
         CHAOS_SCENARIO CHAOS_STREAM CHAOS_SURFACE CHAOS_TIMEOUT_S HOME NO_PROXY no_proxy"
    );
    let script = "echo $CHAOS_SCENARIO $CHAOS_STREAM $CHAOS_TIMEOUT_S $ANTHROPIC_BASE_URL";
    let outcome = run(&shell(script, Tier::BlackBox)).await.unwrap();
    assert_eq!(outcome.text.as_deref(), Some("none 0 1 http://127.0.0.1:9"));
}

#[tokio::test]
async fn a_black_box_says_how_it_ended() {
    let check = |script, class, message| check_outcome(script, Tier::BlackBox, class, message);
    check("echo hello", OutcomeClass::Success, "").await;
    check("echo no >&2; exit 7", OutcomeClass::Failed, "(exit status: 7): no").await;
    check("kill -SEGV $$", OutcomeClass::Crashed, "signal").await;
    check("echo $ANTHROPIC_API_KEY >&2", OutcomeClass::Success, CANARY_KEY).await;
    // A child that keeps the pipes is not waited for, and does not stay.
    let outcome = run(&shell("sleep 600 & echo $!", Tier::BlackBox)).await.unwrap();
    assert_eq!(outcome.class, OutcomeClass::Success);
    check_gone(&outcome.text.unwrap()).await;
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
    let stage = Stage { scripts: &scripts, mock: None };
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
    let stage = Stage { scripts: &scripts, mock: None };
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
        let outcome = timeout(PATIENCE, driver.run("none", asked)).await.unwrap().unwrap();
        assert_eq!(outcome.class, class, "{surface:?} {asks:?}: {outcome:?}");
        assert!(!outcome.message.contains(CANARY_KEY), "{surface:?} {asks:?}: {outcome:?}");
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
