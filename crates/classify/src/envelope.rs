//! The error body, read without building a tree.
//!
//! Proxies, gateways and the edge bend the API's envelope: `error` becomes a string or a list, the outer
//! `type` disappears, `details` is null. Reading is therefore loose: what has the wrong type counts as absent,
//! and everything present is borrowed. The price is that this module cannot say *how* an envelope is wrong;
//! the schema check does that.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What an error body says, as far as it says it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Envelope<'a> {
    /// `error.type`.
    pub error_type: Option<Cow<'a, str>>,
    /// `error.message`, or `error` itself where it is a string; empty if there is neither.
    pub message: Cow<'a, str>,
    /// `error.details.error_code`.
    pub error_code: Option<Cow<'a, str>>,
    /// `request_id` of the body; the header of that name is the authority.
    pub request_id: Option<Cow<'a, str>>,
    /// Whether the body carries the outer `"type": "error"`, as everything the API itself writes does.
    pub outer_type: bool,
}

impl Envelope<'_> {
    /// The same envelope without a hold on the body.
    pub fn into_owned(self) -> Envelope<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Envelope {
            error_type: self.error_type.map(own),
            message: own(self.message),
            error_code: self.error_code.map(own),
            request_id: self.request_id.map(own),
            outer_type: self.outer_type,
        }
    }
}

/// The envelope in `body`: a JSON object with an `error`, or with the outer `"type": "error"`.
pub fn parse(body: &[u8]) -> Option<Envelope<'_>> {
    let outer: Outer<'_> = object(body)?;
    let outer_type = outer.kind.is("error");
    if outer.error.is_none() && !outer_type {
        return None;
    }
    let error = outer.error.map(|loose| loose.0).unwrap_or_default();
    Some(Envelope {
        error_type: error.kind.0,
        message: error.message.0.unwrap_or_default(),
        error_code: error.details.0.error_code.0,
        request_id: outer.request_id.0,
        outer_type,
    })
}

/// A JSON object read as `T`. Not `serde_json` alone: a derived struct would take a list for its fields.
pub(crate) fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let bytes = without_bom(bytes).trim_ascii_start();
    if bytes.first() == Some(&b'{') { serde_json::from_slice(bytes).ok() } else { None }
}

/// `bytes` without the byte order mark that some proxies put in front.
pub(crate) fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

#[derive(serde::Deserialize)]
struct Outer<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    error: Option<Loose<Inner<'a>>>,
    #[serde(borrow, default)]
    request_id: Text<'a>,
}

#[derive(Default, serde::Deserialize)]
struct Inner<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    #[serde(borrow, default)]
    details: Loose<Details<'a>>,
}

impl<'de: 'a, 'a> Part<'de> for Inner<'a> {
    fn of_text(text: Cow<'de, str>) -> Self {
        Self { message: Text(Some(text)), ..Self::default() }
    }

    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

#[derive(Default, serde::Deserialize)]
struct Details<'a> {
    #[serde(borrow, default)]
    error_code: Text<'a>,
}

impl<'de: 'a, 'a> Part<'de> for Details<'a> {
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A string, or nothing where the value is not one.
#[derive(Default)]
pub(crate) struct Text<'a>(pub(crate) Option<Cow<'a, str>>);

impl Text<'_> {
    pub(crate) fn is(&self, expected: &str) -> bool {
        self.as_str() == expected
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Part<'de> for Text<'a> {
    fn of_text(text: Cow<'de, str>) -> Self {
        Self(Some(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor::<Self>(PhantomData))
    }
}

/// Any JSON value, read as a `T` as far as it goes; of a list, its first element.
#[derive(Default)]
pub(crate) struct Loose<T>(pub(crate) T);

impl<'de, T: Part<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor(PhantomData)).map(Self)
    }
}

/// What a type makes of a string, a whole number and an object; everything else is its default.
pub(crate) trait Part<'de>: Default {
    fn of_text(_text: Cow<'de, str>) -> Self {
        Self::default()
    }

    /// The same for a text that had escapes, for those who need no copy of it.
    fn of_str(text: &str) -> Self {
        Self::of_text(Cow::Owned(text.to_owned()))
    }

    fn of_number(_number: u64) -> Self {
        Self::default()
    }

    fn of_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

struct LooseVisitor<T>(PhantomData<T>);

impl<'de, T: Part<'de>> Visitor<'de> for LooseVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::of_text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::of_str(text))
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(T::of_number(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::of_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let first = seq.next_element::<Loose<T>>()?.unwrap_or_default();
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is type, message, code, request id and whether the outer type is there.
    fn check(body: &str, expected: Option<(&str, &str, &str, &str, bool)>) {
        let envelope = parse(body.as_bytes());
        let seen = envelope.as_ref().map(|e| {
            let text =
                |field: &'_ Option<Cow<'_, str>>| field.clone().unwrap_or_default().into_owned();
            (
                text(&e.error_type),
                e.message.clone(),
                text(&e.error_code),
                text(&e.request_id),
                e.outer_type,
            )
        });
        let seen = seen
            .as_ref()
            .map(|(a, b, c, d, e)| (a.as_str(), b.as_ref(), c.as_str(), d.as_str(), *e));
        assert_eq!(seen, expected, "{body}");
    }

    #[test]
    fn the_envelope_of_the_api() {
        check(
            r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"},"request_id":"req_1"}"#,
            Some(("api_error", "Internal server error", "", "req_1", true)),
        );
        check(
            r#"{"type":"error","error":{"details":{"error_code":"ramp_limit_exceeded","new":[1]},"message":"a\"b","type":"rate_limit_error"},"request_id":null,"extra":{}}"#,
            Some(("rate_limit_error", "a\"b", "ramp_limit_exceeded", "", true)),
        );
    }

    #[test]
    fn bent_envelopes_are_still_read() {
        check(
            r#"{"error":{"type":"forbidden","message":"Request not allowed"}}"#,
            Some(("forbidden", "Request not allowed", "", "", false)),
        );
        check(r#"{"type":"error","error":"overloaded"}"#, Some(("", "overloaded", "", "", true)));
        check(
            r#"{"error":[{"type":"api_error","message":"m"},{"message":"n"}]}"#,
            Some(("api_error", "m", "", "", false)),
        );
        check(r#"{"error":[]}"#, Some(("", "", "", "", false)));
        check(r#"{"error":[["m"]]}"#, Some(("", "m", "", "", false)));
        check(
            r#"{"error":{"type":7,"message":["m"],"details":"d"}}"#,
            Some(("", "m", "", "", false)),
        );
        check(r#"{"error":{"message":["m"]}}"#, Some(("", "m", "", "", false)));
        check(r#"{"error":7}"#, Some(("", "", "", "", false)));
        check(r#"{"type":"error","error":null}"#, Some(("", "", "", "", true)));
        check("\u{feff}{\"type\":\"error\"}", Some(("", "", "", "", true)));
    }

    #[test]
    fn other_bodies_are_no_envelope() {
        for body in [
            "",
            "null",
            "[]",
            r#"["error","m"]"#,
            r#"{"error":"m"} x"#,
            "7",
            "\"error\"",
            "{}",
            r#"{"detail":"Not Found"}"#,
            r#"{"error":null}"#,
        ] {
            check(body, None);
        }
        check(r#"{"type":"error","error":{"type":"overlo"#, None);
        check("<html></html>", None);
    }
}
