//! A case as a curl line that can be pasted into a shell.
//!
//! The key is always `$ANTHROPIC_API_KEY`, as in the case itself, so a line can be shown to anybody. The server is
//! `$ANTHROPIC_BASE_URL` unless the run had a target: the embedded mock is gone when the run is over.

use std::fmt::Write as _;

use classify::http::KEY_PLACEHOLDER;
use classify::{Body, Request};
use sha2::{Digest, Sha256};

/// Longer bodies would bury the line; they go to a file.
const INLINE_BYTES_MAX: usize = 4 * 1024;
/// curl asks for permission first from this size on, and our sender never does.
const EXPECT_BYTES_MIN: u64 = 1024 * 1024;
/// Where such files go, relative to the current directory.
pub const BODIES: &str = "target/probity/bodies";

/// A curl line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Curl {
    /// The arguments, shell-quoted, in pieces that belong on a line of their own.
    parts: Vec<String>,
    /// The file that the line reads its body from, if it does.
    pub body_file: Option<String>,
}

impl Curl {
    /// The whole on one line.
    pub fn line(&self) -> String {
        self.parts.join(" ")
    }

    /// One argument to a line, for people.
    pub fn lines(&self, indent: &str) -> String {
        self.parts.join(&format!(" \\\n{indent}  "))
    }
}

/// The line that sends this request to the server at `base_url`.
pub fn curl(request: &Request, base_url: Option<&str>) -> Curl {
    let has_body = !request.body.is_empty();
    let mut command = "curl -sS -i".to_owned();
    let implied = if has_body { "POST" } else { "GET" };
    if request.method == "HEAD" {
        command += " --head";
    } else if request.method != implied {
        let _ = write!(command, " -X {}", quote(&request.method));
    }
    let base = base_url.unwrap_or("$ANTHROPIC_BASE_URL");
    let mut parts = Vec::new();
    if is_plain(&request.target) {
        if request.target.contains("//") || request.target.contains("/.") {
            command += " --path-as-is";
        }
        let _ = write!(command, " \"{base}{}\"", escape(&request.target));
    } else {
        // The prefix of a base URL is not repeated here: no target with a prefix gets such requests in one piece.
        let _ = write!(command, " --request-target {} \"{base}\"", quote(&request.target));
    }
    parts.push(command);
    parts.extend(request.headers.iter().map(|(name, value)| format!("-H {}", header(name, value))));
    if has_body && request.headers.get("content-type").is_none() {
        parts.push("-H 'content-type:'".to_owned());
    }
    if request.body.len() >= EXPECT_BYTES_MIN && request.headers.get("expect").is_none() {
        parts.push("-H 'expect:'".to_owned());
    }
    let body_file = (has_body && inline(&request.body).is_none()).then(|| body_file(request));
    match (&body_file, inline(&request.body)) {
        (Some(file), _) => parts.push(format!("--data-binary @{file}")),
        // A leading `@` would name a file.
        (None, Some(text)) if text.starts_with('@') => {
            parts.push(format!("--data-raw {}", quote(text)))
        }
        (None, Some(text)) => parts.push(format!("--data-binary {}", quote(text))),
        (None, None) => {}
    }
    Curl { parts, body_file }
}

/// Text in single quotes, unless a shell would read it as it is.
pub fn quote(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !text.is_empty() && text.chars().all(is_word) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn header(name: &str, value: &str) -> String {
    if value.trim().is_empty() {
        // With a colon curl would leave the field out.
        return quote(&format!("{name};"));
    }
    let field = format!("{name}: {value}");
    if field.contains(KEY_PLACEHOLDER) {
        // Braces, because what follows may continue the variable's name.
        let field = escape(&field).replace(&escape(KEY_PLACEHOLDER), "${ANTHROPIC_API_KEY}");
        return format!("\"{field}\"").replace("${ANTHROPIC_API_KEY}\"", "$ANTHROPIC_API_KEY\"");
    }
    quote(&field)
}

/// For double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Whether curl sends this path as it stands. Brackets and braces are patterns to it, a `#` ends the URL.
fn is_plain(target: &str) -> bool {
    target.starts_with('/')
        && target.bytes().all(|byte| byte.is_ascii_graphic() && !b"#[]{}\"'<>\\^`|".contains(&byte))
}

/// The body as it may stand on a command line.
fn inline(body: &Body) -> Option<&str> {
    let Body::Bytes(bytes) = body else { return None };
    let fits = bytes.len() <= INLINE_BYTES_MAX && !bytes.contains(&0);
    std::str::from_utf8(bytes).ok().filter(|_| fits)
}

/// Named by content, so that the same body is the same file. A repeated body is named by its recipe.
fn body_file(request: &Request) -> String {
    let mut hasher = Sha256::new();
    match &request.body {
        Body::Empty => {}
        Body::Bytes(bytes) => hasher.update(bytes),
        Body::Repeat { prefix, unit, count, suffix } => {
            for part in [prefix, unit, suffix] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
            hasher.update(count.to_be_bytes());
        }
    }
    let name: String = hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{BODIES}/{name}")
}

#[cfg(test)]
mod tests {
    use classify::Headers;

    use super::*;

    fn check(
        method: &'static str,
        target: &'static str,
        field: (&'static str, &'static str),
        body: &'static str,
        expected: &str,
    ) {
        let mut headers = Headers::default();
        headers.push(field.0, field.1);
        let body = if body.is_empty() { Body::Empty } else { Body::Bytes(body.into()) };
        let request = Request { method: method.into(), target: target.into(), headers, body };
        assert_eq!(curl(&request, Some("http://h")).line(), format!("curl -sS -i {expected}"));
    }

    #[test]
    fn lines_are_quoted_for_a_shell() {
        check(
            "GET",
            "/v1/models?a=b&c",
            ("x-api-key", "$ANTHROPIC_API_KEY"),
            "",
            r#""http://h/v1/models?a=b&c" -H "x-api-key: $ANTHROPIC_API_KEY""#,
        );
        check(
            "POST",
            "/v1/m",
            ("content-type", "a/b"),
            "it's",
            r#""http://h/v1/m" -H 'content-type: a/b' --data-binary 'it'\''s'"#,
        );
        check(
            "POST",
            "/v1/m",
            ("x-api-key", "$ANTHROPIC_API_KEYx"),
            "@f",
            r#""http://h/v1/m" -H "x-api-key: ${ANTHROPIC_API_KEY}x" -H 'content-type:' --data-raw @f"#,
        );
        check(
            "PUT",
            "//v1",
            ("accept", ""),
            "",
            r#"-X PUT --path-as-is "http://h//v1" -H 'accept;'"#,
        );
        check(
            "DELETE",
            "/a b",
            ("a", "`$(b)`"),
            "",
            r#"-X DELETE --request-target '/a b' "http://h" -H 'a: `$(b)`'"#,
        );
    }

    #[test]
    fn long_bodies_go_to_a_file() {
        let body = Body::Repeat {
            prefix: "[".into(),
            unit: "1,".into(),
            count: 9_999_999,
            suffix: "1]".into(),
        };
        let request = Request {
            method: "POST".into(),
            target: "/".into(),
            headers: Headers::default(),
            body,
        };
        let curl = curl(&request, None);
        let file = curl.body_file.clone().unwrap();
        assert!(file.starts_with("target/probity/bodies/"));
        assert!(
            curl.line().ends_with(&format!("-H 'expect:' --data-binary @{file}")),
            "{}",
            curl.line()
        );
    }
}
