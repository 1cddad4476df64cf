//! Journals with the real binary: killed and resumed, cut into shards and merged, judged again.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A part of the corpus that takes a second.
const FILTER: &str = "messages.count_tokens/mut/required";

struct Bench {
    folder: PathBuf,
}

impl Bench {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("journal-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.args(args).current_dir(&self.folder).env("COLUMNS", "80");
        for name in ["ANTHROPIC_API_KEY", "CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs, and asks for that exit code; standard output, and standard error.
    fn run(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}{err}");
        (out, err)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}

/// Serves whatever is asked, be it right or wrong, takes its time, and counts. Its request id says what was asked, so
/// that a line of a journal can be found among what was counted.
struct Server {
    url: String,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let counted = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = counted.clone();
                std::thread::spawn(move || answer(stream, &counted));
            }
        });
        Self { url, asked }
    }

    /// What was asked since this was called last.
    fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

const COUNT: &str = r#"{"input_tokens":12}"#;
const MESSAGE: &str = r#"{"id":"msg_01","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#;

fn answer(mut stream: TcpStream, counted: &Mutex<BTreeMap<String, usize>>) -> Option<()> {
    let mut from = BufReader::new(stream.try_clone().ok()?);
    let mut request = Vec::new();
    let mut body_bytes = 0;
    loop {
        let start = request.len();
        from.read_until(b'\n', &mut request).ok().filter(|read| *read > 0)?;
        let line = String::from_utf8_lossy(&request[start..]).to_ascii_lowercase();
        if let Some(length) = line.strip_prefix("content-length:") {
            body_bytes = length.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; body_bytes];
    from.read_exact(&mut body).ok()?;
    let mut hasher = DefaultHasher::new();
    (&request, &body).hash(&mut hasher);
    let id = format!("req_{:016x}", hasher.finish());
    *counted.lock().unwrap().entry(id.clone()).or_default() += 1;
    std::thread::sleep(Duration::from_millis(2));
    let is_counting = String::from_utf8_lossy(&request).contains("/count_tokens");
    let text = if is_counting { COUNT } else { MESSAGE };
    let length = text.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: {id}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{text}").as_bytes()).ok()
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

/// The request ids in a journal, and how often each is there.
fn answered(journal: &str) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for line in journal.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line.get("id").is_none() {
            continue;
        }
        let headers = line["observation"]["reply"]["headers"].as_array().unwrap().clone();
        let id = headers.iter().find(|header| header[0] == "request-id").unwrap();
        *ids.entry(id[1].as_str().unwrap().to_owned()).or_default() += 1;
    }
    ids
}

#[test]
fn a_killed_run_goes_on_and_repeats_nothing() {
    let (bench, server) = (Bench::new(), Server::start());
    let args = |journal: &'static str, more: &[&'static str]| {
        let url = server.url.as_str();
        let mut args = vec!["contract", "--target", url, "--filter", FILTER, "--no-timings"];
        args.extend(["--format", "json", "--journal", journal]);
        args.extend(more);
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let refs = |args: &[String]| args.iter().map(String::as_str).collect::<Vec<_>>().join("\u{0}");
    let run = |code: i32, args: &[String]| {
        let joined = refs(args);
        bench.run(code, &joined.split('\u{0}').collect::<Vec<_>>())
    };
    let (whole, _) = run(1, &args("whole.jsonl", &[]));
    let asked_in_all = server.take();
    // But for the head, the probe and the end.
    let cases = lines(&bench.read("whole.jsonl")) - 3;
    assert!(cases > 40, "{cases}");

    let mut child = bench
        .command(
            &args("killed.jsonl", &["--resume"]).iter().map(String::as_str).collect::<Vec<_>>(),
        )
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    loop {
        let journal = std::fs::read_to_string(bench.folder.join("killed.jsonl"));
        if lines(&journal.unwrap_or_default()) > cases / 3 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the run does not come on");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What was on its way when the run was killed may still come in.
    std::thread::sleep(Duration::from_millis(50));
    server.take();
    let killed = bench.read("killed.jsonl");
    let finished = &killed[..=killed.rfind('\n').unwrap()];
    let done = answered(finished);
    assert!(lines(finished) > 1 && lines(finished) <= cases, "it was killed in the middle");
    bench.write("killed.jsonl", &format!("{finished}{{\"id\":\"2026-10-21/messages.cou"));

    let (resumed, said) = run(1, &args("killed.jsonl", &["--resume"]));
    let done_count: usize = done.values().sum();
    assert!(said.contains(&format!("killed.jsonl: {done_count} answers in it")), "{said}");
    assert!(said.contains("its last line was never finished"), "{said}");
    assert_eq!(resumed, whole, "the report is that of a run that was not killed");
    let asked = server.take();
    for (id, times) in answered(&bench.read("whole.jsonl")) {
        let wanted = times - done.get(&id).copied().unwrap_or(0);
        assert_eq!(asked.get(&id).copied().unwrap_or(0), wanted, "{id}");
    }
    let beside: usize = asked.values().sum::<usize>() - (cases - done_count);
    assert_eq!(beside, 1, "a look whether anybody is there, and no probe");
    assert_eq!(asked.keys().find(|id| !asked_in_all.contains_key(*id)), None);
    assert_eq!(answered(&bench.read("killed.jsonl")), answered(&bench.read("whole.jsonl")));

    let (again, _) = run(1, &args("killed.jsonl", &["--resume"]));
    assert_eq!(again, whole);
    let (_, said) = run(2, &args("killed.jsonl", &["--resume", "--seed", "7"]));
    assert!(said.contains("is the journal of another run: seed 1, not 7"), "{said}");
}

/// Our own server, for as long as the test looks at it.
struct OwnServer(std::process::Child);

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _best_effort = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn what_was_asked_beside_the_cases_is_not_asked_again() {
    let bench = Bench::new();
    let key = "sk-ant-api03-probity-test-key";
    let listen = ["serve", "--listen", "127.0.0.1:0", "--api-key", key];
    let child = bench.command(&listen).stdout(Stdio::piped()).spawn().unwrap();
    let mut server = OwnServer(child);
    let mut said = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let url = said.find_map(|line| {
        let line = line.unwrap();
        let at = line.find("http://")?;
        line[at..].split_whitespace().next().map(str::to_owned)
    });
    let url = url.unwrap();
    let run = || {
        let usual = ["contract", "--target", &url, "--max-cases", "150", "--no-timings", "--quiet"];
        let more = ["--format", "json", "--journal", "a.jsonl", "--resume"];
        bench.run(0, &[&usual[..], &more[..]].concat()).0
    };
    let whole = run();
    let journal = bench.read("a.jsonl");
    let twin = journal.find("{\"twin\":").expect("a stream is compared");
    assert_eq!(run(), whole);
    let last = journal.lines().next_back().unwrap();
    assert_eq!(bench.read("a.jsonl"), format!("{journal}{last}\n"), "it ended twice");
    // Killed right after the first comparison.
    let end = twin + journal[twin..].find('\n').unwrap() + 1;
    bench.write("a.jsonl", &journal[..end]);
    assert_eq!(run(), whole);
    assert_eq!(bench.read("a.jsonl"), journal);
}

const REPORTS: &str = "json=all.json,junit=all.xml,ndjson=all.ndjson";
/// And what only a target has.
const CONFORMANCE: &str = "html=all.html,markdown=all.md,badge=all.svg";

/// Runs undivided and in two shards against `target`, and compares all that is told; the JSON report.
fn check_merge(bench: &Bench, target: Option<&str>, code: i32) -> String {
    let mut usual = vec!["contract", "--no-timings", "--filter", FILTER];
    usual.extend(target.iter().flat_map(|url| ["--target", *url]));
    let run = |more: &[&str]| bench.run(code, &[&usual, more].concat()).0;
    let mut names = vec!["all.json", "all.xml", "all.ndjson"];
    let mut reports = REPORTS.to_owned();
    if target.is_some() {
        names.extend(["all.html", "all.md", "all.svg"]);
        reports += &format!(",{CONFORMANCE}");
    }
    let read = || names.iter().map(|name| bench.read(name)).collect::<Vec<_>>();
    let out = run(&["--report", &reports, "--journal", "whole.jsonl"]);
    let mut told = read();
    for shard in ["1", "2"] {
        let report = format!("json={shard}.json");
        let (of, journal) = (format!("{shard}/2"), format!("{shard}.jsonl"));
        run(&["--shard", &of, "--journal", &journal, "--report", &report]);
    }
    let merge = ["merge", "--no-timings", "--report", &reports];
    let (merged, _) = bench.run(code, &[&merge[..], &["1.jsonl", "2.jsonl"]].concat());
    assert_eq!(read(), told);
    assert_eq!(merged, out);
    let merge = ["merge", "--no-timings", "--report", REPORTS, "2.json", "1.jsonl"];
    let (merged, _) = bench.run(code, &merge);
    if target.is_none() {
        assert_eq!((read(), merged), (told.clone(), out));
    } else {
        assert_eq!(cases(&bench.read("all.json")), cases(&told[0]));
        assert_eq!([bench.read("all.xml"), bench.read("all.ndjson")], told[1..3]);
        assert!(merged.contains("are told by the journals of all shards"), "{merged}");
    }
    told.swap_remove(0)
}

/// A report without what only journals tell of a target, and without how that ends the run.
fn cases(report: &str) -> Value {
    let mut report: Value = serde_json::from_str(report).unwrap();
    let object = report.as_object_mut().unwrap();
    assert!(object.remove("conformance_missing").is_some() != object.contains_key("conformance"));
    object.retain(|name, _| name != "conformance" && name != "exit");
    report
}

#[test]
fn shards_of_a_clean_run_merge_to_the_same_bytes() {
    check_merge(&Bench::new(), None, 0);
}

#[test]
fn shards_of_a_run_with_findings_merge_to_the_same_bytes() {
    let (bench, server) = (Bench::new(), Server::start());
    let whole = check_merge(&bench, Some(&server.url), 1);
    // Nothing is sent any more, and all that is known of the target stands in its journals.
    server.take();
    bench.run(1, &["replay", "--judge-only", "whole.jsonl", "--report", "json=again.json"]);
    let conformance = |report: &str| {
        let report: Value = serde_json::from_str(report).unwrap();
        report["conformance"].clone()
    };
    let again = conformance(&bench.read("again.json"));
    assert_eq!(again, conformance(&whole));
    assert!(again["rules"].is_array());
    assert_eq!(server.take(), BTreeMap::new());

    let other = bench.read("2.jsonl");
    let broken = r#"{"feature":"streaming","support":"broken""#;
    assert!(other.contains(broken));
    bench.write("other.jsonl", &other.replace(broken, &broken.replace("broken", "works")));
    let (_, said) = bench.run(2, &["merge", "1.jsonl", "other.jsonl"]);
    let differ =
        "shard 2/2 (other.jsonl) found streaming working, shard 1/2 (1.jsonl) found it broken";
    assert!(said.contains(differ), "{said}");
    let (_, said) = bench.run(2, &["merge", "1.json", "2.json", "--report", "html=all.html"]);
    assert!(said.contains("there is nothing to write to all.html"), "{said}");
}

#[test]
fn shards_that_do_not_fit_are_named() {
    let bench = Bench::new();
    for (shard, journal) in [("1/2", "a.jsonl"), ("2/2", "b.jsonl")] {
        let usual = ["contract", "--quiet", "--filter", FILTER, "--shard", shard];
        bench.run(0, &[&usual[..], &["--journal", journal]].concat());
    }
    let b = bench.read("b.jsonl");
    bench.write("seed.jsonl", &b.replacen("\"seed\":1", "\"seed\":2", 1));
    bench.write("third.jsonl", &b.replacen("\"2/2\"", "\"2/3\"", 1));
    let short: Vec<_> = b.lines().take(lines(&b) - 3).collect();
    bench.write("short.jsonl", &format!("{}\n", short.join("\n")));
    bench.write("other.jsonl", "{\"id\":1}\n");
    let check = |files: &[&str], expected: &[&str]| {
        let (_, said) = bench.run(2, &[&["merge"], files].concat());
        for part in expected {
            assert!(said.contains(part), "{files:?}: {part}: {said}");
        }
    };
    check(&["a.jsonl"], &["shard is missing: 2/2"]);
    check(&["a.jsonl", "b.jsonl", "b.jsonl"], &["shard 2/2 is there twice: b.jsonl and b.jsonl"]);
    check(&["a.jsonl", "seed.jsonl"], &["a.jsonl and seed.jsonl", "seed 2, not 1"]);
    check(&["a.jsonl", "third.jsonl"], &["a.jsonl and third.jsonl are shards 1/2 and 2/3"]);
    check(&["a.jsonl", "short.jsonl"], &["shard 2/2 (short.jsonl)", "it lacks 2 cases"]);
    check(&["other.jsonl"], &["other.jsonl", "neither a journal nor a JSON report"]);
    check(&["nothing.jsonl"], &["nothing.jsonl"]);
    check(&["a.jsonl", "b.jsonl", "--seed", "3"], &["cannot be used with"]);
}

#[test]
fn old_answers_are_judged_by_todays_rules() {
    let bench = Bench::new();
    bench.run(0, &["contract", "--quiet", "--filter", FILTER, "--journal", "a.jsonl"]);
    let journal = bench.read("a.jsonl");
    let (out, _) = bench.run(0, &["replay", "--judge-only", "a.jsonl"]);
    assert!(out.contains("every verdict is the one in the journal"), "{out}");
    assert!(out.contains("clean: ") && !out.contains("read as their files say"), "{out}");

    let mut edited: Vec<Value> =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused = edited.iter().position(|line| line["judged"]["status"] == 400).unwrap();
    let id = edited[refused]["id"].as_str().unwrap().to_owned();
    edited[refused]["observation"]["reply"]["status"] = 418.into();
    // The very last line says that the run came to its end.
    let last = edited.len() - 2;
    edited[last]["request"]["digest"] = "0".into();
    edited[last - 1]["id"] = "2026-10-21/messages.count_tokens/mut/required/gone".into();
    let edited: String = edited.iter().map(|line| format!("{line}\n")).collect();
    bench.write("edited.jsonl", &edited);
    let (out, _) = bench.run(1, &["replay", "--judge-only", "edited.jsonl"]);
    for part in [
        "1 case judged otherwise than in the journal",
        &id,
        "agree → drift (answer-class)",
        "1 case left out: the request is another today",
        "1 case left out: not asked for, or no longer in the corpus",
        "exit 1: 1 case drift",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    bench.run(2, &["replay", "--judge-only", "nothing.jsonl"]);
    bench.run(2, &["replay", "--judge-only", "a.jsonl", "no-such-rule"]);
    bench.run(0, &["replay", "--judge-only", "a.jsonl", "required/model"]);
}
