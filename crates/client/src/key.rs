//! The credential: a value that can be sent, and in no other way read.

use std::sync::{Mutex, PoisonError};

use reqwest::header::HeaderValue;

use crate::error::Error;

/// An API key. It has no `Debug`, no `Display` and no serialisation on purpose.
#[derive(Clone, Eq, PartialEq)]
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

    /// The header's value: the key after this prefix.
    pub(crate) fn header(&self, prefix: &str) -> HeaderValue {
        let value = format!("{prefix}{}", self.0);
        let mut value = HeaderValue::from_str(&value).expect("only visible ASCII passed `new`");
        value.set_sensitive(true);
        value
    }

    /// The text with the key blotted out: servers and proxies echo what they were sent.
    pub(crate) fn blot(&self, text: &str) -> String {
        text.replace(&self.0, "[key]")
    }

    /// The key in the open: a mistake, and only for those whose subject is this mistake.
    pub(crate) fn exposed(&self) -> &str {
        &self.0
    }

    /// Another key.
    pub(crate) fn altered(&self) -> Self {
        Self(format!("{}-altered", self.0))
    }
}

/// Where keys come from: one that stays, or somebody who is asked again when one is refused.
pub struct Credential {
    current: Mutex<Key>,
    provider: Option<Box<Provider>>,
}

/// Gives the key of the moment.
type Provider = dyn Fn() -> Result<Key, Error> + Send + Sync;

impl Credential {
    /// Asks the provider at once, and again whenever the API refuses the key.
    pub fn rotating(
        provider: impl Fn() -> Result<Key, Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Ok(Self { current: Mutex::new(provider()?), provider: Some(Box::new(provider)) })
    }

    pub(crate) fn key(&self) -> Key {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another key than the refused one, if there is any. Another call may have fetched it meanwhile.
    pub(crate) fn other_than(&self, refused: &Key) -> Option<Key> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == *refused {
            // A provider that fails has no other key; the refusal says more than its failure.
            *current = self.provider.as_ref()?().ok()?;
        }
        (*current != *refused).then(|| current.clone())
    }
}

impl From<Key> for Credential {
    fn from(key: Key) -> Self {
        Self { current: Mutex::new(key), provider: None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        match (Key::new(text), expected) {
            (Ok(key), Ok(sent)) => assert_eq!(key.header(""), sent),
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

    #[test]
    fn another_key_is_asked_for_only_when_one_is_refused() {
        let fixed = Credential::from(Key::new("fixed").unwrap());
        assert!(fixed.other_than(&fixed.key()).is_none());
        let asked = AtomicU32::new(0);
        let provider = move || Key::new(&format!("key-{}", asked.fetch_add(1, Ordering::Relaxed)));
        let rotating = Credential::rotating(provider).unwrap();
        let first = rotating.key();
        assert_eq!(rotating.key().header(""), "key-0");
        assert_eq!(rotating.other_than(&first).unwrap().header(""), "key-1");
        assert_eq!(rotating.other_than(&first).unwrap().header(""), "key-1");
        let same = Credential::rotating(|| Key::new("same")).unwrap();
        assert!(same.other_than(&same.key()).is_none());
    }
}
