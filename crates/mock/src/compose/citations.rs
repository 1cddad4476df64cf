//! Citations: texts of an answer that say what they rest on.
//!
//! Only what the mock can read is cited, and every citation points at what it quotes: characters of a plain text,
//! blocks of a cut document or of a search result. A PDF is cited by its first page; the quotation is the first
//! text shown there, and empty if the page is packed, because nothing is unpacked here. What stands behind a file
//! id is unknown, so files are not cited, and neither are PDFs behind a URL quoted.

use contract::rules::view;
use serde_json::Value;

use super::prose;
use crate::dice::Dice;
use crate::message::Citation;

/// A text and what it rests on.
#[derive(Debug)]
pub(super) struct Cited {
    pub(super) text: String,
    pub(super) citations: Vec<Citation>,
}

/// An answer cites two places at most.
const CITED_MAX: usize = 2;
/// A quotation is no longer than this; texts are looked at that far from where it begins.
const QUOTE_CHARS_MAX: usize = 240;

/// Texts that cite what the request permits to cite, in its order.
pub(super) fn of_request(params: &Value, dice: &mut Dice) -> Vec<Cited> {
    let mut sources = Vec::new();
    let (mut documents, mut results) = (0, 0);
    view::each_block(params, &mut |_, block| {
        let count = match view::kind(block) {
            "document" => &mut documents,
            "search_result" => &mut results,
            _ => return,
        };
        if sources.len() < CITED_MAX && are_enabled(block) {
            sources.push((block, *count));
        }
        *count += 1;
    });
    let cite = |(block, index): (&Value, usize)| match view::kind(block) {
        "document" => of_document(block, index, dice),
        _ => of_search_result(block, index, dice),
    };
    sources.into_iter().filter_map(cite).collect()
}

/// Whether the block or tool asks for citations.
pub(super) fn are_enabled(value: &Value) -> bool {
    value.pointer("/citations/enabled") == Some(&Value::Bool(true))
}

/// How many documents the request holds.
pub(super) fn documents(params: &Value) -> usize {
    let mut documents = 0;
    view::each_block(params, &mut |_, block| {
        documents += usize::from(view::kind(block) == "document")
    });
    documents
}

/// A text that cites a passage of a plain text; `None` if there is nothing in it.
pub(super) fn of_text(
    text: &str,
    document_index: usize,
    document_title: Option<String>,
    dice: &mut Dice,
) -> Option<Cited> {
    let (start, passage) = passage(text, dice)?;
    let start_char_index = text[..start].chars().count();
    Some(cited(
        Citation::CharLocation {
            cited_text: passage.to_owned(),
            document_index,
            document_title,
            start_char_index,
            end_char_index: start_char_index + passage.chars().count(),
        },
        dice,
    ))
}

fn of_document(document: &Value, document_index: usize, dice: &mut Dice) -> Option<Cited> {
    let source = document.get("source")?;
    let document_title = title(document);
    match view::kind(source) {
        "text" => of_text(source.get("data")?.as_str()?, document_index, document_title, dice),
        "content" => {
            let (start_block_index, cited_text) = match source.get("content")? {
                Value::String(text) => (0, text.as_str()),
                blocks => block_text(view::list(blocks), dice)?,
            };
            let location = Citation::ContentBlockLocation {
                cited_text: cited_text.to_owned(),
                document_index,
                document_title,
                start_block_index,
                end_block_index: start_block_index + 1,
            };
            Some(cited(location, dice))
        }
        "base64" | "url" => {
            let data = source.get("data").and_then(Value::as_str).unwrap_or_default();
            let location = Citation::PageLocation {
                cited_text: pdf_text(data),
                document_index,
                document_title,
                start_page_number: 1,
                end_page_number: 2,
            };
            Some(cited(location, dice))
        }
        _ => None,
    }
}

fn of_search_result(block: &Value, search_result_index: usize, dice: &mut Dice) -> Option<Cited> {
    let (start_block_index, cited_text) = block_text(view::member_list(block, "content"), dice)?;
    let text = |member: &str| block.get(member).and_then(Value::as_str).map(str::to_owned);
    let location = Citation::SearchResultLocation {
        cited_text: cited_text.to_owned(),
        search_result_index,
        source: text("source")?,
        title: text("title"),
        start_block_index,
        end_block_index: start_block_index + 1,
    };
    Some(cited(location, dice))
}

fn cited(location: Citation, dice: &mut Dice) -> Cited {
    Cited { text: format!(" {}", prose::sentence(dice)), citations: vec![location] }
}

/// The title as a citation may have it, which is shorter than a document may.
fn title(document: &Value) -> Option<String> {
    const TITLE_CHARS_MAX: usize = 255;
    let title = document.get("title").and_then(Value::as_str)?;
    Some(title.chars().take(TITLE_CHARS_MAX).collect())
}

/// One of the text blocks, with its place among all blocks.
fn block_text<'a>(blocks: &'a [Value], dice: &mut Dice) -> Option<(usize, &'a str)> {
    let texts: Vec<_> = blocks
        .iter()
        .enumerate()
        .filter_map(|(index, block)| Some((index, block.get("text")?.as_str()?)))
        .collect();
    (!texts.is_empty()).then(|| texts[dice.below(texts.len())])
}

/// A passage of the text, up to the end of a sentence where there is one, and where it begins. It is one of the
/// first few, so that a long text costs no more than a short one.
fn passage<'a>(text: &'a str, dice: &mut Dice) -> Option<(usize, &'a str)> {
    const PASSAGES_MAX: usize = 4;
    let mut passages = Vec::new();
    let mut start = 0;
    while passages.len() < PASSAGES_MAX {
        let rest = &text[start..];
        start += rest.len() - rest.trim_start().len();
        let rest = &text[start..];
        let far = rest.char_indices().nth(QUOTE_CHARS_MAX).map_or(rest.len(), |(at, _)| at);
        let end = rest[..far].find(['.', '\n']).map_or(far, |at| at + 1);
        if end == 0 {
            break;
        }
        passages.push((start, rest[..end].trim_end()));
        start += end;
    }
    (!passages.is_empty()).then(|| passages[dice.below(passages.len())])
}

/// The first string that an unpacked page shows.
fn pdf_text(data: &str) -> String {
    /// Where a small PDF has its first page; a larger one is seldom unpacked.
    const HEAD_CHARS: usize = 4 * 1024;
    let mut buffer = [0; HEAD_CHARS];
    let whole = data.len().min(HEAD_CHARS);
    let Some(head) = view::base64_head(data, whole, &mut buffer) else { return String::new() };
    let head = String::from_utf8_lossy(head);
    let shown = head.find(") Tj").and_then(|end| {
        let start = head[..end].rfind('(')? + 1;
        Some(head[start..end].to_owned())
    });
    shown.filter(|shown| !shown.contains('\\')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is cited of one block, under several throws; each kind of location is looked up in the block.
    #[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
    fn check(block: Value, texts: &[&str]) {
        let other = json!({"type": "document", "source": {"type": "file", "file_id": "file_01"}, "citations": {"enabled": true}});
        let block_kind = view::kind(&block).to_owned();
        let content =
            json!([other, {"type": "tool_result", "tool_use_id": "toolu_01", "content": [block]}]);
        let params = json!({"messages": [{"role": "user", "content": content}]});
        let mut seen = Vec::new();
        for seed in 0..40 {
            let mut dice = Dice::of_part(seed, "citations", 0);
            let Some(cited) = of_request(&params, &mut dice).pop() else { continue };
            let location = serde_json::to_value(&cited.citations[0]).unwrap();
            let index =
                if block_kind == "document" { "document_index" } else { "search_result_index" };
            assert_eq!(location[index], u64::from(block_kind == "document"), "{location}");
            let quoted = location["cited_text"].as_str().unwrap().to_owned();
            assert_eq!(looked_up(&block, &location), quoted);
            seen.push(quoted);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, texts, "{block}");
    }

    fn looked_up(block: &Value, location: &Value) -> String {
        let number = |member: &str| location[member].as_u64().unwrap() as usize;
        match view::kind(location) {
            "char_location" => {
                let (start, end) = (number("start_char_index"), number("end_char_index"));
                let text = block["source"]["data"].as_str().unwrap();
                text.chars().skip(start).take(end - start).collect()
            }
            "page_location" => {
                assert_eq!((number("start_page_number"), number("end_page_number")), (1, 2));
                location["cited_text"].as_str().unwrap().to_owned()
            }
            _ => {
                let (start, end) = (number("start_block_index"), number("end_block_index"));
                let blocks = block.pointer("/source/content").unwrap_or_else(|| &block["content"]);
                match blocks {
                    Value::String(text) => text.clone(),
                    blocks => view::list(blocks)[start..end]
                        .iter()
                        .map(|b| b["text"].as_str().unwrap())
                        .collect(),
                }
            }
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
    fn document(source: Value) -> Value {
        json!({"type": "document", "source": source, "title": "A title", "citations": {"enabled": true}})
    }

    #[test]
    fn texts() {
        let text = |data: &str| {
            document(json!({"type": "text", "media_type": "text/plain", "data": data}))
        };
        check(
            text("Grün ist das Gras. Sky 🙂 is blue.\n\n紅葉"),
            &["Grün ist das Gras.", "Sky 🙂 is blue.", "紅葉"],
        );
        check(text("  "), &[]);
        check(text(&"é".repeat(500)), &[&*"é".repeat(20), &"é".repeat(240)]);
    }

    #[test]
    fn blocks() {
        let image = json!({"type": "image", "source": {"type": "file", "file_id": "file_02"}});
        let blocks =
            json!([{"type": "text", "text": "One."}, image, {"type": "text", "text": "Two."}]);
        check(document(json!({"type": "content", "content": blocks})), &["One.", "Two."]);
        check(document(json!({"type": "content", "content": "Whole."})), &["Whole."]);
        let texts = json!([{"type": "text", "text": "Found."}, {"type": "text", "text": "Lost."}]);
        check(
            json!({"type": "search_result", "source": "s", "title": "t", "content": texts, "citations": {"enabled": true}}),
            &["Found.", "Lost."],
        );
        check(json!({"type": "search_result", "source": "s", "title": "t", "content": texts}), &[]);
    }

    #[test]
    fn pages() {
        let pdf = |data: &str| {
            document(json!({"type": "base64", "media_type": "application/pdf", "data": data}))
        };
        // %PDF-1.4 BT (Hello there) Tj ET
        check(pdf("JVBERi0xLjQgQlQgKEhlbGxvIHRoZXJlKSBUaiBFVA=="), &["Hello there"]);
        check(pdf("JVBERi0xLjQ="), &[""]);
        check(document(json!({"type": "url", "url": "https://example.com/a.pdf"})), &[""]);
    }
}
