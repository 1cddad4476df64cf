//! Finds a value in a JSON text by its pointer, so that it can be replaced without reading the rest.
//!
//! A corpus breaks some ten thousand bodies in one place each. Copying a body as a tree, editing it and writing it
//! out again took ten times as long as cutting its text. The text must be JSON: it comes from a writer of ours.

use std::ops::Range;

/// Where the value at `pointer` stands in `text`; `None` if there is none.
pub fn find(text: &str, pointer: &str) -> Option<Range<usize>> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    reader.space();
    for step in pointer.split('/').skip(1) {
        reader.enter(step)?;
    }
    let start = reader.at;
    reader.value()?;
    Some(start..reader.at)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// Goes from the start of an object or list to the start of a value in it.
    fn enter(&mut self, step: &str) -> Option<()> {
        let is_object = self.peek()? == b'{';
        let mut index = 0;
        self.at += 1;
        loop {
            self.space();
            let found = if is_object {
                let name = self.at + 1;
                self.string()?;
                let name = &self.bytes[name..self.at - 1];
                self.space();
                self.at += 1; // the colon
                is_named(name, step)
            } else {
                index += 1;
                step.parse() == Ok(index - 1)
            };
            self.space();
            if found {
                return Some(());
            }
            self.value()?;
            self.space();
            if self.peek()? != b',' {
                return None;
            }
            self.at += 1;
        }
    }

    /// Skips a value.
    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' | b'[' => self.nested(),
            _ => {
                let rest = &self.bytes[self.at..];
                let is_end =
                    |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
                self.at += rest.iter().position(is_end).unwrap_or(rest.len());
                Some(())
            }
        }
    }

    /// Skips an object or list: brackets count, strings do not.
    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }

    fn space(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// Whether a name as written is the one of a pointer's step.
fn is_named(written: &[u8], step: &str) -> bool {
    if !step.contains('~') && !written.contains(&b'\\') {
        return written == step.as_bytes();
    }
    let quoted = [b"\"", written, b"\""].concat();
    let name: Option<String> = serde_json::from_slice(&quoted).ok();
    name.is_some_and(|name| name == step.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Every place of the value is found where `serde_json` finds it.
    fn check(value: &Value, text: &str, pointer: &str) {
        let found = find(text, pointer).unwrap_or_else(|| panic!("{pointer:?} in {text}"));
        let there: Value = serde_json::from_str(&text[found]).expect("a value");
        assert_eq!(Some(&there), value.pointer(pointer), "{pointer:?} in {text}");
    }

    fn check_all(value: &Value) {
        for text in [value.to_string(), format!("{value:#}")] {
            let mut open = vec![String::new()];
            while let Some(pointer) = open.pop() {
                check(value, &text, &pointer);
                match value.pointer(&pointer) {
                    Some(Value::Object(members)) => open.extend(members.keys().map(|key| {
                        format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
                    })),
                    Some(Value::Array(elements)) => {
                        open.extend((0..elements.len()).map(|index| format!("{pointer}/{index}")));
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn every_place_is_found() {
        check_all(
            &json!({"a": [1, -2.5e3, true, null, "x,]}\"\\", {"b": []}], "c": {}, "": {"/~\"": "é"}}),
        );
        check_all(&json!([[[]], {"k": [{"k": {"k": 7}}]}]));
        check_all(&json!("alone"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for pointer in ["/b", "/a/2", "/a/x", "/a/0/b"] {
            assert_eq!(find(r#"{"a":[1,2]}"#, pointer), None, "{pointer}");
        }
    }
}
