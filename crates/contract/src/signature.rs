//! Signatures of thinking blocks, as our own mock issues them.
//!
//! Real signatures can be made and checked by the API alone. Ours are keyed hashes, so that a forged or altered
//! one is told from a genuine one by computing and not by a list; the key is public, because nothing is protected
//! by it. The price is that a case holding one needs our mock: `mock-only`.
//!
//! The first byte tells two kinds apart. An unbound signature, which is what older models give, holds for the
//! thinking text alone. A bound one holds for everything before the block as well, so that a conversation changed
//! behind the model's back is noticed. What means the same is the same: a string and one text block, turns of one
//! role in a row and one turn, a member that is `null` and none, `1` and `1.0`. Cache breakpoints may move and
//! are left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::rules::view;

/// A signature that holds for the thinking text alone.
pub fn sign(thinking: &str) -> String {
    written(UNBOUND, &[&keyed(UNBOUND, &[thinking.as_bytes()])])
}

/// A signature that holds for the thinking text where it stands: behind `before`.
pub fn bind(thinking: &str, before: &Prefix) -> String {
    let text = keyed(BOUND, &[thinking.as_bytes()]);
    written(BOUND, &[&text, &bound_to(&text, before)])
}

/// Reads the signature of a thinking text.
pub fn read(thinking: &str, signature: &str) -> Seal {
    let mut buffer = [0; BYTES_MAX];
    let text = |kind| keyed(kind, &[thinking.as_bytes()]);
    match bytes(signature, &mut buffer) {
        Some([UNBOUND, hash @ ..]) if hash.len() == HASH_BYTES => {
            if *hash == text(UNBOUND) {
                Seal::Unbound
            } else {
                Seal::OfAnother
            }
        }
        Some([BOUND, hashes @ ..]) => match hashes.split_at_checked(HASH_BYTES) {
            Some((hash, place)) => match (text(BOUND), place.try_into()) {
                (text, Ok(place)) if hash == text => Seal::Bound(Binding { text, place }),
                (_, Ok(_)) => Seal::OfAnother,
                (_, Err(_)) => Seal::Forged,
            },
            None => Seal::Forged,
        },
        _ => Seal::Forged,
    }
}

/// What a signature says of the block it stands in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seal {
    /// The text is genuine; whether it stands where it was thought is for the binding to say.
    Bound(Binding),
    /// Not ours.
    Forged,
    /// Formed like ours, and not of this text: one of the two was altered. Which one cannot be told.
    OfAnother,
    /// The text is genuine, wherever it stands.
    Unbound,
}

/// The place that a signature is bound to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Binding {
    text: [u8; HASH_BYTES],
    place: [u8; HASH_BYTES],
}

impl Binding {
    /// Whether this is what stood before the block when it was signed.
    pub fn fits(&self, before: &Prefix) -> bool {
        bound_to(&self.text, before) == self.place
    }
}

/// The `data` of a redacted thinking block.
pub fn redact(thinking: &str) -> String {
    let name = keyed(REDACTED, &[thinking.as_bytes()]);
    written(REDACTED, &[&name, &keyed(REDACTED, &[&name])])
}

/// Whether the `data` is one that [`redact`] made.
pub fn is_redacted(data: &str) -> bool {
    let mut buffer = [0; BYTES_MAX];
    match bytes(data, &mut buffer) {
        Some([REDACTED, hashes @ ..]) => hashes
            .split_at_checked(HASH_BYTES)
            .is_some_and(|(name, proof)| keyed(REDACTED, &[name]) == proof),
        _ => false,
    }
}

/// What stands before a block, as a running hash: it grows with the conversation and is never read twice.
#[derive(Clone)]
pub struct Prefix {
    hasher: Sha256,
    role: String,
}

impl Prefix {
    /// All of a request: what the first block of its answer stands behind.
    pub fn of(params: &Value) -> Self {
        let mut prefix = Self::start(params);
        for message in view::messages(params) {
            match message.content {
                Value::Array(blocks) => {
                    blocks.iter().for_each(|block| prefix.push(message.role, block));
                }
                text => prefix.push(message.role, text),
            }
        }
        prefix
    }

    /// What stands before the first message: tools and system.
    pub fn start(params: &Value) -> Self {
        let mut prefix = Self { hasher: Sha256::new(), role: String::new() };
        for tool in view::tools(params) {
            prefix.push("tools", tool);
        }
        match params.get("system") {
            Some(Value::Array(blocks)) => {
                blocks.iter().for_each(|block| prefix.push("system", block));
            }
            Some(text) => prefix.push("system", text),
            None => {}
        }
        // The first message may have the role system as well, and is yet no part of the prompt's head.
        prefix.turn("messages");
        prefix
    }

    /// Adds a block of a message of that role, or its content if that is a string.
    pub fn push(&mut self, role: &str, block: &Value) {
        self.turn(role);
        match block {
            Value::String(_) => self.object([("text", block), ("type", &"text".into())].into()),
            Value::Null => {}
            block => self.value(block),
        }
    }

    fn turn(&mut self, role: &str) {
        if self.role != role {
            role.clone_into(&mut self.role);
            self.text(b'r', role);
        }
    }

    /// Recursion ends with the JSON, whose depth the parser has limited.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(elements) => {
                self.text(b'[', "");
                elements.iter().for_each(|element| self.value(element));
                self.text(b']', "");
            }
            Value::Bool(truth) => self.text(b'b', if *truth { "true" } else { "false" }),
            Value::Null => self.text(b'n', ""),
            Value::Number(number) => self.text(b'd', &plain(number)),
            Value::Object(members) => {
                self.object(members.iter().map(|(name, value)| (&**name, value)).collect());
            }
            Value::String(text) => self.text(b's', text),
        }
    }

    fn object(&mut self, mut members: Vec<(&str, &Value)>) {
        members.retain(|(name, value)| *name != "cache_control" && !value.is_null());
        members.sort_unstable_by_key(|(name, _)| *name);
        self.text(b'{', "");
        for (name, value) in members {
            self.text(b'm', name);
            self.value(value);
        }
        self.text(b'}', "");
    }

    /// With its length, so that no text can be mistaken for what follows it.
    fn text(&mut self, mark: u8, text: &str) {
        self.hasher.update([mark]);
        self.hasher.update((text.len() as u64).to_le_bytes());
        self.hasher.update(text);
    }
}

const KEY: &[u8] = b"probity thinking signature v2";
const UNBOUND: u8 = 1;
const BOUND: u8 = 2;
const REDACTED: u8 = 3;

const HASH_BYTES: usize = 32;
/// A kind and two hashes, and what the decoder wants to have left.
const BYTES_MAX: usize = 1 + 2 * HASH_BYTES + 3;

fn keyed(kind: u8, parts: &[&[u8]]) -> [u8; HASH_BYTES] {
    let mut hasher = Sha256::new();
    hasher.update(KEY);
    hasher.update([kind]);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

fn bound_to(text: &[u8; HASH_BYTES], before: &Prefix) -> [u8; HASH_BYTES] {
    keyed(BOUND, &[text, &before.hasher.clone().finalize()])
}

fn written(kind: u8, hashes: &[&[u8; HASH_BYTES]]) -> String {
    let mut bytes = vec![kind];
    hashes.iter().for_each(|hash| bytes.extend_from_slice(&hash[..]));
    STANDARD.encode(bytes)
}

/// `None` for what is not base64, or longer than anything made here.
fn bytes<'b>(text: &str, buffer: &'b mut [u8; BYTES_MAX]) -> Option<&'b [u8]> {
    let length = STANDARD.decode_slice(text, buffer).ok()?;
    buffer.get(..length)
}

/// A whole number as such: a client in JavaScript cannot tell `1.0` from `1`.
fn plain(number: &serde_json::Number) -> String {
    /// Above it, a float leaves out whole numbers.
    const EXACT_MAX: f64 = (1_u64 << 53) as f64;
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < EXACT_MAX => {
            (float as i64).to_string()
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_text_or_signature_is_noticed() {
        let before = Prefix::of(&json!({"messages": [{"role": "user", "content": "Hi."}]}));
        for signature in [sign("step by step"), bind("step by step", &before)] {
            assert!(matches!(read("step by step", &signature), Seal::Bound(_) | Seal::Unbound));
            assert_eq!(read("step by step.", &signature), Seal::OfAnother);
            for altered in [
                signature.replacen(&signature[..1], "_", 1),
                signature[4..].to_owned(),
                signature[..signature.len() - 4].to_owned(),
                signature.repeat(2),
                String::new(),
            ] {
                assert_eq!(read("step by step", &altered), Seal::Forged, "{altered}");
            }
        }
    }

    #[test]
    fn redacted_data_proves_itself() {
        let data = redact("step by step");
        assert!(is_redacted(&data));
        assert!(!is_redacted(&data.replacen(&data[8..9], "_", 1)));
        assert!(!is_redacted(&sign("step by step")) && !is_redacted(""));
    }

    /// Whether what was bound behind one request fits behind another.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
    fn check(one: Value, other: Value, fits: bool) {
        let signature = bind("Hm.", &Prefix::of(&one));
        let Seal::Bound(binding) = read("Hm.", &signature) else { panic!("{signature}") };
        assert!(binding.fits(&Prefix::of(&one)));
        assert_eq!(binding.fits(&Prefix::of(&other)), fits, "{one} {other}");
    }

    #[test]
    fn a_binding_looks_at_what_the_model_reads() {
        let said = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
        let text = |text: &str| json!({"type": "text", "text": text});
        check(said(json!("Hi.")), said(json!("Hi!")), false);
        check(said(json!("Hi.")), said(json!([text("Hi.")])), true);
        check(said(json!([text("Hi."), text("Ho.")])), said(json!([text("Hi.Ho.")])), false);
        let marked = json!({"type": "text", "text": "Hi.", "citations": null, "cache_control": {"type": "ephemeral"}});
        check(said(json!("Hi.")), said(json!([marked])), true);
        let twice = json!({"messages": [{"role": "user", "content": "Hi."}, {"role": "user", "content": "Ho."}]});
        check(said(json!([text("Hi."), text("Ho.")])), twice, true);
        let other = json!({"messages": [{"role": "assistant", "content": "Hi."}]});
        check(said(json!("Hi.")), other, false);
    }

    #[test]
    fn a_binding_looks_at_tools_and_system_and_not_at_the_rest() {
        let with = |member: &str, value: Value| {
            let mut params = json!({"messages": [{"role": "user", "content": "Hi."}]});
            params[member] = value;
            params
        };
        let plain = || with("max_tokens", json!(1));
        check(plain(), with("model", json!("other")), true);
        check(plain(), with("tool_choice", json!({"type": "auto"})), true);
        check(plain(), with("system", json!("Be brief.")), false);
        check(plain(), with("tools", json!([])), true);
        check(plain(), with("tools", json!([{"name": "look"}])), false);
        let block = json!([{"type": "text", "text": "Be brief."}]);
        check(with("system", json!("Be brief.")), with("system", block), true);
        let head = with("system", json!("Be brief."));
        let aside = json!({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}]});
        check(head, aside, false);
        let (whole, float) =
            (json!([{"name": "look", "n": 1}]), json!([{"n": 1.0, "name": "look"}]));
        check(with("tools", whole), with("tools", float), true);
    }
}
