//! A JSON body in lines that a person can read: what fits on a line stays on one, long texts lose their middle.
//!
//! Members keep their order and doubles their place, which a `Value` would not. The price is a small tree of our own.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// With the indent and the mark around it this fits the narrowest usual terminal.
pub(super) const LINE_CHARS_MAX: usize = 74;
/// Longer objects and lists are broken even where they would fit: they hold too much to take in at once.
const COMPACT_CHARS_MAX: usize = 66;
/// Longer texts lose their middle.
const TEXT_CHARS_MAX: usize = 60;
/// Of what is cut: its end, where brackets close.
const TAIL_CHARS: usize = 16;

/// A line as it is, to compare by, and as it is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Laid {
    pub(super) whole: String,
    pub(super) shown: String,
}

impl Laid {
    pub(super) fn new(whole: impl Into<String>) -> Self {
        let whole = whole.into();
        Self { shown: cut(&whole, LINE_CHARS_MAX), whole }
    }
}

/// The lines of a body; those it has, if it is no JSON.
pub(super) fn lay_out(text: &str) -> Vec<Laid> {
    match serde_json::from_str::<Tree>(text) {
        Ok(tree) => {
            let mut lines = Vec::new();
            lay(&tree, 0, "", "", &mut lines);
            lines
        }
        Err(_) => text.lines().map(Laid::new).collect(),
    }
}

/// The text without its middle if it is long.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    let chars = text.chars().count();
    if chars <= chars_max {
        return text.to_owned();
    }
    let head: String = text.chars().take(chars_max - TAIL_CHARS - 1).collect();
    let tail: String = text.chars().skip(chars - TAIL_CHARS).collect();
    format!("{head}…{tail}")
}

enum Tree {
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    /// As JSON.
    Scalar(String),
}

fn lay(tree: &Tree, depth: usize, key: &str, comma: &str, lines: &mut Vec<Laid>) {
    let indent = "  ".repeat(depth);
    let shown = compact(tree, true);
    let chars = indent.len() + key.len() + shown.chars().count() + comma.len();
    let fits = chars <= LINE_CHARS_MAX && shown.chars().count() <= COMPACT_CHARS_MAX && depth > 0;
    let (open, close) = match tree {
        Tree::List(elements) if !fits && !elements.is_empty() => ("[", "]"),
        Tree::Object(members) if !fits && !members.is_empty() => ("{", "}"),
        _ => {
            let whole = format!("{indent}{key}{}{comma}", compact(tree, false));
            let shown = cut(&format!("{indent}{key}{shown}{comma}"), LINE_CHARS_MAX);
            return lines.push(Laid { whole, shown });
        }
    };
    lines.push(Laid::new(format!("{indent}{key}{open}")));
    match tree {
        Tree::List(elements) => {
            for (idx, element) in elements.iter().enumerate() {
                lay(element, depth + 1, "", comma_after(idx, elements.len()), lines);
            }
        }
        Tree::Object(members) => {
            for (idx, (name, member)) in members.iter().enumerate() {
                let key = format!("{}: ", quoted(name));
                lay(member, depth + 1, &key, comma_after(idx, members.len()), lines);
            }
        }
        Tree::Scalar(_) => {}
    }
    lines.push(Laid::new(format!("{indent}{close}{comma}")));
}

fn comma_after(idx: usize, count: usize) -> &'static str {
    if idx + 1 < count { "," } else { "" }
}

fn compact(tree: &Tree, is_cut: bool) -> String {
    match tree {
        Tree::List(elements) => {
            let elements: Vec<_> =
                elements.iter().map(|element| compact(element, is_cut)).collect();
            format!("[{}]", elements.join(", "))
        }
        Tree::Object(members) if members.is_empty() => "{}".to_owned(),
        Tree::Object(members) => {
            let member = |(name, member): &(String, Tree)| {
                format!("{}: {}", quoted(name), compact(member, is_cut))
            };
            format!("{{ {} }}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Tree::Scalar(text) if is_cut => cut(text, TEXT_CHARS_MAX),
        Tree::Scalar(text) => text.clone(),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(serde_json::Value::from(value).to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(quoted(value)))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar("null".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Tree::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let shown: Vec<_> = lay_out(text).into_iter().map(|line| line.shown).collect();
        assert_eq!(shown, expected);
        assert!(shown.iter().all(|line| line.chars().count() <= LINE_CHARS_MAX));
    }

    #[test]
    fn a_body_is_laid_out_as_a_person_would_type_it() {
        check("7", &["7"]);
        check("[]", &["[]"]);
        check(
            r#"{"z":1,"a":{"b":[true,null,-2.5]},"a":"again"}"#,
            &[
                "{",
                r#"  "z": 1,"#,
                r#"  "a": { "b": [true, null, -2.5] },"#,
                r#"  "a": "again""#,
                "}",
            ],
        );
        check("not\njson", &["not", "json"]);
    }

    #[test]
    fn what_is_long_is_broken_then_cut() {
        let data = "A".repeat(500);
        let text =
            format!(r#"{{"source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}"#);
        let line = format!("    \"data\": \"{}…{}\"", "A".repeat(42), "A".repeat(15));
        check(
            &text,
            &[
                "{",
                "  \"source\": {",
                "    \"type\": \"base64\",",
                "    \"media_type\": \"image/png\",",
                &line,
                "  }",
                "}",
            ],
        );
        assert!(lay_out(&text)[4].whole.contains(&data), "the whole is there to compare by");
    }
}
