//! What is told of a shrunk request, and the file it is written to.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use classify::{Body, Request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wire::target::Key;

use super::Shrunk;
use crate::cli::{ShrinkArgs, ShrinkFormat};
use crate::concrete::Concrete;
use crate::console::{Paint, count, say, thousands};
use crate::curl::{curl, quote};
use crate::exit::Stop;
use crate::settings::Settings;

/// Where requests go that were not told where, relative to the current directory.
const FOLDER: &str = "target/probity/shrunk";

/// A longer request is not shown; it is in the file.
const SHOWN_BYTES_MAX: usize = 8 * 1024;

/// How the request went to the server.
pub(super) struct Way<'a> {
    pub(super) server: Option<&'a str>,
    pub(super) key: Option<&'a Key>,
    /// The smallest request as it was sent: a file keeps the names of the contract.
    pub(super) sent: &'a Request,
}

/// Writes the file, then says what it is.
pub(super) fn tell(
    args: &ShrinkArgs,
    settings: &Settings,
    way: &Way<'_>,
    shrunk: &Shrunk,
) -> Result<(), Stop> {
    let concrete = Concrete { request: shrunk.least.clone(), ..Concrete::of(&shrunk.case) };
    let scrub = |text: String| match way.key {
        Some(key) => key.scrub(&text).into_owned(),
        None => text,
    };
    let file = scrub(format!("{:#}\n", concrete.to_json()));
    let path = args.out.clone().unwrap_or_else(|| Path::new(FOLDER).join(name(&file)));
    if path.as_os_str() == "-" {
        say(&file);
        return Ok(());
    }
    write(&path, &file)?;
    let text = match args.format {
        ShrinkFormat::Human => human(args, settings, way, shrunk, &path, &file),
        ShrinkFormat::Json => {
            format!("{}\n", to_json(way, shrunk, &path, &concrete.to_json()))
        }
    };
    say(&scrub(text));
    Ok(())
}

/// Of the content: the same request is the same file.
fn name(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let name: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{name}.json")
}

fn write(path: &PathBuf, text: &str) -> Result<(), Stop> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| Stop::usage(format!("failed to write {}: {error}", path.display())))
}

fn human(
    args: &ShrinkArgs,
    settings: &Settings,
    way: &Way<'_>,
    shrunk: &Shrunk,
    path: &Path,
    file: &str,
) -> String {
    let paint = Paint::decide(settings.color);
    let mut text = format!("{}\n", paint.bold(&shrunk.case.id));
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "  {name:<9}{what}");
    };
    line("draws", &shrunk.drawn.text());
    let refused = shrunk.reason.as_ref().map(|reason| format!("refuses it: {reason}"));
    line("contract", refused.as_deref().unwrap_or("serves it"));
    line("before", &Size::of(&shrunk.case.request).text());
    line("after", &Size::of(&shrunk.least).text());
    let number = |number: u64| thousands(usize::try_from(number).unwrap_or(usize::MAX));
    let least = match shrunk.end {
        None => "no single cut draws the same",
        Some(_) => "something smaller may be left",
    };
    line("sent", &format!("{} of {}; {least}", number(shrunk.sent), number(shrunk.looked_at)));
    if file.len() <= SHOWN_BYTES_MAX {
        let shown: String = file.lines().map(|line| format!("  {line}\n")).collect();
        let _ = write!(text, "\n{}\n{shown}", paint.dim("request"));
    }
    let curl = curl(way.sent, way.server);
    if curl.body_file.is_none() {
        let _ = writeln!(text, "\n{}\n  {}", paint.dim("curl"), curl.lines("  "));
    }
    let mut server = way.server.map(|url| format!(" --target {url}")).unwrap_or_default();
    server += &settings.way.flags();
    if let Some(model) = &args.model {
        server += &format!(" --model {}", quote(model));
    }
    let file = quote(&path.display().to_string());
    // Not folded: it is there to be pasted.
    let _ = writeln!(text, "\nwritten to {}\n  probity replay{server} {file}", path.display());
    text
}

fn to_json(way: &Way<'_>, shrunk: &Shrunk, path: &Path, request: &Value) -> Value {
    let drawn = &shrunk.drawn;
    let curl = curl(way.sent, way.server);
    json!({
        "probity": env!("CARGO_PKG_VERSION"),
        "target": way.server,
        "id": shrunk.case.id.0,
        "class": drawn.class.name(),
        "status": drawn.status,
        "error_type": drawn.error_type,
        "findings": drawn.findings,
        "contract": shrunk.reason,
        "before": Size::of(&shrunk.case.request).to_json(),
        "after": Size::of(&shrunk.least).to_json(),
        "requests": shrunk.sent,
        "candidates": shrunk.looked_at,
        "minimal": shrunk.end.is_none(),
        "ended": shrunk.end.map(super::End::name),
        "file": path.display().to_string(),
        "request": request,
        "curl": curl.body_file.is_none().then(|| curl.line()),
    })
}

/// What makes a request long to read.
struct Size {
    bytes: u64,
    messages: usize,
    tools: usize,
    headers: usize,
}

impl Size {
    fn of(request: &Request) -> Self {
        let body: Value = match &request.body {
            Body::Bytes(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
            Body::Empty | Body::Repeat { .. } => Value::Null,
        };
        let list = |name: &str| body[name].as_array().map_or(0, Vec::len);
        Self {
            bytes: request.body.len(),
            messages: list("messages"),
            tools: list("tools"),
            headers: request.headers.0.len(),
        }
    }

    fn text(&self) -> String {
        let bytes = count(usize::try_from(self.bytes).unwrap_or(usize::MAX), "byte");
        let rest = [(self.messages, "message"), (self.tools, "tool"), (self.headers, "header")];
        let rest = rest.into_iter().filter(|(number, _)| *number > 0);
        let rest = rest.map(|(number, noun)| count(number, noun));
        std::iter::once(bytes).chain(rest).collect::<Vec<_>>().join(", ")
    }

    fn to_json(&self) -> Value {
        json!({
            "bytes": self.bytes,
            "messages": self.messages,
            "tools": self.tools,
            "headers": self.headers,
        })
    }
}
