//! Where requests go, and the credential they carry.
//!
//! A target is resolved once, every address it resolves to is checked, and senders connect to those addresses
//! and no others: a name cannot come to mean another host between the check and the call. The price is that a
//! long live run does not follow a change of DNS.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use classify::http::KEY_PLACEHOLDER;
use reqwest::Url;

use crate::record::secrets::{Secrets, key};
use crate::trust::Trust;
use crate::written::{Needle, find};

/// A server under test.
#[derive(Clone)]
pub struct Target {
    base: Url,
    addresses: Vec<SocketAddr>,
    trust: Option<Trust>,
    pub key: Key,
}

/// How far requests may go. By default no further than this machine.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Names or addresses beyond this machine that may be contacted; none unless the run is live.
    pub hosts: Vec<String>,
    /// Names that are not looked up, and what they stand for.
    pub known: Vec<(String, IpAddr)>,
    /// No name server is asked: names stand for this machine. For runs that send nothing.
    pub is_dry: bool,
    /// Certificates of authorities that are trusted beside the usual ones, in PEM.
    pub ca_pem: Option<String>,
}

impl Target {
    /// Resolves `base_url` (`http://127.0.0.1:4010`, with or without a path prefix).
    pub async fn resolve(base_url: &str, key: Key, reach: &Reach) -> Result<Self, TargetError> {
        let base = parse(base_url)?;
        let (host, port) = (host_of(&base), base.port_or_known_default().unwrap_or(80));
        let is_permitted =
            reach.hosts.iter().any(|permitted| permitted.eq_ignore_ascii_case(&host));
        let known = reach.known.iter().find(|(name, _)| name.eq_ignore_ascii_case(&host));
        let addresses = match known {
            Some((_, address)) => vec![SocketAddr::new(*address, port)],
            // Asking a name server is contact, too.
            None if !is_permitted && !is_local_name(&host) => {
                return Err(match reach.hosts.is_empty() {
                    true => TargetError::Named { host },
                    false => TargetError::NotPermitted { host, hosts: reach.hosts.join(", ") },
                });
            }
            None if reach.is_dry => vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)],
            None => lookup(&host, port).await?,
        };
        if !is_permitted && let Some(&address) = addresses.iter().find(|a| !is_loopback(**a)) {
            return Err(match reach.hosts.is_empty() {
                true => TargetError::NotLoopback { host, address },
                false => TargetError::NotPermitted { host, hosts: reach.hosts.join(", ") },
            });
        }
        let trust = match base.scheme() {
            "https" => Some(Trust::new(reach.ca_pem.as_deref()).map_err(TargetError::NoTls)?),
            _ if addresses.iter().any(|address| !is_private(*address)) => {
                return Err(TargetError::Plaintext { host });
            }
            _ => None,
        };
        Ok(Self { base, addresses, trust, key })
    }

    /// A server of our own at a local address.
    pub fn local(address: SocketAddr, key: Key) -> Result<Self, TargetError> {
        if !is_loopback(address) {
            return Err(TargetError::NotLoopback { host: address.ip().to_string(), address });
        }
        let base = parse(&format!("http://{address}"))?;
        Ok(Self { base, addresses: vec![address], trust: None, key })
    }

    /// A server that is only spoken of: there is no address to send to.
    pub fn named(base_url: &str, key: Key) -> Result<Self, TargetError> {
        Ok(Self { base: parse(base_url)?, addresses: Vec::new(), trust: None, key })
    }

    /// The base URL, for reports.
    pub fn base_url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whom to trust, where https is spoken.
    pub(crate) fn trust(&self) -> Option<&Trust> {
        self.trust.as_ref()
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
/// only ways out are the header it is for and [`Key::scrub`], which takes it out of what others wrote. Every text that
/// a run writes passes there, so that it also takes out what a server tells of its own: keys of the API, which are
/// known by their shape.
#[derive(Clone)]
pub struct Key(Needle);

/// A shorter credential is not a secret, but could be a part of any word.
const SECRET_BYTES_MIN: usize = 8;

/// What stands in keys that cases and witnesses send on purpose. They open nothing, and a command line that sends them
/// again needs them.
const MADE_UP: [&[u8]; 2] = [b"-probity-", b"-not-a-key"];

impl Key {
    #[expect(clippy::needless_pass_by_value, reason = "who hands a secret over keeps no copy")]
    pub fn new(secret: String) -> Self {
        Self(Needle::new(secret.as_bytes()))
    }

    /// The header value with this key in place of [`KEY_PLACEHOLDER`].
    pub fn fill<'a>(&self, value: &'a str) -> Cow<'a, str> {
        if value.contains(KEY_PLACEHOLDER) {
            value.replace(KEY_PLACEHOLDER, &String::from_utf8_lossy(self.0.plain())).into()
        } else {
            value.into()
        }
    }

    /// The text with [`KEY_PLACEHOLDER`] in place of this key and of every other of the API, for answers that echo one
    /// in whatever form.
    pub fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.scrub_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => text.into(),
            Cow::Owned(clean) => String::from_utf8_lossy(&clean).into_owned().into(),
        }
    }

    /// [`Key::scrub`] for bytes that need not be text.
    pub fn scrub_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let own = match self.0.plain().len() {
            SECRET_BYTES_MIN.. => replace(bytes, |bytes, from| self.0.find(bytes, from)),
            _ => None,
        };
        let clean = replace(own.as_deref().unwrap_or(bytes), strange_key);
        clean.or(own).map_or_else(|| bytes.into(), Cow::Owned)
    }
}

/// The next key that nobody here made up.
fn strange_key(bytes: &[u8], mut from: usize) -> Option<Range<usize>> {
    while let Some(place) = key(bytes, from) {
        let found = &bytes[place.clone()];
        if !MADE_UP.iter().any(|word| find(found, 0, word).is_some()) {
            return Some(place);
        }
        from = place.end;
    }
    None
}

/// The bytes with the placeholder in every place that is found; none if there is none.
fn replace(bytes: &[u8], find: impl Fn(&[u8], usize) -> Option<Range<usize>>) -> Option<Vec<u8>> {
    let mut clean = Vec::new();
    let mut from = 0;
    while let Some(place) = find(bytes, from) {
        clean.extend_from_slice(&bytes[from..place.start]);
        clean.extend_from_slice(KEY_PLACEHOLDER.as_bytes());
        from = place.end;
    }
    if from == 0 {
        return None;
    }
    clean.extend_from_slice(&bytes[from..]);
    Some(clean)
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
    #[error("contact `{host}`: a live run is permitted to contact {hosts} and no other host")]
    NotPermitted { host: String, hosts: String },
    #[error("send a key to `{host}` in plain text: beyond private networks only https is spoken")]
    Plaintext { host: String },
    #[error("speak https: {0}")]
    NoTls(String),
}

fn parse(base_url: &str) -> Result<Url, TargetError> {
    // A user or a query holds a credential as often as not, so that a URL with either is not repeated in the error.
    let holds_key = Secrets::default().scrub(base_url) != base_url;
    let shown = if holds_key || base_url.contains(['@', '?', '#']) { "…" } else { base_url };
    let bad = |reason: &str| {
        Err(TargetError::BadUrl { url: shown.to_owned(), reason: reason.to_owned() })
    };
    let url = match Url::parse(base_url) {
        Ok(url) => url,
        Err(error) => return bad(&error.to_string()),
    };
    if holds_key || !url.username().is_empty() || url.password().is_some() {
        return bad("credentials belong in the key, not in the URL");
    }
    if !matches!(url.scheme(), "http" | "https") {
        return bad("only http and https are spoken");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return bad("it has a query or a fragment");
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

/// Whether the way there is somebody's own.
fn is_private(address: SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, TargetError> {
    let unresolved = |source| TargetError::Unresolved { host: host.to_owned(), source };
    let found: Vec<_> = tokio::net::lookup_host((host, port)).await.map_err(unresolved)?.collect();
    if found.is_empty() {
        return Err(unresolved(std::io::Error::other("the name has no address")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAKE_KEY: &str = "sk-ant-api03-probity-test-key";

    fn check(base_url: &str, hosts: &[&str], expected: Result<&str, &str>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let reach = Reach {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            known: vec![
                ("gateway.example".to_owned(), [127, 0, 0, 1].into()),
                ("api.example.com".to_owned(), [192, 0, 2, 1].into()),
            ],
            ca_pem: None,
            is_dry: false,
        };
        let key = Key::new(FAKE_KEY.into());
        let target = runtime.block_on(Target::resolve(base_url, key, &reach));
        match (target, expected) {
            (Ok(target), Ok(authority_and_prefix)) => {
                assert_eq!(
                    format!("{}{}", target.authority(), target.prefix()),
                    authority_and_prefix
                );
                assert_eq!(target.trust().is_some(), base_url.starts_with("https"));
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (target, expected) => panic!("{base_url}: {expected:?}, got {:?}", target.err()),
        }
    }

    #[test]
    fn only_loopback_unless_live() {
        check("http://127.0.0.1:4010", &[], Ok("127.0.0.1:4010"));
        check("http://127.0.0.1:4010/", &[], Ok("127.0.0.1:4010"));
        check("http://127.9.9.9:1/gateway/", &[], Ok("127.9.9.9:1/gateway"));
        check("http://[::1]:4010", &[], Ok("[::1]:4010"));
        check("http://[::ffff:127.0.0.1]:1", &[], Ok("[::ffff:7f00:1]:1"));
        check("http://192.0.2.1:1", &[], Err("only loopback"));
        check("http://0.0.0.0:1", &[], Err("only loopback"));
        check("http://[::ffff:192.0.2.1]:1", &[], Err("only loopback"));
        check("http://elsewhere.example.com", &[], Err("no name server asked"));
        check("http://gateway.example:1", &[], Ok("gateway.example:1"));
        check("http://api.example.com", &[], Err("only loopback"));
    }

    #[test]
    fn a_live_run_contacts_the_hosts_it_was_told() {
        let hosts = ["192.0.2.1", "10.1.2.3", "API.example.com"];
        check("http://127.0.0.1:4010", &hosts, Ok("127.0.0.1:4010"));
        check("http://10.1.2.3", &hosts, Ok("10.1.2.3"));
        check("http://10.1.2.4", &hosts, Err("and no other host"));
        check("http://192.0.2.1", &hosts, Err("in plain text"));
        check("http://api.example.com", &hosts, Err("in plain text"));
        check("https://elsewhere.example.com", &hosts, Err("and no other host"));
        check("https://api.example.com.elsewhere.example", &hosts, Err("and no other host"));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn https_is_spoken() {
        check("https://localhost:1", &[], Ok("localhost:1"));
        check("https://127.0.0.1/x", &[], Ok("127.0.0.1/x"));
        check("https://192.0.2.1", &[], Err("only loopback"));
        check("https://192.0.2.1", &["192.0.2.1"], Ok("192.0.2.1"));
        check("https://api.example.com/v", &["api.example.com"], Ok("api.example.com/v"));
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn https_is_not_spoken() {
        check("https://localhost:1", &[], Err("build it with the feature"));
    }

    #[test]
    fn what_is_not_a_base_url_says_why() {
        check("localhost:4010", &[], Err("only http"));
        check("ftp://127.0.0.1", &[], Err("only http"));
        check("http://127.0.0.1/?a=b", &[], Err("query"));
        check("http://me:secret@127.0.0.1/", &[], Err("credentials belong in the key"));
        check("4010", &[], Err("as a base URL"));
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

    #[test]
    fn keys_of_others_come_out_and_made_up_ones_stay() {
        let others = format!("sk{}ant-api03-{}", '-', "Kq7Rz_1P".repeat(4));
        let wrong = "sk-ant-api03-probity-wrong-key";
        let text = format!("{FAKE_KEY} {others} {wrong} sk-ant-... {}", others.replace('-', "%2D"));
        let clean =
            format!("{KEY_PLACEHOLDER} {KEY_PLACEHOLDER} {wrong} sk-ant-... {KEY_PLACEHOLDER}");
        assert_eq!(Key::new(FAKE_KEY.into()).scrub(&text), clean);
        assert_eq!(Key::new(String::new()).scrub(&others), KEY_PLACEHOLDER);
        let looks = "max_tokens sk-ant- s %73 \\u0073 req_011CSHoEeqs5C35K2UUqR7Fy";
        assert!(matches!(Key::new(FAKE_KEY.into()).scrub(looks), Cow::Borrowed(_)));
    }
}
