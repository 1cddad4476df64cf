//! The text that a reply hands to its reader: what an honest client repeats.
//!
//! Only text blocks count, in the order in which their pieces arrive. The judge has a reader of its own for it,
//! so that no client is believed on what it says it was given; the price is that blocks which overlap, against
//! the grammar, are read as they come.

use classify::sse::Decoder;
use serde_json::Value;

/// The text in this body, and whether a stream came to its `message_stop`.
pub(super) fn given(body: &[u8], streams: bool) -> (String, bool) {
    if !streams {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        return (blocks(&message), false);
    }
    let (mut text, mut stopped) = (String::new(), false);
    for event in Decoder::default().push(body) {
        let Ok(payload) = serde_json::from_str::<Value>(&event.data) else { continue };
        match payload["type"].as_str() {
            _ if stopped => {}
            Some("content_block_start") => push_block(&mut text, &payload["content_block"]),
            Some("content_block_delta") if payload["delta"]["type"] == "text_delta" => {
                text.push_str(payload["delta"]["text"].as_str().unwrap_or_default());
            }
            Some("message_start") => text.push_str(&blocks(&payload["message"])),
            Some("message_stop") => stopped = true,
            _ => {}
        }
    }
    (text, stopped)
}

fn blocks(message: &Value) -> String {
    let mut text = String::new();
    for block in message["content"].as_array().into_iter().flatten() {
        push_block(&mut text, block);
    }
    text
}

fn push_block(text: &mut String, block: &Value) {
    if block["type"] == "text" {
        text.push_str(block["text"].as_str().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_text_blocks_say() {
        let message = r#"{"content":[{"type":"text","text":"a"},{"type":"thinking","text":"x"},{"type":"text","text":"b"}]}"#;
        assert_eq!(given(message.as_bytes(), false).0, "ab");
        assert_eq!(given(b"<html>", false).0, "");
        let delta = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n";
        let stop = "data: {\"type\":\"message_stop\"}\n\n";
        let stream = |parts: &[&str]| given(parts.concat().as_bytes(), true);
        assert_eq!(stream(&[delta, "data: {\n\n", delta]), ("aa".to_owned(), false));
        assert_eq!(stream(&[delta, stop, delta]), ("a".to_owned(), true));
    }
}
