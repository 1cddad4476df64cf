//! The real recorder between a small client and our own server, over real sockets, ended by real signals.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

const KEY: &str = "sk-ant-api03-probity-canary-key";
const HELLO: &str = r#"{"model":"claude-sonnet-4-6","max_tokens":64,"messages":[{"role":"user","content":"Tell me a story"}]}"#;

/// A verb that runs until it is told to end.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Running {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut child = probity(args).current_dir(folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.split_once("http://").unwrap().1.split(' ').next().unwrap().to_owned();
        Self { child, out, address }
    }

    /// Ends it with that signal; what it said since the first line, and its exit code.
    fn end(mut self, signal: &str) -> (String, Option<i32>) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        (said, self.child.wait().unwrap().code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
    }
}

fn probity(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.args(args).env_remove("CLICOLOR_FORCE").env_remove("ANTHROPIC_API_KEY");
    command
}

/// A recorder in front of some address, in a folder of its own.
struct Taped {
    folder: PathBuf,
    recorder: Running,
}

impl Taped {
    fn before(target: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("record-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let target = format!("http://{target}");
        let args =
            ["record", "--listen", "127.0.0.1:0", "--target", &target, "--out", "a.ndjson,a.har"];
        let recorder = Running::start(&folder, &args);
        Self { folder, recorder }
    }

    /// Sends a request and reads its answer to the end of the connection.
    fn ask(&self, method: &str, target: &str, body: &str) -> String {
        let mut stream = self.begin(method, target, body);
        let mut came = String::new();
        stream.read_to_string(&mut came).unwrap();
        came
    }

    fn begin(&self, method: &str, target: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.recorder.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nanthropic-version: 2026-10-21\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    /// The exchanges of the recording, of both files alike.
    fn exchanges(&self) -> Vec<Value> {
        let lines = self.text("a.ndjson");
        let exchanges: Vec<Value> =
            lines.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        let har: Value = serde_json::from_str(&self.text("a.har")).unwrap();
        assert_eq!(har["log"]["entries"].as_array().unwrap().len(), exchanges.len());
        exchanges
    }

    /// What `check` says of that file, and its exit code.
    fn check(&self, name: &str) -> (String, Option<i32>) {
        let output = probity(&["check", name]).current_dir(&self.folder).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    }
}

impl Drop for Taped {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn what_was_recorded_is_what_went_through_and_checks_clean() {
    let served = Running::start(
        Path::new(env!("CARGO_TARGET_TMPDIR")),
        &["serve", "-q", "--listen", "127.0.0.1:0"],
    );
    let taped = Taped::before(&served.address);
    let whole = taped.ask("POST", "/v1/messages", HELLO);
    assert!(whole.starts_with("HTTP/1.1 200 "), "{whole}");
    let streaming = HELLO.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"");
    let stream = taped.ask("POST", "/v1/messages", &streaming);
    assert!(stream.contains("event: message_stop"), "{stream}");
    taped.ask("GET", "/v1/models?limit=1", "");
    taped.ask("POST", "/v1/messages/count_tokens", &HELLO.replace("\"max_tokens\":64,", ""));

    let exchanges = taped.exchanges();
    assert_eq!(exchanges.len(), 4);
    assert_eq!(exchanges[0]["answer"]["body"]["text"], body(&whole));
    assert_eq!(exchanges[0]["request"]["body"]["text"], HELLO);
    assert_eq!(exchanges[0]["end"], "complete");
    let withheld = exchanges[0]["request"]["withheld"].as_array().unwrap();
    assert!(withheld.iter().any(|name| name == "x-api-key"), "{withheld:?}");
    // The pieces of the stream came one by one, and add up to it.
    let answer = &exchanges[1]["answer"];
    let chunks = answer["chunks"].as_array().unwrap();
    let sum = |name: &str| chunks.iter().map(|chunk| chunk[name].as_u64().unwrap()).sum::<u64>();
    assert!(chunks.len() > 4, "{chunks:?}");
    assert_eq!(sum("bytes"), answer["body"]["text"].as_str().unwrap().len() as u64);
    assert!(chunks[0]["at_ms"].as_u64() < chunks[chunks.len() - 1]["at_ms"].as_u64(), "{chunks:?}");

    for name in ["a.ndjson", "a.har"] {
        let (said, code) = taped.check(name);
        assert!(said.contains("4 requests and 4 answers in 1 file"), "{said}");
        assert!(said.contains("3 accepted, 1 streamed"), "{said}");
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn a_key_is_written_nowhere() {
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = echo.local_addr().unwrap().to_string();
    // A server that says back all it was told, in head and body.
    let server = std::thread::spawn(move || {
        let (mut stream, _) = echo.accept().unwrap();
        let mut told = vec![0; 4096];
        let count = stream.read(&mut told).unwrap();
        let told = String::from_utf8_lossy(&told[..count]).into_owned();
        assert!(told.contains(KEY), "the credentials of the client pass through: {told}");
        let head = format!(
            "HTTP/1.1 401 X\r\nvia: {KEY}\r\nset-cookie: {KEY}\r\nlocation: /?key={KEY}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(format!("{head}{told}").as_bytes()).unwrap();
    });
    let mut taped = Taped::before(&address);
    let said =
        taped.ask("POST", &format!("/v1/messages?api_key={KEY}"), &format!("{{\"a\":\"{KEY}\"}}"));
    assert!(said.matches(KEY).count() > 3, "{said}");
    server.join().unwrap();
    let exchanges = taped.exchanges();
    assert_eq!(exchanges[0]["answer"]["status"], 401);
    let (mut all, _) = taped.check("a.ndjson");
    let nobody = Running::start(&taped.folder, &["serve", "-q", "--listen", "127.0.0.1:0"]);
    let recorder = std::mem::replace(&mut taped.recorder, nobody);
    all += &recorder.end("-INT").0;
    all += &taped.text("a.ndjson");
    all += &taped.text("a.har");
    assert!(all.contains("401 POST /v1/messages"), "{all}");
    assert!(!all.contains("canary"), "{all}");
}

/// What a body becomes under each coding; `zstd` and `br` may hold it as it is, which hides nothing.
fn packed(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes()).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(text.as_bytes()).unwrap();
    let length = u32::try_from(text.len()).unwrap();
    let block = (length << 3 | 1).to_le_bytes();
    let head = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0], &length.to_le_bytes()[..], &block[..3]].concat();
    let bits = (length - 1) << 4 | 1 << 20;
    vec![
        ("gzip", gzip.finish().unwrap()),
        ("deflate", zlib.finish().unwrap()),
        ("zstd", [&head, text.as_bytes()].concat()),
        ("br", [&bits.to_le_bytes()[..3], text.as_bytes(), &[3]].concat()),
    ]
}

/// Says back the same bytes under that coding to everybody, one connection after the other.
fn answer_packed(answers: Vec<(String, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for (head, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let _some = stream.read(&mut [0; 4096]).unwrap();
            let head = format!(
                "HTTP/1.1 401 X\r\ncontent-type: application/json\r\nconnection: close\r\n{head}\r\n"
            );
            stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        }
    });
    address
}

#[test]
fn a_key_in_a_packed_body_is_written_nowhere() {
    let told = |key: &str| {
        let error = json!({"type": "authentication_error", "message": format!("{key} is no key")});
        json!({"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"})
            .to_string()
    };
    let (telling, silent) = (packed(&told(KEY)), packed(&told("It")));
    let with = |coding: &str| format!("content-encoding: {coding}\r\n");
    let mut answers: Vec<_> =
        telling.iter().map(|(coding, body)| (with(coding), body.clone())).collect();
    answers.extend(silent.iter().map(|(coding, body)| (with(coding), body.clone())));
    let gzip = &telling[0].1;
    let half = gzip[..gzip.len() - 12].to_vec();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 65 << 20]).unwrap();
    answers.push((with("gzip") + "content-length: 9999\r\n", half.clone()));
    answers.push((with("gzip"), half));
    answers.push((with("gzip"), bomb.finish().unwrap()));
    answers.push((with("compress"), gzip.clone()));
    answers.push((String::new(), gzip.clone()));
    let count = answers.len();
    let taped = Taped::before(&answer_packed(answers));
    for _ in 0..count {
        let mut came = Vec::new();
        let _cut = taped.begin("POST", "/v1/messages", HELLO).read_to_end(&mut came);
    }
    let exchanges = taped.exchanges();
    let clean = told(&"*".repeat(KEY.len()));
    let kept = |at: usize| exchanges[at]["answer"]["body"].clone();
    for at in 0..4 {
        // Without a word of the coding that is no longer there.
        assert_eq!(kept(at)["text"], clean, "{}", telling[at].0);
        assert_eq!(kept(at)["unpacked"], telling[at].0);
        assert!(!exchanges[at]["answer"]["headers"].to_string().contains("encoding"));
        // What holds none stays as it came.
        assert_eq!(kept(4 + at)["base64"], BASE64.encode(&silent[at].1), "{}", silent[at].0);
        assert!(exchanges[4 + at]["answer"]["headers"].to_string().contains("encoding"));
    }
    // What broke off is unpacked as far as it came, and what should not have is left out.
    assert!(
        kept(8)["text"].as_str().unwrap().starts_with("{\"error\":{\"message\":\"***"),
        "{}",
        kept(8)
    );
    assert_eq!(exchanges[8]["end"]["lost"], "closed");
    for (at, why) in [(9, "does not unpack"), (10, "too much"), (11, "not read here")] {
        assert!(kept(at)["unseen"].as_str().unwrap().contains(why), "{}", kept(at));
        assert_eq!((&kept(at)["text"], &kept(at)["base64"]), (&Value::Null, &Value::Null));
    }
    assert_eq!(kept(12)["text"], clean);
    for name in ["a.ndjson", "a.har"] {
        let text = taped.text(name);
        assert!(!text.contains("canary") && !text.contains(&BASE64.encode(gzip)), "{text}");
        let (said, _) = taped.check(name);
        assert!(said.contains("unjudged  3 ×"), "{said}");
    }
}

#[test]
fn every_end_is_told_as_what_it_was() {
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let taped = Taped::before(&address);
    assert!(taped.ask("POST", "/v1/messages", HELLO).starts_with("HTTP/1.1 502 "));
    assert_eq!(taped.exchanges()[0]["end"]["lost"], "refused");

    let listener = TcpListener::bind(&address).unwrap();
    let server = std::thread::spawn(move || {
        let mut kept = Vec::new();
        for number in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut told = [0; 4096];
            let _some = stream.read(&mut told).unwrap();
            stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nhalf").unwrap();
            if number == 1 {
                // Held open: it is the client who leaves.
                kept.push(stream);
            }
        }
        kept
    });
    let mut came = String::new();
    let _broken = taped.begin("POST", "/v1/messages", HELLO).read_to_string(&mut came);
    assert!(came.ends_with("half"), "{came}");
    let mut stream = taped.begin("POST", "/v1/messages", HELLO);
    let _head = stream.read(&mut [0; 10]).unwrap();
    drop(stream);
    let _kept = server.join().unwrap();
    let ends = || {
        let exchanges = taped.exchanges();
        exchanges.iter().map(|exchange| exchange["end"].clone()).collect::<Vec<_>>()
    };
    for _ in 0..100 {
        if ends().len() == 3 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ends()[1]["lost"], "closed");
    assert_eq!(ends()[2], "client-left");
}

#[test]
fn a_recorder_that_is_killed_has_written_what_had_ended() {
    let served = Running::start(
        Path::new(env!("CARGO_TARGET_TMPDIR")),
        &["serve", "-q", "--listen", "127.0.0.1:0"],
    );
    let mut taped = Taped::before(&served.address);
    for _ in 0..3 {
        taped.ask("POST", "/v1/messages", HELLO);
    }
    let nobody = Running::start(&taped.folder, &["serve", "-q", "--listen", "127.0.0.1:0"]);
    std::mem::replace(&mut taped.recorder, nobody).end("-KILL");
    assert_eq!(taped.exchanges().len(), 3);
    assert_eq!(taped.check("a.ndjson").1, Some(0));
}

#[test]
fn only_this_machine_is_recorded_unless_live() {
    let check = |args: &[&str], part: &str| {
        let output = probity(&[&["record"], args].concat()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(part), "{said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    };
    check(&["--target", "https://api.anthropic.com", "--out", "a.har"], "only loopback");
    check(&["--target", "http://192.0.2.1:1", "--out", "a.har"], "only loopback");
    check(
        &["--target", "http://127.0.0.1:1", "--out", "a.txt"],
        "expected FILE.ndjson or FILE.har",
    );
    let listen = ["--target", "http://127.0.0.1:1", "--out", "a.har", "--listen", "0.0.0.0:1"];
    check(&listen, "only loopback addresses are served");
}
