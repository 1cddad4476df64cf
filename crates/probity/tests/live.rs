//! Live runs against a mock behind https under a name of its own: budgets, ledgers, comparisons, and who is never
//! contacted. And servers that mean harm, from end to end.

#![cfg(feature = "tls")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

mod common;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use probity::embedded;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use wire::tls::{Authority, Peer, accept};

/// The only one that the mock takes.
const KEY: &str = embedded::KEY;

/// The name that the authority vouches for, and that no name server knows.
const NAME: &str = "wrong.invalid";

/// From here on the server is overloaded, in the test of that.
const BUSY_FROM: usize = 250;

/// A run may take so long on a busy machine.
const RUN_MAX: Duration = Duration::from_secs(120);

struct Gateway {
    folder: TempDir,
    url: String,
    connections: Arc<AtomicUsize>,
    _runtime: Runtime,
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Gateway {
    /// The mock behind a certificate. With `busy` it is overloaded after a while.
    fn start(busy: bool) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::generate().unwrap());
        authority.write_ca(folder.path()).unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, KEY).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let mock = common::serve(common::mock(Some(KEY)));
        let address = runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((socket, _)) = listener.accept().await {
                    let number = count.fetch_add(1, Ordering::SeqCst);
                    let is_busy = busy && number >= BUSY_FROM;
                    tokio::spawn(front(authority.clone(), socket, mock, is_busy));
                }
            });
            address
        });
        let url = format!("https://{NAME}:{}", address.port());
        Self { folder, url, connections, _runtime: runtime }
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_verb("contract", args)
    }

    fn run_verb(&self, verb: &str, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.arg(verb).args(args).current_dir(self.folder.path());
        for name in ["ANTHROPIC_API_KEY", "CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"] {
            command.env_remove(name);
        }
        // Nobody listens there; a sender that asked the environment would end here.
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env(name, "http://127.0.0.1:9");
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let ran = Ran {
            code: output.status.code().unwrap(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        };
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains(KEY), "the key was printed");
        }
        ran
    }

    /// A live run against this server.
    fn live(&self, args: &[&str]) -> Ran {
        self.live_verb("contract", &[args, &["--no-timings"]].concat())
    }

    fn live_verb(&self, verb: &str, args: &[&str]) -> Ran {
        let resolve = format!("{NAME}=127.0.0.1");
        let way = [
            "--live",
            "--target",
            &self.url,
            "--allow-host",
            NAME,
            "--resolve",
            &resolve,
            "--ca-file",
            "ca.pem",
            "--key-file",
            "key",
        ];
        self.run_verb(verb, &[&way, args].concat())
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(path)).unwrap()
    }
}

/// The mock that streams as it writes, which the embedded one does not.
async fn front(authority: Arc<Authority>, socket: TcpStream, mock: SocketAddr, is_busy: bool) {
    let Ok(mut client) = accept(&authority, Peer::WrongName, socket).await else { return };
    if is_busy {
        let _request = client.read(&mut [0; 4_096]).await;
        let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_01"}"#;
        let head = "HTTP/1.1 529 Overloaded\r\ncontent-type: application/json\r\nretry-after-ms: 1";
        let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let _best_effort = client.write_all(answer.as_bytes()).await;
        let _best_effort = client.shutdown().await;
        return;
    }
    if let Ok(mut server) = TcpStream::connect(mock).await {
        let _until_one_of_them_leaves = copy_bidirectional(&mut client, &mut server).await;
    }
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

/// Cases that do not agree, and why.
fn findings(report: &Value) -> Vec<String> {
    let results = report["results"].as_array().unwrap().iter();
    let wrong = results.filter(|result| result["verdict"] != "agree");
    wrong.map(|result| format!("{} {}", result["id"], result["findings"])).collect()
}

#[test]
fn a_live_run_is_compared_and_kept() {
    let gateway = Gateway::start(false);
    let args =
        ["--max-cases", "150", "--accept", "--compare", "mock,live", "--as-of", "2026-11-22"];
    let ran = gateway.live(&[&args[..], &["--format", "json"]].concat());
    let report = json(&ran);
    assert_eq!(ran.code, 0, "{}{:?}", ran.err, findings(&report));
    let live = &report["live"];
    assert_eq!(live["comparison"]["differences"], Value::Array(Vec::new()));
    assert!(live["comparison"]["same"].as_u64().unwrap() > 100, "{live}");
    assert!(live["account"]["input_tokens"].as_u64().unwrap() > 0, "{live}");
    assert_eq!(live["account"]["undone"], 0);
    let kept = gateway.read("snapshots/live/2026-11-22/cases.tsv");
    assert!(kept.starts_with("# seed 1\n"));
    assert!(
        gateway.read("snapshots/live/2026-11-22/messages.create@2026-10-21.txt").contains("agree")
    );

    // The day is read again, and nobody is contacted.
    let contacts = gateway.connections.load(Ordering::SeqCst);
    let again = gateway.run(&["--compare", "live,mock"]);
    assert_eq!(again.code, 0, "{}{}", again.out, again.err);
    assert!(again.out.contains("0 cases differ"), "{}", again.out);
    let changed = kept.replacen("\tinvalid-request", "\taccepted", 2);
    std::fs::write(gateway.folder.path().join("snapshots/live/2026-11-22/cases.tsv"), changed)
        .unwrap();
    let again = gateway.run(&["--compare", "mock,live", "--as-of", "2026-11-22"]);
    assert_eq!(again.code, 1, "{}{}", again.out, again.err);
    assert!(
        again.out.contains("accepted") && again.out.contains("2 cases differ"),
        "{}",
        again.out
    );
    assert_eq!(gateway.connections.load(Ordering::SeqCst), contacts);
}

#[test]
fn a_budget_is_not_exceeded() {
    let gateway = Gateway::start(false);
    for (budget, args) in [
        (2_000, &["--budget-tokens", "2000"][..]),
        // At 1 and 5 USD per million, 2,000 tokens of output are the same as 10,000 of input: a cent.
        (10_000, &["--budget-usd", "0.01", "--price-input", "1", "--price-output", "5"][..]),
    ] {
        let filter =
            ["--filter", "messages.create/valid", "--max-cases", "200", "--format", "json"];
        let ran = gateway.live(&[args, &filter].concat());
        let report = json(&ran);
        assert_eq!(ran.code, 5, "{}", ran.err);
        assert!(ran.err.contains("the budget is exhausted"), "{}", ran.err);
        let account = &report["live"]["account"];
        let count = |name: &str| account[name].as_u64().unwrap();
        assert!(0 < count("input_tokens"), "{account}");
        assert!(count("input_tokens") + count("output_tokens") <= budget, "{account}");
        assert!(0 < count("undone"), "{account}");
    }
}

#[test]
fn single_cases_have_a_budget_too() {
    let gateway = Gateway::start(false);
    let valid = "2026-10-21/messages.create/valid/*";
    let budget = ["--budget-tokens", "2000", "--rate", "6000/min"];
    let ran = gateway.live_verb("replay", &[&budget[..], &[valid, "--format", "json"]].concat());
    assert_eq!(ran.code, 5, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("the budget is exhausted"), "{}", ran.err);
    let account = &json(&ran)["account"];
    let used = |name: &str| account[name].as_u64().unwrap();
    assert!(0 < used("input_tokens") && used("input_tokens") + used("output_tokens") <= 2_000);
    assert!(0 < used("undone"), "{account}");

    let case = "2026-10-21/messages.create/mut/required/messages";
    let ran = gateway.live_verb("replay", &["--times", "1", case]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("used 1 request, 0 tokens in, 0 out, of 500,000"), "{}", ran.out);

    // Looking at it first asks nobody.
    let contacts = gateway.connections.load(Ordering::SeqCst);
    let check = |verb: &str, args: &[&str], part: &str| {
        let ran = gateway.live_verb(verb, &[args, &["--dry-run"]].concat());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        assert!(ran.out.contains(part), "{}", ran.out);
    };
    check("replay", &[case, "--times", "2"], "1 case would be sent, each at most 2 times");
    check("replay", &[case, "--format", "json"], "\"dry_run\":true");
    check("shrink", &[case], "at most 200 times; nothing was sent");
    let prices = ["--budget-usd", "1", "--price-input", "1", "--price-output", "5"];
    check("shrink", &[&[case], &prices[..]].concat(), "at most\n");
    assert_eq!(gateway.connections.load(Ordering::SeqCst), contacts);
}

#[test]
fn a_busy_server_is_left_alone() {
    let gateway = Gateway::start(true);
    let ran = gateway.live(&["--max-cases", "400"]);
    assert_eq!(ran.code, 5, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("the server is busy"), "{}", ran.out);
    // Ten in a row are enough; what was on its way comes on top.
    assert!(gateway.connections.load(Ordering::SeqCst) < BUSY_FROM + 20);
}

#[test]
fn nobody_is_contacted_who_was_not_named() {
    let gateway = Gateway::start(false);
    let check = |args: &[&str], code: i32, part: &str| {
        let ran = gateway.run(args);
        assert_eq!(ran.code, code, "{args:?}: {}{}", ran.out, ran.err);
        assert!((ran.out.clone() + &ran.err).contains(part), "{args:?}: {}{}", ran.out, ran.err);
    };
    let url = &*gateway.url;
    check(&["--target", url], 2, "no name server asked");
    check(&["--live", "--key-file", "key", "--target", url], 2, "and no other host");
    check(&["--live", "--target", url, "--allow-host", NAME], 2, "a key is needed");
    check(&["--live", "--key-file", "none", "--target", url], 2, "failed to read");
    check(&["--live", "--key-file", "key", "--budget-usd", "1"], 2, "--price-input");
    check(
        &["--live", "--dry-run", "--max-cases", "20"],
        0,
        "20 cases would be tried, nothing was sent",
    );
    assert_eq!(gateway.connections.load(Ordering::SeqCst), 0);
    // Without the authority there is a handshake and nothing more.
    let resolve = format!("{NAME}=127.0.0.1");
    check(&["--target", url, "--resolve", &resolve], 3, "UnknownIssuer");
}

/// Answers everybody with the same bytes.
fn listen(runtime: &Runtime, answer: Arc<Vec<u8>>) -> SocketAddr {
    runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let _request = stream.read(&mut [0; 64 * 1024]).await;
                    let _best_effort = stream.write_all(&answer).await;
                    let _best_effort = stream.shutdown().await;
                    let _until_it_leaves = stream.read(&mut [0; 1024]).await;
                });
            }
        });
        address
    })
}

#[test]
fn servers_that_mean_harm_end_the_run_and_not_the_tool() {
    let gateway = Gateway::start(false);
    let elsewhere = gateway.connections.clone();
    let location = gateway.url.replace(NAME, "127.0.0.1");
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let stream = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    for answer in [
        format!("{json}\r\n{}", "[".repeat(20 << 20)),
        format!("{stream}data: {}", "x".repeat(20 << 20)),
        format!("{json}{}", "a: b\r\n".repeat(200_000)),
        format!("{json}content-length: 500\r\n\r\n{{}}"),
        format!("{json}content-length: 1\r\n\r\n{{}}"),
        format!("HTTP/1.1 307 Go\r\nlocation: {location}/v1/messages\r\ncontent-length: 0\r\n\r\n"),
        "HTTP/1.1 103 Early\r\n\r\n".repeat(10_000),
        "\u{0}\u{1}\u{2}".to_owned(),
        String::new(),
    ] {
        let address = listen(&gateway._runtime, Arc::new(answer.clone().into_bytes()));
        let started = Instant::now();
        let target = format!("http://{address}");
        let ran = gateway.run(&["--target", &target, "--max-cases", "3", "--max-time", "20s"]);
        let shown: String = answer.chars().take(80).collect();
        assert!(matches!(ran.code, 1 | 3), "{shown:?}: {} {}{}", ran.code, ran.out, ran.err);
        assert!(started.elapsed() < RUN_MAX, "{shown:?}: {:?}", started.elapsed());
    }
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0, "a redirect was followed");
}
