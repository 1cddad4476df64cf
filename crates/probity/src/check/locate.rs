//! From the paths that rules name to places that an editor can jump to.
//!
//! Rules name places as the API words them (`messages.0.content.1.text`, with the tags of unions in between). The walk
//! follows those through the value to a JSON pointer, and a scanner follows the pointer through the text. The price
//! of the dots is that a member whose name has dots is found only where its parent has that very member.

use serde_json::Value;

use super::item::Source;

/// A place in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Spot {
    /// Counted from one.
    pub(super) line: u64,
    /// In characters, counted from one.
    pub(super) column: usize,
    /// The line, or the part of a long one around the place.
    pub(super) excerpt: String,
    /// Where in the excerpt the caret goes.
    pub(super) caret: usize,
}

/// As much of a line as fits beside its number.
const EXCERPT_CHARS_MAX: usize = 64;

/// How much of it stands before the caret.
const BEFORE_CHARS_MAX: usize = 24;

/// The JSON pointer for a dotted path. A member that is missing is named under the parent that lacks it.
pub(super) fn pointer(body: &Value, path: &str) -> String {
    let mut pointer = String::new();
    let mut value = body;
    let mut rest = path;
    while !rest.is_empty() {
        let whole = value.get(rest).map(|found| (rest, "", found));
        let (name, tail) = rest.split_once('.').unwrap_or((rest, ""));
        // A leaf in the middle of a path is a tag that happens to be a member's name, too.
        let leads_on = |found: &&Value| tail.is_empty() || found.is_object() || found.is_array();
        let next = child(value, name).filter(leads_on).map(|found| (name, tail, found));
        let step = whole.or(next);
        match step {
            Some((name, tail, found)) => {
                push(&mut pointer, name);
                (value, rest) = (found, tail);
            }
            // The tag of a union's branch is no member; the last name is one that is missing.
            None if tail.is_empty() => {
                if is_missing(value, name) {
                    push(&mut pointer, name);
                }
                break;
            }
            None => rest = tail,
        }
    }
    pointer
}

/// The place of that pointer in the text, or of its nearest parent that is there.
pub(super) fn spot(source: &Source, pointer: &str) -> Option<Spot> {
    let whole = format!("{}{pointer}", source.within);
    Some(spot_at(source, offset(&source.text, &whole)?))
}

/// The place of that byte in the text.
pub(super) fn spot_at(source: &Source, offset: usize) -> Spot {
    let text = &source.text;
    let offset = offset.min(text.len());
    let start = text[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let end =
        text[offset..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| offset + at);
    let lines = text[..start].iter().filter(|byte| **byte == b'\n').count() as u64;
    let before = String::from_utf8_lossy(&text[start..offset]).into_owned();
    let column = before.chars().count() + 1;
    let skipped = before.chars().count().saturating_sub(BEFORE_CHARS_MAX);
    let lead = if skipped > 0 { "…" } else { "" };
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = before.chars().skip(skipped).map(visible).collect();
    // Four bytes are the longest character.
    let after = &text[offset..end.min(offset + 4 * EXCERPT_CHARS_MAX)];
    let after = String::from_utf8_lossy(after);
    let room = EXCERPT_CHARS_MAX - shown.chars().count();
    let tail: String = after.trim_end().chars().take(room).map(visible).collect();
    let more = if after.trim_end().chars().count() > room { "…" } else { "" };
    let caret = lead.chars().count() + shown.chars().count();
    let excerpt = format!("{lead}{shown}{tail}{more}");
    Spot { line: source.line + lines, column, excerpt, caret }
}

fn child<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Whether a name that is not there could have been: a tag of a union looks the same, but stands for a value that
/// has a `type` of that name.
fn is_missing(value: &Value, name: &str) -> bool {
    value.is_object() && value.get("type").and_then(Value::as_str) != Some(name)
}

fn push(pointer: &mut String, name: &str) {
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

/// Where the value of that pointer begins in a JSON text, or that of its nearest parent.
fn offset(text: &[u8], pointer: &str) -> Option<usize> {
    let mut scan = Scan { text, at: 0 };
    scan.space();
    let mut found = scan.at;
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        match scan.enter(&name) {
            Some(at) => found = at,
            None => break,
        }
    }
    (found < text.len()).then_some(found)
}

/// Walks over a text that a parser has taken before.
struct Scan<'t> {
    text: &'t [u8],
    at: usize,
}

impl Scan<'_> {
    /// Steps from the beginning of a value to that of its child.
    fn enter(&mut self, name: &str) -> Option<usize> {
        let is_object = match self.peek()? {
            b'{' => true,
            b'[' => false,
            _ => return None,
        };
        self.at += 1;
        let mut index = 0_usize;
        loop {
            self.space();
            if matches!(self.peek()?, b'}' | b']') {
                return None;
            }
            let is_wanted = if is_object {
                let start = self.at;
                self.skip()?;
                let key = &self.text[start..self.at];
                self.space();
                self.at += 1;
                self.space();
                serde_json::from_slice::<String>(key).is_ok_and(|key| key == name)
            } else {
                name.parse() == Ok(index)
            };
            if is_wanted {
                return Some(self.at);
            }
            self.skip()?;
            self.space();
            if self.peek()? == b',' {
                self.at += 1;
            }
            index += 1;
        }
    }

    /// Steps over a value; brackets are counted instead of climbed into, so that depth costs nothing.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.space();
            match self.peek()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' => self.at += 1,
                _ => {
                    let ends = |byte: &u8| b",:]}".contains(byte) || byte.is_ascii_whitespace();
                    let rest = &self.text[self.at..];
                    self.at += rest.iter().position(ends).unwrap_or(rest.len());
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        // Some editors put a byte order mark in front.
        if self.at == 0 && self.text.starts_with(b"\xEF\xBB\xBF") {
            self.at = 3;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "{\n  \"a\": [1, {\"b\\u0063\": \"é\", \"d\": null}],\n  \"e\": {}\n}\n";

    fn check(pointer: &str, place: (u64, usize)) {
        let source = Source { text: TEXT.into(), within: "", line: 1 };
        let spot = spot(&source, pointer).unwrap();
        assert_eq!((spot.line, spot.column), place, "{pointer}");
    }

    #[test]
    fn pointers_lead_to_lines_and_columns() {
        check("", (1, 1));
        check("/a", (2, 8));
        check("/a/1", (2, 12));
        check("/a/1/bc", (2, 24));
        check("/a/1/d", (2, 34));
        check("/a/7", (2, 8));
        check("/e/missing", (3, 8));
    }

    #[test]
    fn paths_become_pointers() {
        let body =
            json!({"messages": [{"content": [{"type": "text", "text": ""}]}], "a.b": {"c": 1}});
        for (path, expected) in [
            ("", ""),
            ("messages.0.content.0.text", "/messages/0/content/0/text"),
            ("messages.0.content.0.text.text", "/messages/0/content/0/text"),
            ("messages.0.content.0.text.citations", "/messages/0/content/0/citations"),
            ("messages.0.role", "/messages/0/role"),
            ("max_tokens", "/max_tokens"),
            ("messages.0.content.0.nonesuch.text", "/messages/0/content/0/text"),
        ] {
            assert_eq!(pointer(&body, path), expected, "{path}");
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("[\"{}\", 17, \"{}\"]", "x".repeat(200), "y".repeat(200));
        let source = Source { text: text.into(), within: "", line: 5 };
        let spot = spot(&source, "/1").unwrap();
        assert_eq!((spot.line, spot.column), (5, 206));
        assert!(spot.excerpt.starts_with('…') && spot.excerpt.ends_with('…'), "{spot:?}");
        assert!(spot.excerpt.chars().skip(spot.caret).collect::<String>().starts_with("17"));
    }
}
