//! The parts of an event's data that the grammar looks at, borrowed from it.

use std::borrow::Cow;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, IgnoredAny, MapAccess};

use crate::envelope::{Loose, Part, Text};

#[derive(serde::Deserialize)]
pub(super) struct Payload<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(default)]
    pub(super) index: Loose<Index>,
    #[serde(default)]
    pub(super) message: Loose<Object>,
    #[serde(borrow, default)]
    pub(super) content_block: Loose<Start<'a>>,
    #[serde(borrow, default)]
    pub(super) delta: Loose<Delta<'a>>,
}

impl<'a> Payload<'a> {
    /// The data of an event, if it is a JSON object. Not serde alone: a derived struct would take a list for its
    /// members.
    pub(super) fn read(data: &'a str) -> Option<Self> {
        let data = data.strip_prefix('\u{feff}').unwrap_or(data);
        if data.trim_ascii_start().starts_with('{') {
            serde_json::from_str(data).ok()
        } else {
            None
        }
    }
}

/// A number, if it is one that can be an index.
#[derive(Default)]
pub(super) struct Index(pub(super) Option<u64>);

/// Whether an object stood there.
#[derive(Default)]
pub(super) struct Object {
    pub(super) present: bool,
}

/// How long a text is, of which nobody needs more; none where no text stood.
#[derive(Default)]
pub(super) struct Length(pub(super) Option<usize>);

/// A block as `content_block_start` announces it.
#[derive(Default, serde::Deserialize)]
pub(super) struct Start<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(default)]
    pub(super) signature: Loose<Length>,
    #[serde(default)]
    pub(super) text: Loose<Length>,
}

/// The delta of a block, or that of the message.
#[derive(Default, serde::Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(default)]
    pub(super) text: Loose<Length>,
    #[serde(borrow, default)]
    pub(super) partial_json: Text<'a>,
    #[serde(default)]
    pub(super) thinking: Loose<Length>,
    #[serde(default)]
    pub(super) signature: Loose<Length>,
    #[serde(borrow, default)]
    pub(super) citation: Loose<Citation<'a>>,
    #[serde(borrow, default)]
    pub(super) stop_reason: Text<'a>,
}

#[derive(Default, serde::Deserialize)]
pub(super) struct Citation<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
}

impl Part<'_> for Index {
    fn of_number(number: u64) -> Self {
        Self(Some(number))
    }
}

impl<'de> Part<'de> for Length {
    fn of_text(text: Cow<'de, str>) -> Self {
        Self(Some(text.len()))
    }

    fn of_str(text: &str) -> Self {
        Self(Some(text.len()))
    }
}

impl<'de> Part<'de> for Object {
    fn of_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self { present: true })
    }
}

impl<'de: 'a, 'a> Part<'de> for Start<'a> {
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de: 'a, 'a> Part<'de> for Delta<'a> {
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de: 'a, 'a> Part<'de> for Citation<'a> {
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(map))
    }
}
