//! What can be wrong with a reply file: a closed list, each with what to do about it.

use std::fmt;

use super::KEYS;

/// What is wrong with a reply file, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScriptError {
    pub name: String,
    /// Counted from 1.
    pub line: usize,
    pub problem: Problem,
}

/// The closed list of mistakes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    BadBoolean(String),
    BadEnd(String),
    BadEscape,
    BadFraming(String),
    BadHeader,
    BadStatusLine,
    CarriageReturn,
    DuplicateKey(&'static str),
    EndBeyondBody { body_bytes: usize },
    FramingHeader,
    MissingKey(&'static str),
    NoBlankLine,
    NoKey,
    UnknownBody(String),
    UnknownClass(String),
    UnknownKey(String),
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.http:{}: ", self.name, self.line)?;
        match &self.problem {
            Problem::BadBoolean(value) => write!(f, "`{value}` is neither `true` nor `false`"),
            Problem::BadEnd(value) => {
                write!(
                    f,
                    "`{value}` is no end; write `complete`, `closed N` or `reset N`, N being bytes of the body"
                )
            }
            Problem::BadEscape => f.write_str(
                r"an escaped body knows \r, \n, \t, \\ and \xHH only; double the backslash",
            ),
            Problem::BadFraming(value) => {
                write!(f, "`{value}` is no framing; write `length`, `chunked` or `close`")
            }
            Problem::BadHeader => {
                f.write_str("write `name: value`, or a blank line before the body")
            }
            Problem::BadStatusLine => {
                f.write_str("write a status line such as `HTTP/1.1 429 Too Many Requests`")
            }
            Problem::CarriageReturn => {
                f.write_str("the file has CRLF line ends; check it out with LF")
            }
            Problem::DuplicateKey(key) => write!(f, "`# {key}:` stands here twice; keep one"),
            Problem::EndBeyondBody { body_bytes } => {
                write!(f, "the body has {body_bytes} bytes; choose an end within it")
            }
            Problem::FramingHeader => {
                f.write_str("say `# framing: chunked` instead of this header")
            }
            Problem::MissingKey(key) => write!(f, "add `# {key}: …` above the status line"),
            Problem::NoBlankLine => {
                f.write_str("add a blank line after the headers, also where there is no body")
            }
            Problem::NoKey => f.write_str("write `# key: value`"),
            Problem::UnknownBody(value) => {
                write!(f, "`{value}` is no form of a body; write `escaped` or drop the line")
            }
            Problem::UnknownClass(value) => {
                write!(f, "`{value}` is no class; `probity explain` lists them")
            }
            Problem::UnknownKey(key) => {
                write!(f, "`{key}` is no key; the keys are {}", KEYS.join(", "))
            }
        }
    }
}

impl std::error::Error for ScriptError {}
