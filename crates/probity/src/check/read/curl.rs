//! curl command lines, as they stand in scripts, tickets and the "copy as cURL" of browsers.
//!
//! The text is split as a shell would split it, but nothing is run or replaced: `$NAME` stays as it is, and what it
//! decides is not judged. Options that say nothing about the request are passed over. Bodies from files are read from
//! beside the script, or from the current folder; from standard input or a process they cannot be known.

mod shell;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use classify::{Body, Headers, Request};
use contract::rules::body_bytes_max;

use self::shell::{Word, commands};
use super::super::item::{Asked, Head, Item, Place};
use super::super::route;
use super::{Found, Out};

/// Options with an argument, by their short names.
const SHORT_WITH_ARGUMENT: &str = "AbCcDdEeFHhKmoPQrTtUuwXxYyz";

/// Options without one, by their long names. Any other takes an argument, as most do.
const LONG_ALONE: [&str; 34] = [
    "anyauth",
    "basic",
    "compressed",
    "digest",
    "disable",
    "fail",
    "fail-early",
    "fail-with-body",
    "get",
    "globoff",
    "head",
    "http0.9",
    "http1.0",
    "http1.1",
    "http2",
    "http2-prior-knowledge",
    "http3",
    "include",
    "insecure",
    "ipv4",
    "ipv6",
    "location",
    "location-trusted",
    "next",
    "no-buffer",
    "no-progress-meter",
    "path-as-is",
    "progress-bar",
    "raw",
    "remote-name",
    "show-error",
    "silent",
    "tcp-nodelay",
    "verbose",
];

/// Reads the command lines of a text. `script` is the file they stand in.
pub(super) fn read(name: &Arc<str>, text: &str, script: Option<&Path>, out: &mut Out<'_>) {
    for command in commands(text) {
        let place = match script {
            Some(_) => Place::at_line(name, command.line),
            None => Place::of(name),
        };
        let words: Vec<Word> =
            command.words.into_iter().skip_while(|word| word.text != "curl").skip(1).collect();
        if words.is_empty() {
            continue;
        }
        let found = match line(&words, command.input, script.and_then(Path::parent)) {
            Ok(asked) if route::operation(&asked.request).is_none() => Found::Other,
            Ok(asked) => {
                let mut item = Item { place, ..Item::default() };
                if !asked.has_body {
                    item.notes.push("the body comes from standard input or a process");
                }
                item.asked = Some(asked);
                Found::Item(Box::new(item))
            }
            Err(reason) => Found::Unreadable(place, reason),
        };
        out(found);
    }
}

/// What the options come to.
#[derive(Default)]
struct Line {
    method: Option<String>,
    url: Option<String>,
    headers: Headers,
    /// Standard input, where the text holds it.
    input: String,
    data: Vec<Vec<u8>>,
    is_json: bool,
    is_get: bool,
    is_unknown: bool,
}

fn line(words: &[Word], input: Option<Word>, folder: Option<&Path>) -> Result<Asked, String> {
    let input = input.unwrap_or_default();
    let mut line = Line { input: input.text, ..Line::default() };
    let mut words_left = words.iter();
    let mut options_over = false;
    while let Some(word) = words_left.next() {
        let text = &*word.text;
        if options_over || !text.starts_with('-') || text == "-" {
            line.url.get_or_insert_with(|| text.to_owned());
        } else if text == "--" {
            options_over = true;
        } else if let Some(long) = text.strip_prefix("--") {
            let (option, given) = long.split_once('=').map_or((long, None), |(o, a)| (o, Some(a)));
            let is_alone = LONG_ALONE.contains(&option) || option.starts_with("no-");
            let next =
                |words: &mut std::slice::Iter<'_, Word>| words.next().map(|w| w.text.clone());
            let argument = match given {
                Some(given) => Some(given.to_owned()),
                None if is_alone => None,
                None => next(&mut words_left),
            };
            take(&mut line, option, argument.unwrap_or_default(), folder)?;
        } else {
            for (at, option) in text.char_indices().skip(1) {
                if !SHORT_WITH_ARGUMENT.contains(option) {
                    take(&mut line, short(option), String::new(), folder)?;
                    continue;
                }
                let rest = &text[at + option.len_utf8()..];
                let argument = match rest {
                    "" => words_left.next().map(|word| word.text.clone()).unwrap_or_default(),
                    rest => rest.to_owned(),
                };
                take(&mut line, short(option), argument, folder)?;
                break;
            }
        }
    }
    let variables = words.iter().flat_map(|word| word.variables.iter().cloned());
    let variables = variables.chain(input.variables).collect();
    Ok(Asked { variables, ..request(line)? })
}

fn short(option: char) -> &'static str {
    match option {
        'X' => "request",
        'H' => "header",
        'd' => "data",
        'G' => "get",
        'I' => "head",
        'u' => "user",
        'A' => "user-agent",
        'b' => "cookie",
        _ => "",
    }
}

fn take(
    line: &mut Line,
    option: &str,
    argument: String,
    folder: Option<&Path>,
) -> Result<(), String> {
    match option {
        "request" => line.method = Some(argument),
        "url" => line.url = Some(argument),
        "get" => line.is_get = true,
        "head" => line.method = Some("HEAD".to_owned()),
        "header" if argument.starts_with('@') => {
            let text = file(&argument[1..], folder)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines().for_each(|field| header(&mut line.headers, field));
        }
        "header" => header(&mut line.headers, &argument),
        "user-agent" => line.headers.push("user-agent", argument),
        // Without an equals sign it names a file.
        "cookie" if argument.contains('=') => line.headers.push("cookie", argument),
        "user" => line.headers.push("authorization", format!("Basic {argument}")),
        "oauth2-bearer" => line.headers.push("authorization", format!("Bearer {argument}")),
        "data" | "data-ascii" | "data-binary" | "data-raw" | "json" => {
            line.is_json |= option == "json";
            let source = argument.strip_prefix('@').filter(|_| option != "data-raw");
            let data = match source {
                None => argument.into_bytes(),
                Some("-") if !line.input.is_empty() => match option {
                    "data-binary" | "json" => line.input.clone().into_bytes(),
                    _ => line.input.replace(['\n', '\r'], "").into_bytes(),
                },
                Some("-") => {
                    line.is_unknown = true;
                    return Ok(());
                }
                Some(path) if path.starts_with(['<', '$']) => {
                    line.is_unknown = true;
                    return Ok(());
                }
                Some(path) => {
                    let mut data = file(path, folder)?;
                    if !matches!(option, "data-binary" | "json") {
                        data.retain(|byte| !matches!(byte, b'\n' | b'\r' | 0));
                    }
                    data
                }
            };
            line.data.push(data);
        }
        // Forms and uploads are never this API's bodies, but they are bodies.
        "data-urlencode" | "form" | "form-string" | "upload-file" => line.is_unknown = true,
        _ => {}
    }
    Ok(())
}

/// `name: value`, or `name;` for an empty one; `name:` would take a header away.
fn header(headers: &mut Headers, field: &str) {
    match field.split_once(':') {
        Some((name, value)) if !value.trim().is_empty() => {
            headers.push(name.trim().to_owned(), value.trim().to_owned());
        }
        Some(_) => {}
        None => {
            if let Some(name) = field.trim().strip_suffix(';') {
                headers.push(name.to_owned(), "");
            }
        }
    }
}

fn request(line: Line) -> Result<Asked, String> {
    let url = line.url.ok_or("names no URL")?;
    let mut headers = line.headers;
    route::add_user(&url, &mut headers);
    let has_data = !line.data.is_empty() || line.is_unknown;
    let implied = if has_data && !line.is_get { "POST" } else { "GET" };
    if has_data && headers.get("content-type").is_none() {
        let media =
            if line.is_json { "application/json" } else { "application/x-www-form-urlencoded" };
        headers.push("content-type", media);
    }
    let separator: &[u8] = if line.is_json { b"" } else { b"&" };
    let body = Bytes::from(line.data.join(separator));
    let request = Request {
        method: line.method.unwrap_or_else(|| implied.to_owned()).into(),
        target: route::target(&url).into_owned().into(),
        headers,
        body: if body.is_empty() || line.is_get { Body::Empty } else { Body::Bytes(body) },
    };
    Ok(Asked { has_body: !line.is_unknown, ..Asked::with_head(request, Head::Whole) })
}

/// A file that a line takes its data from.
fn file(path: &str, folder: Option<&Path>) -> Result<Vec<u8>, String> {
    let beside = folder.map(|folder| folder.join(path)).filter(|beside| beside.is_file());
    let found = beside.unwrap_or_else(|| path.into());
    let failed = |why: &str| format!("takes its data from {path}, which {why}");
    match std::fs::metadata(&found) {
        Err(error) => Err(failed(&super::reason(&error))),
        Ok(metadata) if !metadata.is_file() => Err(failed("is no file")),
        Ok(metadata) if metadata.len() > body_bytes_max("/batches") => Err(failed("is too long")),
        Ok(_) => std::fs::read(&found).map_err(|error| failed(&super::reason(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Asked {
        let command = commands(text).pop().unwrap();
        let words: Vec<_> =
            command.words.into_iter().skip_while(|word| word.text != "curl").skip(1).collect();
        line(&words, command.input, None).unwrap()
    }

    /// `METHOD target`, the headers in short, and the body.
    fn check(text: &str, head: &str, headers: &[(&str, &str)], body: &str) {
        let Asked { request, .. } = asked(text);
        assert_eq!(format!("{} {}", request.method, request.target), head, "{text}");
        assert_eq!(request.headers.iter().collect::<Vec<_>>(), headers, "{text}");
        assert_eq!(request.body.to_bytes(), body.as_bytes(), "{text}");
    }

    #[test]
    fn lines_are_read_as_a_shell_reads_them() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let json = ("content-type", "application/json");
        check("curl http://h/v1/models", "GET /v1/models", &[], "");
        check("curl -d '{\"a\": 1}' h/v1/messages", "POST /v1/messages", &[form], "{\"a\": 1}");
        check("curl --json '{}' $B/v1/messages", "POST /v1/messages", &[json], "{}");
        check(
            "curl https://h/v1/messages \\\n  -H 'Content-Type: application/json' \\\n  -sS --data \"{\\\"a\\\": \\\"$X\\\"}\"",
            "POST /v1/messages",
            &[("Content-Type", "application/json")],
            "{\"a\": \"$X\"}",
        );
        check(
            "curl 'https://h/v1/messages' --data-raw $'{\"a\":\"it\\'s\\u0021\\n\"}' --compressed",
            "POST /v1/messages",
            &[form],
            "{\"a\":\"it's!\n\"}",
        );
        check("curl -XPUT -HA:b -d@- h/v1/messages", "PUT /v1/messages", &[("A", "b"), form], "");
        check("curl -d a=1 -d b=2 h/v1/messages", "POST /v1/messages", &[form], "a=1&b=2");
        check("curl -m 30 --retry 3 -o out h/v1/messages", "GET /v1/messages", &[], "");
        check("X=1 time curl h/v1/messages | jq .", "GET /v1/messages", &[], "");
        check(
            "curl ^\"http://h/v1/messages^\" ^\r\n  -d ^\"^{^\\^\"a^\\^\": ^\\^\"50^%^\\^\"^}^\"",
            "POST /v1/messages",
            &[form],
            "{\"a\": \"50%\"}",
        );
        for end in ["<<EOF", "<< EOF", "<<-'EOF'"] {
            let text = format!("curl --json @- h/v1/messages {end} | jq .\n{{\"a\": 1}}\n\tEOF\n");
            check(&text, "POST /v1/messages", &[json], "{\"a\": 1}\n");
        }
    }

    #[test]
    fn variables_are_known() {
        let line = "curl h/v1/messages -H \"x-api-key: $KEY\" -d '$not' -d \"${MODEL}$(date +%s)\"";
        assert_eq!(asked(line).variables, ["$KEY", "${MODEL}", "$(date +%s)"]);
        assert_eq!(asked("curl h/v1/messages -d @- <<E\n$NAME\nE\n").variables, ["$NAME"]);
    }

    #[test]
    fn a_script_has_many_commands() {
        let script = "#!/bin/sh\n# curl nothing\necho hi\ncurl a/v1/messages && curl \\\n b/v1/messages\n\
                      curl -d @- c/v1/messages <<E\ncurl\nE\ncurl d/v1/messages\n";
        let lines: Vec<_> = commands(script).iter().map(|command| command.line).collect();
        assert_eq!(lines, [4, 4, 6, 9]);
    }
}
