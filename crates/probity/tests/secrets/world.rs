//! Where the tool runs: a folder of its own, a server that says back whatever it was told, and the tool's own words.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::plants::{LOCATION, LOOKALIKES, OF_SERVER, SET_COOKIE, USER_INFO, of, plants};
use crate::scan;

/// No secret is so short that it passes in one piece.
const PIECE_BYTES: usize = 7;

/// A folder of its own for each test. Everything that is left in it is searched.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("secrets-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.args(args).current_dir(&self.0).stdin(Stdio::null());
        for name in
            ["CLICOLOR_FORCE", "ANTHROPIC_API_KEY", "CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"]
        {
            command.env_remove(name);
        }
        command
    }

    /// Runs it and keeps what it says as a file beside the others.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.keep(self.command(args).output().unwrap())
    }

    pub(crate) fn keep(&self, output: Output) -> String {
        let said = [output.stdout, output.stderr].concat();
        self.keep_text(&said);
        String::from_utf8(said).unwrap()
    }

    pub(crate) fn keep_text(&self, said: &[u8]) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        std::fs::write(self.0.join(format!("said-{number}")), said).unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Every file that was written, but for those that are the input.
    pub(crate) fn files(&self, inputs: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
        let mut folders = vec![self.0.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !inputs.iter().any(|input| path.ends_with(input)) {
                    files.push((path.clone(), std::fs::read(path).unwrap()));
                }
            }
        }
        files
    }

    /// The leaks, as `SECRET in FILE`.
    pub(crate) fn leaks(&self, inputs: &[&str]) -> Vec<String> {
        let mut leaks = Vec::new();
        for (path, bytes) in self.files(inputs) {
            let readings = scan::readings(&bytes);
            let name = path.strip_prefix(&self.0).unwrap().display().to_string();
            let found = plants().into_iter().filter(|plant| scan::holds(&readings, &plant.secret));
            leaks.extend(found.map(|plant| format!("{} in {name}", plant.name)));
            assert!(!plants().iter().any(|plant| name.contains(&plant.secret)), "{name}");
        }
        leaks
    }

    /// The texts that only look like secrets and are not in that file any more.
    pub(crate) fn damage(&self, name: &str) -> Vec<&'static str> {
        let readings = scan::readings(self.text(name).as_bytes());
        LOOKALIKES.into_iter().filter(|text| !scan::holds(&readings, text)).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _best_effort = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A verb that runs until it is told to end.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    said: String,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut child = folder.command(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        out.read_line(&mut said).unwrap();
        let address = said.split_once("http://").unwrap().1.split(' ').next().unwrap().to_owned();
        Self { child, out, said, address }
    }

    /// Interrupts it; all that it said.
    pub(crate) fn end(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.out.read_to_string(&mut self.said).unwrap();
        std::mem::take(&mut self.said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A server that says back all it was told, in its head and in its body, as it came and in every encoding.
pub(crate) struct Echo {
    pub(crate) address: String,
    /// All that came and all that went.
    pub(crate) wire: Arc<Mutex<Vec<u8>>>,
}

impl Echo {
    /// The status is that of all its answers; a stream is answered with a stream, whatever the status.
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let wire = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&wire);
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || answer(stream, status, &kept));
            }
        });
        Self { address, wire }
    }
}

fn answer(mut stream: TcpStream, status: u16, wire: &Mutex<Vec<u8>>) {
    let Some(told) = request(&mut stream) else { return };
    let is_stream = told.contains("\"stream\":true");
    let body = if is_stream { events(&told) } else { error(&told) };
    let media = if is_stream { "text/event-stream" } else { "application/json" };
    let (status, first) =
        (if is_stream { 200 } else { status }, told.lines().next().unwrap_or_default());
    let key =
        told.lines().find_map(|line| line.split_once("x-api-key: ")).map_or("", |(_, key)| key);
    let location =
        format!("https://probe:{}@h.example/cb?token={}#key={key}", of(USER_INFO), of(LOCATION));
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {media}\r\nrequest-id: req_011CSHoEeqs5C35K2UUqR7Fy\r\n\
         set-cookie: session={}; Path=/; HttpOnly\r\nlocation: {location}\r\nvia: 1.1 {key}\r\n\
         www-authenticate: Bearer realm=\"{key}\"\r\nx-told: {}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
        of(SET_COOKIE),
        first.trim(),
    );
    let mut all = head.clone().into_bytes();
    for piece in body.as_bytes().chunks(PIECE_BYTES) {
        all.extend(format!("{:x}\r\n", piece.len()).bytes());
        all.extend([piece, b"\r\n"].concat());
    }
    all.extend(b"0\r\n\r\n");
    wire.lock().unwrap().extend([told.as_bytes(), head.as_bytes(), body.as_bytes()].concat());
    let _may_have_left = stream.write_all(&all);
}

/// The whole request as it came, where it is text.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut told = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let end = told.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&told[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            let is_over = match head.contains("transfer-encoding: chunked") {
                true => told.ends_with(b"0\r\n\r\n"),
                false => end + 4 + length <= told.len(),
            };
            if is_over {
                return Some(String::from_utf8_lossy(&told).into_owned());
            }
        }
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        told.extend_from_slice(&piece[..count]);
    }
}

/// What was told, several times over.
fn echoed(told: &str) -> String {
    let hex = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    let percent: String = told.bytes().map(hex).collect();
    let (packed, given, alike) = (BASE64.encode(told), of(SET_COOKIE), LOOKALIKES.join(" | "));
    let own = of(OF_SERVER);
    format!("{own} | {told} | {percent} | {packed} | {given} | {alike}")
}

fn error(told: &str) -> String {
    let error =
        json!({"type": "authentication_error", "message": echoed(told), "code": of(OF_SERVER)});
    let body =
        json!({"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"});
    // The same once more, with every dash and dot escaped.
    let escaped = Value::from(told).to_string().replace('-', "\\u002d").replace('.', "\\u002E");
    let body = body.to_string();
    format!("{},\"echo\":{escaped}}}", body.strip_suffix('}').unwrap())
}

fn events(told: &str) -> String {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let message = json!({"id": "msg_013Zva2CMHLNnXjNJJKqJ2EF", "type": "message", "role": "assistant",
        "model": "claude-sonnet-4-6", "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage});
    let delta = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    let echoed = echoed(told);
    let events = [
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        delta(&echoed),
        // Nobody stops this block, so that a rule quotes the events.
        delta(told),
        json!({"type": "message_stop"}),
    ];
    events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect()
}
