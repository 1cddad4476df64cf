//! PDFs: whether they can be read, whether they are locked, and how many pages they have, alone and with the images.
//!
//! A library reads as much of a file as it takes to find the page tree, and believes the number of pages that the
//! tree states. A file above [`PDF_BYTES_MAX`] is looked at no further than its first bytes: the price is that of a
//! large scan neither damage nor lock nor pages are seen. Two rules that ask for the same file read it twice, so
//! that a request without PDFs pays nothing and no state is shared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, media, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};
use view::Place;

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

/// Holds what programs write in a few dozen pages, and keeps the work on one file below a tenth of a second.
const PDF_BYTES_MAX: usize = 256 * 1024;
/// The library follows the lengths of streams by recursion, and a file within the limit can chain nine thousand of
/// them at 12 KiB of stack each, when nothing is optimised. Only what is used is ever mapped.
const STACK_BYTES: usize = 128 * 1024 * 1024;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "pdf-undecodable",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_readable,
        breaches: |base, out| {
            for (at, data) in [
                // "This is no PDF at all.", and a PDF that ends behind its mark.
                ("messages/content/document", "VGhpcyBpcyBubyBQREYgYXQgYWxsLg=="),
                ("messages/content/document/cut", "JVBERi0xLjQKMSAwIG9iago8PC9UeXBl"),
            ] {
                out.push(edit::with_blocks(base, at, json!([edit::pdf(data)])));
            }
        },
        answer: Answer::invalid("Could not process PDF"),
        explanation: "The data does not start as a PDF does, or is damaged. \
            A page of HTML that was saved under the name of the file is a common case.",
        remedy: "Open the bytes as a PDF before they are sent.",
        source: "PDF support page; public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "pdf-encrypted",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_lock,
        breaches: |base, out| {
            for (at, lock) in [
                ("messages/content/document", LOCK),
                ("messages/content/document/owner", LOCK_OF_OWNER),
            ] {
                out.push(edit::with_blocks(base, at, json!([edit::pdf(&pdf(1, lock))])));
            }
        },
        answer: Answer::invalid(
            "PATH.pdf.source.base64.data: The PDF specified is password protected.",
        ),
        explanation: "The file is encrypted, and there is no parameter for a password. \
            Files that open without one and merely forbid printing or copying are encrypted as well.",
        remedy: "Unlock the file and send it without encryption.",
        source: "PDF support page; public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "pdf-pages-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_pages,
        breaches: break_pages,
        answer: Answer::invalid(
            "PATH.pdf.source.base64.data: A maximum of MAX PDF pages may be provided.",
        ),
        explanation: "A request holds 600 pages, on models with the smaller window 100, all its documents together. \
            A book reaches that.",
        remedy: "Split the document, or send only the pages that matter.",
        source: "PDF support page; public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "media-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_media,
        breaches: break_media,
        answer: Answer::invalid("Too much media: D document pages + I images > MAX"),
        explanation: "A request holds 600 images, on models with the smaller window 100, and the pages of its documents \
            count among them, since the model sees each page as an image. Agents that keep every screenshot reach it; \
            so do images and documents together that stay within the limit each for itself.",
        remedy: "Drop older images or documents from the conversation.",
        source: "vision and PDF support pages; public reports of live answers (that they count together)",
        confidence: Confidence::Observed,
        uncertain: None,
    },
];

/// Security handlers for the trailer of [`pdf`]: 40 bits, locked with the password `probity`, and one that opens
/// without a password and is locked for its owner only.
const LOCK: &str = "/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4\
    /O<91e9035458ad1d01b5792f083fb7902b1665671bdd8bd89ee01076c248489ffe>\
    /U<d001065e2ee40e64e00832100af6ccb2836c7fc03aca73c220e04dc61f0ae946>>>";
const LOCK_OF_OWNER: &str = "/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4\
    /O<c92422687facee686e373f10b5c7d04738053152f7e2ee30e11c69ec442576ab>\
    /U<25e717ba2e4f9e91900fb4f8815dcfc980d36b50ebd4e8ac359180c73c56530e>>>";

/// What can be told about a PDF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Look {
    Unreadable,
    Locked,
    Pages(u64),
    /// Too large to be read.
    Unseen,
}

/// Looks at each of the files.
///
/// On one stack of its own for all of them, because a hostile file would overflow a usual one and take the process
/// down, and because a request can hold tens of thousands of small files, each of which would cost a thread.
fn look_at(files: &[&str]) -> Vec<Look> {
    let looks = || files.iter().map(|data| look(data)).collect();
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, looks);
        reader.ok().and_then(|reader| reader.join().ok())
    })
    .unwrap_or_else(|| vec![Look::Unseen; files.len()])
}

fn look(data: &str) -> Look {
    let mut buffer = [0; view::HEAD_CHARS];
    let is_pdf = view::base64_head(data, view::HEAD_CHARS, &mut buffer)
        .is_some_and(|start| start.starts_with(b"%PDF-"));
    if !is_pdf {
        return Look::Unreadable;
    }
    if data.len() > PDF_BYTES_MAX / 3 * 4 {
        return Look::Unseen;
    }
    let Ok(bytes) = STANDARD.decode(data) else { return Look::Unreadable };
    // Should the library ever panic, that ends with the file.
    std::panic::catch_unwind(|| read(&bytes)).unwrap_or(Look::Unreadable)
}

fn read(bytes: &[u8]) -> Look {
    match lopdf::Document::load_metadata_mem(bytes) {
        Ok(found) if found.encrypted => Look::Locked,
        Ok(found) => Look::Pages(found.page_count.into()),
        Err(_) => Look::Unreadable,
    }
}

fn data_path(place: Place<'_>) -> String {
    format!("{}.pdf.source.base64.data", place.path())
}

/// Visits the PDFs with the path of their data; one without any data has its own rule.
fn each_pdf(ask: &Ask<'_>, mut visit: impl FnMut(&str, Look)) {
    let (mut paths, mut files) = (Vec::new(), Vec::new());
    view::each_source(ask.body, "document", &mut |place, _, data| {
        if !data.is_empty() {
            paths.push(data_path(place));
            files.push(data);
        }
    });
    if !files.is_empty() {
        paths.iter().zip(look_at(&files)).for_each(|(path, look)| visit(path, look));
    }
}

fn check_readable(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    each_pdf(ask, |_, look| {
        if look == Look::Unreadable {
            out.push(Finding::new("", "Could not process PDF"));
        }
    });
}

fn check_lock(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    each_pdf(ask, |path, look| {
        if look == Look::Locked {
            let message = "The PDF specified is password protected.";
            out.push(Finding::new(path, message));
        }
    });
}

/// One finding, at the document that goes over the limit.
fn check_pages(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(max) = ask.model.map(|model| model.pdf_pages_max) else { return };
    let mut total = 0;
    each_pdf(ask, |path, look| {
        let Look::Pages(pages) = look else { return };
        if (total..total + pages).contains(&max) {
            let message = format!("A maximum of {max} PDF pages may be provided.");
            out.push(Finding::new(path, message));
        }
        total += pages;
    });
}

fn break_pages(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, |_| true) else { return };
    let max = model.pdf_pages_max;
    for (at, parts) in [
        ("messages/content/document", &[max + 1][..]),
        ("messages/content/document/together", &[max / 2, max - max / 2 + 1]),
    ] {
        let documents: Vec<_> = parts.iter().map(|pages| edit::pdf(&pdf(*pages, ""))).collect();
        let members = json!({"messages": [edit::user(json!(documents))]});
        out.push(edit::small_on(base, model, at, members));
    }
}

/// Silent where pages alone are over their limit: that has a rule and a wording of its own, which comes first.
fn check_media(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(model) = ask.model else { return };
    let images = media::count_images(ask.body) as u64;
    // Without images the pages need not be counted.
    if images == 0 {
        return;
    }
    let mut pages = 0;
    each_pdf(ask, |_, look| {
        if let Look::Pages(more) = look {
            pages += more;
        }
    });
    let max = model.images_max;
    if pages <= model.pdf_pages_max && pages + images > max {
        let message = format!("Too much media: {pages} document pages + {images} images > {max}");
        out.push(Finding::new("", message));
    }
}

fn break_media(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, |_| true) else { return };
    let image = media::small_image();
    for (at, content, count) in [
        ("messages/content/image", json!([edit::MARK, image]), model.images_max),
        (
            "messages/content",
            json!([edit::MARK, image, edit::pdf(&pdf(2, ""))]),
            model.images_max - 2,
        ),
    ] {
        let body = edit::whole_on(base, model, json!({"messages": [edit::user(content)]}));
        out.push(edit::repeat_items(base, at, &body, &image, count));
    }
}

/// A file of that many empty pages, base64, with more entries for its trailer.
fn pdf(pages: u64, trailer: &str) -> String {
    use std::fmt::Write as _;
    let kids: String = (0..pages).map(|n| format!("{} 0 R ", n + 3)).collect();
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!("<</Type/Pages/Count {pages}/Kids[{kids}]/MediaBox[0 0 72 72]>>"),
    ];
    objects.extend((0..pages).map(|_| "<</Type/Page/Parent 2 0 R>>".to_owned()));
    let (mut file, size) = ("%PDF-1.4\n".to_owned(), objects.len() + 1);
    let mut table = format!("xref\n0 {size}\n0000000000 65535 f \n");
    for (n, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        let _ = writeln!(file, "{} 0 obj\n{object}\nendobj", n + 1);
    }
    let start = file.len();
    let _ = write!(
        file,
        "{table}trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF\n"
    );
    STANDARD.encode(file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(file: &[u8], expected: &Look) {
        assert_eq!(look_at(&[&STANDARD.encode(file)]), [*expected]);
    }

    fn file(pages: u64, trailer: &str) -> Vec<u8> {
        STANDARD.decode(pdf(pages, trailer)).expect("it was encoded a moment ago")
    }

    #[test]
    fn files_tell_what_they_are() {
        check(&file(1, ""), &Look::Pages(1));
        check(&file(601, ""), &Look::Pages(601));
        check(&file(1, LOCK), &Look::Locked);
        check(&file(1, LOCK_OF_OWNER), &Look::Locked);
        check(b"%PDF-1.4\n%%EOF\n", &Look::Unreadable);
        check(b"<!DOCTYPE html>", &Look::Unreadable);
        let large = [file(1, ""), vec![b' '; PDF_BYTES_MAX]].concat();
        check(&large, &Look::Unseen);
    }

    #[test]
    fn a_file_with_a_broken_table_is_read_all_the_same() {
        let text = String::from_utf8(file(3, "")).expect("it is plain text");
        check(text.replace("00000 n", "00000 f").as_bytes(), &Look::Pages(3));
    }

    /// As many streams as fit, the length of each being the next.
    #[test]
    fn a_chain_of_lengths_does_not_overflow_the_stack() {
        let mut file = file(1, "");
        for n in 4.. {
            let link = format!("{n} 0 obj<</Length {} 0 R>>stream\n", n + 1);
            if file.len() + link.len() + 64 > PDF_BYTES_MAX {
                break;
            }
            file.extend(link.as_bytes());
        }
        file.extend(b"trailer<</Root 1 0 R/Info 4 0 R>>startxref\n1\n%%EOF");
        assert!(matches!(
            look_at(&[&STANDARD.encode(file)])[..],
            [Look::Pages(_) | Look::Unreadable]
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn damage_never_panics(
            pages in 1..4_u64,
            lock in prop::sample::select(vec!["", LOCK, LOCK_OF_OWNER]),
            hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut file = file(pages, lock);
            for (index, byte) in &hits {
                let index = index.index(file.len());
                file[index] = *byte;
            }
            read(&file);
            read(&file[..cut.index(file.len())]);
        }
    }
}
