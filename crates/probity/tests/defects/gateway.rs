//! Gateways with one defect each, between the contract and our mock.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use classify::{Body, Headers, Observation, Request};
use contract::case::{Case, Origin};
use contract::corpus::{self, Plan};
use contract::version::OperationId;
use mock::{Answer, Chunk};
use probity::settings;
use probity::specs::{Overrides, Specs};
use probity::twins::{self, Twins};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use wire::send::{Connections, Sender, send};
use wire::target::{Key, Target};

use crate::common::{self, serve};

/// The key that the tool shows to local servers when it has none.
const KEY: &str = "sk-ant-api03-probity-test-key";

/// Enough for every defect here to strike, and sent in seconds.
const CASES_MAX: usize = 200;

/// Loopback answers in milliseconds; a machine that is busy, in seconds.
const DEADLINE_MS: u64 = 30_000;

static SPECS: LazyLock<Specs> =
    LazyLock::new(|| Specs::load(&Overrides::default()).unwrap_or_else(|stop| panic!("{stop:?}")));

/// What a gateway does to what passes through it.
#[derive(Clone, Copy)]
struct Gateway {
    /// What it answers by itself.
    answers: fn(&Request) -> Option<Answer>,
    /// What it does to the parameters on their way.
    asks: fn(&mut Value),
    /// What it does to the answer on its way back.
    tells: fn(&mut Answer),
}

const FAITHFUL: Gateway = Gateway { answers: |_| None, asks: |_| {}, tells: |_| {} };

fn gateway(name: &str) -> Gateway {
    match name {
        "ends-every-turn" => Gateway { tells: end_turn, ..FAITHFUL },
        "faithful" => FAITHFUL,
        "flattens-results" => Gateway { asks: flatten_results, ..FAITHFUL },
        "has-no-models" => Gateway { answers: has_no_models, ..FAITHFUL },
        "holds-streams-back" => Gateway { tells: hold_back, ..FAITHFUL },
        "loses-calls" => Gateway { asks: lose_calls, ..FAITHFUL },
        "loses-first-delta" => Gateway { tells: lose_first_delta, ..FAITHFUL },
        "loses-first-input" => Gateway { tells: lose_first_input, ..FAITHFUL },
        "loses-input" => Gateway { tells: lose_input, ..FAITHFUL },
        "refuses-thinking" => Gateway { answers: refuse_thinking, ..FAITHFUL },
        _ => panic!("no gateway {name}"),
    }
}

/// Whatever cut the answer off, it is told as the end of the turn.
fn end_turn(answer: &mut Answer) {
    const ENDED: &str = r#""stop_reason":"end_turn""#;
    let cut = [r#""stop_reason":"max_tokens""#, r#""stop_reason":"refusal""#];
    let bytes = cut.iter().fold(body(answer), |text, reason| text.replace(reason, ENDED)).into();
    answer.chunks = vec![Chunk { bytes, delay_ms: 0 }];
}

/// A result that is a list of blocks goes on as the text of that list.
fn flatten_results(params: &mut Value) {
    let messages = params["messages"].as_array_mut().into_iter().flatten();
    let blocks = messages.filter_map(|message| message["content"].as_array_mut()).flatten();
    for block in
        blocks.filter(|block| block["type"] == "tool_result" && block["content"].is_array())
    {
        block["content"] = block["content"].to_string().into();
    }
}

fn has_no_models(request: &Request) -> Option<Answer> {
    let error = json!({
        "type": "error", "error": {"type": "not_found_error", "message": "Not found"},
        "request_id": "req_011CProbityDefect",
    });
    request.path().starts_with("/v1/models").then(|| says(404, &error))
}

/// The head of its answer tells the length of a stream, which therefore was over before it began.
fn hold_back(answer: &mut Answer) {
    if is_stream(answer) {
        let length = body(answer).len();
        answer.headers.push("content-length", length.to_string());
    }
}

/// Its translation of the history knows texts and results.
fn lose_calls(params: &mut Value) {
    for message in params["messages"].as_array_mut().into_iter().flatten() {
        if let Some(blocks) = message["content"].as_array_mut() {
            blocks.retain(|block| block["type"] != "tool_use");
            if blocks.is_empty() {
                blocks.push(json!({"type": "text", "text": "I called a tool."}));
            }
        }
    }
}

/// The piece that makes it start another block is not told.
fn lose_first_delta(answer: &mut Answer) {
    let mut last = 0;
    keep_events(answer, |event| {
        let index = event["index"].as_u64().unwrap_or(0);
        let is_first = event["delta"]["type"] == "text_delta" && last < index;
        if is_first {
            last = index;
        }
        !is_first
    });
}

fn lose_first_input(answer: &mut Answer) {
    let mut last = None;
    keep_events(answer, |event| {
        let index = event["index"].as_u64();
        let has_piece = event["delta"]["partial_json"].as_str().is_some_and(|it| !it.is_empty());
        let is_first = has_piece && last != index;
        if is_first {
            last = index;
        }
        !is_first
    });
}

fn lose_input(answer: &mut Answer) {
    keep_events(answer, |event| event["delta"]["type"] != "input_json_delta");
}

fn refuse_thinking(request: &Request) -> Option<Answer> {
    let params: Value = serde_json::from_slice(&request.body.to_bytes()).ok()?;
    let messages = params["messages"].as_array()?.iter();
    let mut blocks = messages.filter_map(|message| message["content"].as_array()).flatten();
    let dump = json!({"detail": [{"loc": ["body", "messages", 1], "msg": "Input should be a valid string"}]});
    blocks.any(|block| block["type"] == "thinking").then(|| says(400, &dump))
}

fn says(status: u16, body: &Value) -> Answer {
    let mut headers = Headers::default();
    headers.push("content-type", "application/json");
    headers.push("request-id", "req_011CProbityDefect");
    let chunks = vec![Chunk { bytes: body.to_string().into(), delay_ms: 0 }];
    Answer { status, headers, chunks, refused: None }
}

fn is_stream(answer: &Answer) -> bool {
    let media = answer.headers.get("content-type").unwrap_or_default();
    media.starts_with("text/event-stream")
}

fn body(answer: &Answer) -> String {
    let chunks = answer.chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes));
    chunks.collect()
}

/// Leaves events out of a stream.
fn keep_events(answer: &mut Answer, mut is_kept: impl FnMut(&Value) -> bool) {
    if !is_stream(answer) {
        return;
    }
    let text = body(answer);
    let kept = text.split_inclusive("\n\n").filter(|event| {
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
        is_kept(&serde_json::from_str(data).unwrap_or_default())
    });
    let bytes = kept.collect::<String>().into();
    answer.chunks = vec![Chunk { bytes, delay_ms: 0 }];
}

/// What passes through that gateway, `behind` standing behind it.
fn through(gateway: Gateway, request: &Request, behind: impl Fn(&Request) -> Answer) -> Answer {
    if let Some(answer) = (gateway.answers)(request) {
        return answer;
    }
    let mut request = request.clone();
    if let Ok(mut params) = serde_json::from_slice::<Value>(&request.body.to_bytes()) {
        let before = params.clone();
        (gateway.asks)(&mut params);
        // What it has nothing to do with keeps its bytes.
        if params != before {
            request.body = Body::Bytes(params.to_string().into());
        }
    }
    let mut answer = behind(&request);
    (gateway.tells)(&mut answer);
    answer
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Our mock in this process, behind that gateway.
pub(crate) fn mock_behind(name: &str) -> SocketAddr {
    let (gateway, mock) = (gateway(name), common::mock(Some(KEY)));
    serve(move |request| through(gateway, request, &mock))
}

/// A request to another server; its answer, without what is only about the connection.
fn forward(to: SocketAddr, request: &Request) -> Answer {
    let observation = thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let target = Target::local(to, Key::new(KEY.to_owned())).unwrap();
            let sender = Sender::new(target, Connections::Fresh, DEADLINE_MS);
            runtime().block_on(send(&sender, &without_hops(request)))
        });
        asked.join().unwrap()
    });
    let Observation::Reply(reply) = observation else { panic!("{observation:?}") };
    let mut headers = reply.headers;
    HOPS.iter().for_each(|name| headers.remove(name));
    let chunks = vec![Chunk { bytes: reply.body, delay_ms: 0 }];
    Answer { status: reply.status, headers, chunks, refused: None }
}

const HOPS: [&str; 5] = ["connection", "content-length", "date", "host", "transfer-encoding"];

fn without_hops(request: &Request) -> Request {
    let mut request = request.clone();
    HOPS.iter().for_each(|name| request.headers.remove(name));
    request
}

/// What a run said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) findings: Vec<Finding>,
    /// Cases that were judged.
    pub(crate) n_cases: usize,
    pub(crate) holds_strict: bool,
    /// By the name of the feature.
    pub(crate) support: BTreeMap<String, String>,
    #[expect(dead_code, reason = "it is shown when a test fails")]
    said: String,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) rule: String,
    pub(crate) blame: String,
    pub(crate) trace: String,
}

/// The contract against that gateway, with our mock behind it.
pub(crate) fn contract(name: &str, cases: &[String]) -> Told {
    // A port that is free now; nobody else asks for it in the moment until it is taken again.
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = gateway(name);
    let address =
        serve(move |request| through(gateway, request, |request| forward(upstream, request)));
    run(address, cases, &["--upstream-mock", &upstream.to_string()])
}

/// What a run with a few cases tells of that gateway.
pub(crate) fn probe(name: &str) -> Told {
    run(mock_behind(name), &["2023-06-01/messages.create/valid/*".to_owned()], &[])
}

fn run(address: SocketAddr, cases: &[String], args: &[&str]) -> Told {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("defects-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.args(["contract", "--target", &format!("http://{address}")]).args(args);
    command.args(["--report", "json=all.json", "--max-cases", &CASES_MAX.to_string()]);
    command.args(cases.iter().flat_map(|glob| ["--filter", glob]));
    for name in ["ANTHROPIC_API_KEY", "CI", "GITHUB_ACTIONS", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    let output = command.current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let report = std::fs::read(folder.join("all.json")).unwrap_or_else(|_| panic!("{said}"));
    std::fs::remove_dir_all(folder).unwrap();
    told(output.status.code(), said.into_owned(), &serde_json::from_slice(&report).unwrap())
}

fn told(code: Option<i32>, said: String, report: &Value) -> Told {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let results = list(&report["results"]);
    let findings = results.iter().flat_map(|result| list(&result["findings"])).map(|it| Finding {
        rule: text(&it["rule"]),
        blame: text(&it["blame"]),
        trace: text(&it["trace"]),
    });
    let conformance = &report["conformance"];
    let features = list(&conformance["features"]);
    let support = features.iter().map(|row| (text(&row["feature"]), text(&row["support"])));
    let levels = list(&conformance["levels"]);
    Told {
        code,
        findings: findings.collect(),
        n_cases: usize::try_from(report["cases"]["total"].as_u64().unwrap_or(0)).unwrap(),
        holds_strict: levels.iter().any(|row| row["level"] == "strict" && row["holds"] == true),
        support: support.collect(),
        said,
    }
}

/// Streams and plain answers of that gateway and of a faithful one, in those cases in which the defect strikes.
pub(crate) async fn twins(name: &str) -> (Twins, Twins) {
    let gateway = gateway(name);
    let mock = common::mock(Some(KEY));
    let is_struck = |case: &Case| is_struck(gateway, &mock, &case.request);
    let cases: Vec<Case> = streaming().filter(is_struck).collect();
    let ask = async |name: &str| {
        let target = Target::local(mock_behind(name), Key::new(KEY.to_owned())).unwrap();
        let sender = Sender::new(target, Connections::Fresh, DEADLINE_MS);
        twins::check(cases.iter(), async |case| Some(twins::compare(&sender, case).await)).await
    };
    (ask(name).await, ask("faithful").await)
}

fn streaming() -> impl Iterator<Item = Case> {
    let plan = Plan { seed: settings::SEED, cases_max: None, heavy: false };
    corpus::cases(&SPECS.contract, &SPECS.witnesses, plan).filter(|case| {
        case.operation == OperationId::MessagesCreate
            && case.traits.stream
            && matches!(case.origin, Origin::Valid)
    })
}

fn is_struck(gateway: Gateway, mock: impl Fn(&Request) -> Answer, request: &Request) -> bool {
    let mut request = request.clone();
    for (_, value) in &mut request.headers.0 {
        *value = Key::new(KEY.to_owned()).fill(value).into_owned().into();
    }
    let before = mock(&request);
    let mut after = before.clone();
    (gateway.tells)(&mut after);
    body(&before) != body(&after)
}
