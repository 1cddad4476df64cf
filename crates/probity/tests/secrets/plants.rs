//! What is planted: twenty secrets, and twenty texts that look like some.
//!
//! No secret stands in this file as it is: each is put together when it is needed, so that whoever looks for keys in
//! this repository finds none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A secret, and how it travels.
pub(crate) struct Plant {
    pub(crate) name: &'static str,
    pub(crate) secret: String,
    /// A line of the head; empty where it travels otherwise.
    pub(crate) field: String,
    /// Behind the path.
    pub(crate) query: String,
}

/// The cookie that the server gives.
pub(crate) const SET_COOKIE: &str = "set-cookie";
/// What stands in the query of the place that the server sends people to.
pub(crate) const LOCATION: &str = "location";
/// A key that the server has for servers of its own, and tells everybody.
pub(crate) const OF_SERVER: &str = "an admin key";
/// The password in an address.
pub(crate) const USER_INFO: &str = "userinfo";

pub(crate) fn plants() -> Vec<Plant> {
    let field = |name, secret: &str, line: &str| Plant {
        name,
        secret: secret.to_owned(),
        field: line.replace("{}", secret),
        query: String::new(),
    };
    let query = |name, secret: &str, member: &str| Plant {
        name,
        secret: secret.to_owned(),
        field: String::new(),
        query: format!("?limit=5&{member}={secret}"),
    };
    let key = |kind: &str, tail: &str| format!("sk{}ant-{kind}-{}", '-', tail.repeat(4));
    let basic = format!("hunter{}-basic-9Q2w", 2);
    let packed = BASE64.encode(format!("probe:{basic}"));
    vec![
        field("an API key", &key("api03", "Kq7Rz_1P-"), "x-api-key: {}"),
        field("an admin key", &key("admin01", "Wm4Tb-8X_"), "X-Api-Key: {}"),
        field("a login token", &key("oat01", "Yd2Lc9fH"), "authorization: Bearer {}"),
        field("a gateway key", &["sk", "Vt5Nw8Jk3Bd6Fg9Hs2Zx4Cq7"].join("-"), "x-api-key: {}"),
        field("a virtual key", &["vk", "7f3a9c1e5b2d8064"].join("_"), "x-api-key: {}"),
        field(
            "a web token",
            &["eyJhbGciOi", "eyJzdWIiOjF9", "q-_9Zk2"].join("."),
            "Authorization: Bearer {}",
        ),
        Plant {
            field: format!("authorization: Basic {packed}"),
            ..field("a password", &basic, "")
        },
        field(
            "a proxy's token",
            &["prx", "tok", "51Gc8Ue0"].join("~"),
            "proxy-authorization: Bearer {}",
        ),
        field(
            "a cookie",
            &["sess", "8e1f6b0a93d7"].join("."),
            "cookie: theme=dark; sid={}; lang=en",
        ),
        field(SET_COOKIE, &["given", "c04d9e7a21fb"].join("."), ""),
        field("a search key", &["AIza", "SyD9x2Lm7Qp4Rt"].concat(), "x-goog-api-key: {}"),
        field("a cloud key", &["5d41402abc4b", "2a76b9719d911017"].concat(), "api-key: {}"),
        query("a key in a query", &["qk", "3Jd8Sx5Wn1"].join("."), "key"),
        query("another", &["ak", "6Tb2Vy9Gm4"].join("."), "api_key"),
        field(LOCATION, &["hop", "0Rf7Kz3Lq8"].join("."), ""),
        field(USER_INFO, &["pw", "4Hn9Xc6Pd1"].join("."), ""),
        field(
            "a cloud's token",
            &["IQoJb3JpZ2lu", "X2VjEH8aCXVz"].join("/"),
            "x-amz-security-token: {}",
        ),
        field(
            "a webhook's secret",
            &["whsec", "MfKQ9r8GKYqrTwjU"].join("_"),
            "x-webhook-secret: {}",
        ),
        field("words", &["open sesame", "probity 0042"].join(" "), "x-access-token: {}"),
        field("a header's name", &key("api03", "n4me5x"), "{}: yes"),
    ]
}

pub(crate) fn of(name: &str) -> String {
    plants().into_iter().find(|plant| plant.name == name).expect("it is planted").secret
}

/// Names, ids and words that a careless search takes for secrets.
pub(crate) const LOOKALIKES: [&str; 20] = [
    "max_tokens",
    "input_tokens",
    "budget_tokens",
    "cache_creation_input_tokens",
    "how many tokens are left?",
    "req_011CSHoEeqs5C35K2UUqR7Fy",
    "msg_013Zva2CMHLNnXjNJJKqJ2EF",
    "toolu_01A09q90qw90lq917835lq9",
    "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF",
    "file_011CNha8iCJcU1wXNR6q4V8w",
    "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds8cs7/qvbI3H",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "keys start with sk-ant- and go on",
    "6f1c1e0a-5d4b-4c3a-9b2e-8f7d6e5c4b3a",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "$ANTHROPIC_API_KEY",
    "explain the authorization flow",
    "cookie_jar_size",
    "ada.lovelace@example.com",
    "\"password\": {\"type\": \"string\", \"minLength\": 12}",
];
