//! The credential: a value that can be sent, and in no other way read.

use reqwest::header::HeaderValue;

use crate::error::Error;

/// An API key. It has no `Debug`, no `Display` and no serialisation on purpose.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// White space around a key comes from files and shells and is dropped; inside a key it is a mistake, and
    /// the error says so without showing the key.
    pub fn new(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::Local { detail: "the API key is empty".to_owned() });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Local {
                detail: "the API key holds a character no key has".to_owned(),
            });
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&self.0).expect("only visible ASCII passed `new`");
        value.set_sensitive(true);
        value
    }

    /// The text with the key blotted out: servers and proxies echo what they were sent.
    pub(crate) fn blot(&self, text: &str) -> String {
        text.replace(&self.0, "[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        match (Key::new(text), expected) {
            (Ok(key), Ok(sent)) => assert_eq!(key.header(), sent),
            (Err(error), Err(said)) => {
                assert!(error.to_string().contains(said), "{error}");
                assert!(!error.to_string().contains("canary"), "{error}");
            }
            (found, _) => panic!("{text:?}: {}", if found.is_ok() { "taken" } else { "refused" }),
        }
    }

    #[test]
    fn keys_are_trimmed_or_refused() {
        check("sk-ant-api03-canary", Ok("sk-ant-api03-canary"));
        check(" sk-ant-api03-canary\r\n", Ok("sk-ant-api03-canary"));
        check("sk-ant canary", Err("no key has"));
        check("sk-ant\ncanary", Err("no key has"));
        check("canary-\u{e9}", Err("no key has"));
        check(" \n", Err("empty"));
    }

    #[test]
    fn an_echoed_key_is_blotted_out() {
        assert_eq!(Key::new("canary").unwrap().blot("bad key canary!"), "bad key [key]!");
    }
}
