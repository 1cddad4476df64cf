//! Where requests go, and the credential they carry.
//!
//! A target is resolved once, every address it resolves to is checked, and senders connect to those addresses
//! and no others: a name cannot come to mean another host between the check and the call. The price is that a
//! long live run does not follow a change of DNS.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use classify::http::KEY_PLACEHOLDER;
use reqwest::Url;

/// A server under test.
#[derive(Clone)]
pub struct Target {
    base: Url,
    addresses: Vec<SocketAddr>,
    pub key: Key,
}

impl Target {
    /// Resolves `base_url` (`http://127.0.0.1:4010`, with or without a path prefix). Addresses beyond
    /// loopback are refused unless `live`.
    pub async fn resolve(base_url: &str, key: Key, live: bool) -> Result<Self, TargetError> {
        let base = parse(base_url)?;
        let (host, port) = (host_of(&base), base.port_or_known_default().unwrap_or(80));
        // Asking a name server is contact, too.
        if !live && !is_local_name(&host) {
            return Err(TargetError::Named { host });
        }
        let found = tokio::net::lookup_host((&*host, port)).await;
        let addresses: Vec<_> = found
            .map_err(|source| TargetError::Unresolved { host: host.clone(), source })?
            .collect();
        if addresses.is_empty() {
            let source = std::io::Error::other("the name has no address");
            return Err(TargetError::Unresolved { host, source });
        }
        if !live && let Some(&address) = addresses.iter().find(|a| !is_loopback(**a)) {
            return Err(TargetError::NotLoopback { host, address });
        }
        Ok(Self { base, addresses, key })
    }

    /// A server of our own at a local address.
    pub fn local(address: SocketAddr, key: Key) -> Result<Self, TargetError> {
        if !is_loopback(address) {
            return Err(TargetError::NotLoopback { host: address.ip().to_string(), address });
        }
        Ok(Self { base: parse(&format!("http://{address}"))?, addresses: vec![address], key })
    }

    /// The base URL, for reports.
    pub fn base_url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The name that was resolved, without brackets or port.
    pub(crate) fn host(&self) -> String {
        host_of(&self.base)
    }

    /// The value of the `host` header.
    pub(crate) fn authority(&self) -> &str {
        self.base.authority()
    }

    /// The URL of a request's target. The base is not parsed anew each time: that cost a twentieth of a run.
    pub(crate) fn url(&self, target: &str) -> Url {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let mut url = self.base.clone();
        match self.prefix() {
            "" => url.set_path(path),
            prefix => url.set_path(&format!("{prefix}{path}")),
        }
        url.set_query(query);
        url
    }

    /// What stands before every request's target: empty, or a path that does not end in a slash.
    pub(crate) fn prefix(&self) -> &str {
        self.base.path().trim_end_matches('/')
    }
}

/// A credential. It has no `Debug`, `Display` or `Serialize`, so that it cannot be printed by accident; the
/// only ways out are the header it is for and [`Key::scrub`], which takes it out of what others wrote.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The header value with this key in place of [`KEY_PLACEHOLDER`].
    pub fn fill<'a>(&self, value: &'a str) -> Cow<'a, str> {
        if value.contains(KEY_PLACEHOLDER) {
            value.replace(KEY_PLACEHOLDER, &self.0).into()
        } else {
            value.into()
        }
    }

    /// The text with [`KEY_PLACEHOLDER`] in place of this key, for answers that echo it.
    pub fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.0.is_empty() || !text.contains(&self.0) {
            return text.into();
        }
        text.replace(&self.0, KEY_PLACEHOLDER).into()
    }

    /// [`Key::scrub`] for bytes that need not be text.
    pub fn scrub_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let secret = self.0.as_bytes();
        let mut clean = Vec::new();
        let mut rest = bytes;
        while let Some(at) = find(rest, secret) {
            clean.extend_from_slice(&rest[..at]);
            clean.extend_from_slice(KEY_PLACEHOLDER.as_bytes());
            rest = &rest[at + secret.len()..];
        }
        if rest.len() == bytes.len() {
            return bytes.into();
        }
        clean.extend_from_slice(rest);
        clean.into()
    }
}

/// Why a base URL is not a target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("read `{url}` as a base URL: {reason}")]
    BadUrl { url: String, reason: String },
    #[error("resolve `{host}`: {source}")]
    Unresolved { host: String, source: std::io::Error },
    #[error(
        "contact `{host}`: only loopback is contacted, and no name server asked, unless the run is live"
    )]
    Named { host: String },
    #[error("contact `{host}` at {address}: only loopback is contacted unless the run is live")]
    NotLoopback { host: String, address: SocketAddr },
}

fn parse(base_url: &str) -> Result<Url, TargetError> {
    // A URL with a user in it holds a password as often as not, so that one is not repeated in the error.
    let bad = |reason: &str, url: &str| {
        Err(TargetError::BadUrl { url: url.to_owned(), reason: reason.to_owned() })
    };
    let url = match Url::parse(base_url) {
        Ok(url) => url,
        Err(error) => return bad(&error.to_string(), base_url),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return bad("credentials belong in the key, not in the URL", "…");
    }
    if url.scheme() != "http" {
        return bad("only http is spoken", base_url);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return bad("it has a query or a fragment", base_url);
    }
    Ok(url)
}

fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// Addresses are checked as such; names below `localhost` never leave the machine.
fn is_local_name(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost")
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAKE_KEY: &str = "sk-ant-api03-probity-test-key";

    fn check(base_url: &str, live: bool, expected: Result<&str, &str>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let target = runtime.block_on(Target::resolve(base_url, Key::new(FAKE_KEY.into()), live));
        match (target, expected) {
            (Ok(target), Ok(authority_and_prefix)) => {
                assert_eq!(
                    format!("{}{}", target.authority(), target.prefix()),
                    authority_and_prefix
                );
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (target, expected) => panic!("{base_url}: {expected:?}, got {:?}", target.err()),
        }
    }

    #[test]
    fn only_loopback_unless_live() {
        check("http://127.0.0.1:4010", false, Ok("127.0.0.1:4010"));
        check("http://127.0.0.1:4010/", false, Ok("127.0.0.1:4010"));
        check("http://127.9.9.9:1/gateway/", false, Ok("127.9.9.9:1/gateway"));
        check("http://[::1]:4010", false, Ok("[::1]:4010"));
        check("http://[::ffff:127.0.0.1]:1", false, Ok("[::ffff:7f00:1]:1"));
        check("http://192.0.2.1:1", false, Err("only loopback"));
        check("http://0.0.0.0:1", false, Err("only loopback"));
        check("http://[::ffff:192.0.2.1]:1", false, Err("only loopback"));
        check("http://192.0.2.1", true, Ok("192.0.2.1"));
        check("http://api.example.com", false, Err("no name server asked"));
    }

    #[test]
    fn what_is_not_a_base_url_says_why() {
        check("localhost:4010", false, Err("only http"));
        check("https://127.0.0.1", false, Err("only http"));
        check("http://127.0.0.1/?a=b", false, Err("query"));
        check("http://me:secret@127.0.0.1/", false, Err("credentials belong in the key"));
        check("4010", false, Err("as a base URL"));
    }

    #[test]
    fn a_key_goes_in_and_comes_out() {
        let key = Key::new(FAKE_KEY.into());
        assert_eq!(key.fill("Bearer $ANTHROPIC_API_KEY"), format!("Bearer {FAKE_KEY}"));
        assert_eq!(key.fill("none"), "none");
        assert_eq!(key.scrub(&format!("bad key {FAKE_KEY}!")), "bad key $ANTHROPIC_API_KEY!");
        let body = [b"\xff", FAKE_KEY.as_bytes(), b"\xfe", FAKE_KEY.as_bytes()].concat();
        let clean = [b"\xff", KEY_PLACEHOLDER.as_bytes(), b"\xfe", KEY_PLACEHOLDER.as_bytes()];
        assert_eq!(key.scrub_bytes(&body), clean.concat());
        assert_eq!(Key::new(String::new()).scrub_bytes(b"abc"), &b"abc"[..]);
    }
}
