//! One reduction of a JSON value: a place, and what becomes of it.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Number, Value};

/// A place in a body, and what is done there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reduction {
    /// A JSON pointer.
    pub at: Arc<str>,
    pub edit: Edit,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Edit {
    /// Drops these elements of a list.
    Elements(Range<usize>),
    /// Drops this member of an object.
    Member(String),
    /// Puts in place of the value what stands inside it, at this pointer from there.
    Inside(String),
    /// Keeps these bytes of a text; they begin and end with characters.
    Text(Range<usize>),
    /// The same for every text of the body that reads like the one here.
    EveryText(Range<usize>),
    Number(Number),
}

impl Reduction {
    /// The value with this done; none if it is no longer as it was when the reduction was made.
    pub fn apply(&self, value: &Value) -> Option<Value> {
        let mut made = value.clone();
        let place = made.pointer_mut(&self.at)?;
        match &self.edit {
            Edit::Elements(range) => {
                let elements = place.as_array_mut()?;
                (range.end <= elements.len()).then(|| elements.drain(range.clone()))?;
            }
            Edit::Member(name) => {
                place.as_object_mut()?.remove(name)?;
            }
            Edit::Inside(pointer) => *place = place.pointer_mut(pointer)?.take(),
            Edit::Text(range) => {
                let kept = place.as_str()?.get(range.clone())?.to_owned();
                *place = Value::String(kept);
            }
            Edit::EveryText(range) => {
                let text = place.as_str()?.to_owned();
                let kept = text.get(range.clone())?;
                replace(&mut made, &text, kept);
            }
            Edit::Number(number) => {
                place.is_number().then(|| *place = Value::Number(number.clone()))?;
            }
        }
        Some(made)
    }
}

/// Recursion is bounded by what the parser takes.
fn replace(value: &mut Value, text: &str, by: &str) {
    match value {
        Value::String(here) if here == text => by.clone_into(here),
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| replace(element, text, by))
        }
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, text, by)),
        _ => {}
    }
}
