//! Images: size, kind, and whether they can be read at all; and data of any medium that is empty. How many there may
//! be stands with the pages of PDFs, which share the limit.
//!
//! Data is base64 and may have megabytes, so nothing is decoded but its head; sizes are arithmetic on lengths.
//! The price is that damage behind the head goes unnoticed.
//!
//! From which size on an image counts as oversized is documented for single models only, and changes with them.
//! [`NATIVE_SIDE_MAX`] is the largest that any page names: what is larger is oversized for certain. The price is
//! that images which only older models have to scale down, from 1568 pixels on, are let through.

use serde_json::{Map, Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};
use view::Place;

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

const IMAGE_BYTES_MAX: usize = 10 * 1024 * 1024;
const SIDE_MAX: usize = 8000;
/// The limit on a side once there are more than [`MANY_IMAGES`].
const SIDE_MAX_MANY: usize = 2000;
const MANY_IMAGES: usize = 20;

/// The longest side that a model sees without scaling, of the models that see most.
const NATIVE_SIDE_MAX: usize = 2576;

/// A JPEG puts its size behind metadata; what is further in than this is not looked for.
const JPEG_HEAD_CHARS: usize = 256 * 1024;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "image-bytes-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_bytes,
        breaches: break_bytes,
        answer: Answer::invalid(
            "PATH.image.source.base64: image exceeds 10 MB maximum: N bytes > 10485760 bytes",
        ),
        explanation: "One image has at most 10 MB, counted after decoding base64. \
            Other platforms, and the API until 2026, allow only half of that.",
        remedy: "Scale the image down; beyond about 1.5 megapixels the model sees no more anyway.",
        source: "vision page; public reports, September 2026",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "media-data-empty",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_empty,
        breaches: |base, out| {
            out.push(edit::with_blocks(base, "messages/content/document", json!([edit::pdf("")])));
            out.push(edit::with_blocks(
                base,
                "messages/content/image",
                json!([image("image/png", "")]),
            ));
        },
        answer: Answer::invalid("PATH.image.source.base64.data: image cannot be empty"),
        explanation: "The block promises a file and holds none. \
            A file that was read twice, or before it had been written, looks like this.",
        remedy: "Check that the file has content before it is encoded.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "image-media-type-mismatch",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_kind,
        breaches: |base, out| {
            for (at, said) in [
                ("messages/content/image/gif", "image/gif"),
                ("messages/content/image/jpeg", "image/jpeg"),
            ] {
                out.push(edit::with_blocks(base, at, json!([image(said, PNG)])));
            }
        },
        answer: Answer::invalid(
            "PATH.image.source.base64.data: The image was specified using the SAID media type, but the image \
             appears to be a FOUND image",
        ),
        explanation: "The first bytes of the data tell what it is, and must agree with `media_type`. \
            Names of files are a poor guide: screenshots renamed to `.jpg` are still PNG.",
        remedy: "Take the media type from the bytes, not from the name.",
        source: "public reports, September 2026",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "image-undecodable",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_decodable,
        breaches: |base, out| {
            for (at, data) in [
                // "This is no image at all.", and a PNG that ends within its header.
                ("messages/content/image/cut", "iVBORw0KGgoAAAANSUhE"),
                ("messages/content/image/text", "VGhpcyBpcyBubyBpbWFnZSBhdCBhbGwu"),
            ] {
                out.push(edit::with_blocks(base, at, json!([image("image/png", data)])));
            }
        },
        answer: Answer::invalid("Could not process image"),
        explanation: "The data is no image of the four supported formats, or is damaged. \
            An error page that was downloaded in place of the image is a common case.",
        remedy: "Open the bytes as an image before they are sent.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "image-dimensions-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_sides,
        breaches: break_sides,
        answer: Answer {
            status: 400,
            error_type: "invalid_request_error",
            error_code: Some("image_dimensions_too_large"),
            wording: "PATH.image.source.base64.data: At least one of the image dimensions exceed max allowed size: \
                8000 pixels",
        },
        explanation: "No side of an image may be longer than 8000 pixels, or 2000 if the request holds more than \
            20 images. Up to the limit large images are scaled down, beyond it they are refused.",
        remedy: "Scale the image down before it is sent.",
        source: "vision page; the official SDKs of 20 November 2026",
        confidence: Confidence::Confirmed,
        uncertain: None,
    },
    Rule {
        id: "oversized-image-refused",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_oversized,
        breaches: |base, out| {
            let mut large = image("image/png", PNG_4000);
            large["transformations"] = json!({"oversized_image": "error"});
            out.push(edit::with_blocks(base, "messages/content/image", json!([large])));
        },
        answer: Answer::invalid(
            "PATH.image.source.base64.data: image of W x H pixels is oversized and `oversized_image` is \"error\"",
        ),
        explanation: "Images larger than the model sees are scaled down in silence, unless the request asks for an \
            error in that case. Then coordinates in the answer are sure to be those of the image as it was sent.",
        remedy: "Scale the image down before it is sent, or drop `transformations`.",
        source: "vision and token counting pages",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

/// One white or black pixel, and rows of 8001, 4000 and 2001 of them: valid to the last byte.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==";
const PNG_8001: &str = "iVBORw0KGgoAAAANSUhEUgAAH0EAAAABAQAAAACU2s6JAAAAEUlEQVR42mNgGAWjYBQMfwAAA+oAAf4i1lEAAAAASUVORK5CYII=";
const PNG_4000: &str = "iVBORw0KGgoAAAANSUhEUgAAD6AAAAABAQAAAADiDGwNAAAADklEQVR42mNgGAUjDgAAAfUAAe8ljkEAAAAASUVORK5CYII=";
const PNG_2001: &str =
    "iVBORw0KGgoAAAANSUhEUgAAB9EAAAABAQAAAABBRGPuAAAADElEQVR42mNgGLkAAAD8AAEy0wUiAAAAAElFTkSuQmCC";

fn data_path(place: Place<'_>) -> String {
    format!("{}.image.source.base64.data", place.path())
}

/// Length of the bytes behind base64.
fn decoded_length(data: &str) -> usize {
    data.trim_end_matches('=').len() * 3 / 4
}

/// What can be told about an image from its head.
enum Look {
    /// No image of a supported format, or one cut within its header.
    Unreadable,
    /// `sides` is absent if the size lies further in than was looked.
    Image { found: &'static str, sides: Option<(usize, usize)> },
}

fn look(data: &str) -> Look {
    let mut buffer = [0; view::HEAD_CHARS];
    let Some(start) = view::base64_head(data, view::HEAD_CHARS, &mut buffer) else {
        return Look::Unreadable;
    };
    let found = match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => return look_into_jpeg(data),
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => return Look::Unreadable,
    };
    match imagesize::blob_size(start) {
        Ok(size) => Look::Image { found, sides: Some((size.width, size.height)) },
        Err(_) => Look::Unreadable,
    }
}

fn look_into_jpeg(data: &str) -> Look {
    let mut buffer = vec![0; JPEG_HEAD_CHARS.min(data.len())];
    let Some(start) = view::base64_head(data, JPEG_HEAD_CHARS, &mut buffer) else {
        return Look::Unreadable;
    };
    let size = imagesize::blob_size(start).ok();
    if size.is_none() && data.len() <= JPEG_HEAD_CHARS {
        return Look::Unreadable;
    }
    Look::Image { found: "image/jpeg", sides: size.map(|size| (size.width, size.height)) }
}

fn check_bytes(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    view::each_source(ask.body, "image", &mut |place, _, data| {
        let length = decoded_length(data);
        if length > IMAGE_BYTES_MAX {
            let message =
                format!("image exceeds 10 MB maximum: {length} bytes > {IMAGE_BYTES_MAX} bytes");
            out.push(Finding::new(format!("{}.image.source.base64", place.path()), message));
        }
    });
}

/// A readable PNG with zeroes behind its end, which decoders pass over.
fn break_bytes(base: &Base<'_>, out: &mut Vec<Breach>) {
    const UNIT_CHARS: usize = 1024;
    let start = PNG.trim_end_matches('=');
    let (start, end) = (&start[..start.len() / 4 * 4], edit::MARK);
    let body = edit::whole(
        base,
        json!({"messages": [edit::user(json!([image("image/png", &format!("{start}{end}"))]))]}),
    );
    let count = IMAGE_BYTES_MAX / 3 * 4 / UNIT_CHARS + 1;
    out.push(edit::repeat_text(
        base,
        "messages/content/image",
        &body,
        "A".repeat(UNIT_CHARS),
        count as u64,
    ));
}

fn check_empty(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    view::each_source(ask.body, "image", &mut |place, _, data| {
        out.extend(
            data.is_empty().then(|| Finding::new(data_path(place), "image cannot be empty")),
        );
    });
    view::each_source(ask.body, "document", &mut |place, _, data| {
        let path = || format!("{}.pdf.source.base64.data", place.path());
        // A plain-text source has no base64 and is not visited.
        out.extend(data.is_empty().then(|| Finding::new(path(), "pdf cannot be empty")));
    });
}

fn check_kind(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    view::each_source(ask.body, "image", &mut |place, said, data| {
        if let Look::Image { found, .. } = look(data)
            && found != said
        {
            let message = format!(
                "The image was specified using the {said} media type, but the image appears to be a {found} image"
            );
            out.push(Finding::new(data_path(place), message));
        }
    });
}

fn check_decodable(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    view::each_source(ask.body, "image", &mut |_, _, data| {
        if !data.is_empty() && matches!(look(data), Look::Unreadable) {
            out.push(Finding::new("", "Could not process image"));
        }
    });
}

pub(super) fn count_images(params: &Value) -> usize {
    let mut count = 0;
    view::each_block(params, &mut |_, block| count += usize::from(view::kind(block) == "image"));
    count
}

/// One finding per image; the first of them is the answer, and so it carries the places of all.
fn check_sides(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let mut large = Vec::new();
    view::each_source(ask.body, "image", &mut |place, _, data| {
        if let Look::Image { sides: Some((width, height)), .. } = look(data)
            && width.max(height) > SIDE_MAX_MANY
        {
            large.push((width.max(height), place.path(), data_path(place)));
        }
    });
    // Counted for large images only, since most requests have none.
    let (max, kind) = if !large.is_empty() && count_images(ask.body) > MANY_IMAGES {
        (SIDE_MAX_MANY, " for many-image requests")
    } else {
        (SIDE_MAX, "")
    };
    large.retain(|(side, ..)| *side > max);
    let paths: Vec<_> = large.iter().map(|(_, path, _)| Value::from(&**path)).collect();
    let mut details = Some(Map::from_iter([
        ("max_side_length_pixels".to_owned(), max.into()),
        ("paths".to_owned(), paths.into()),
    ]));
    for (_, _, path) in large {
        let message = format!(
            "At least one of the image dimensions exceed max allowed size{kind}: {max} pixels"
        );
        out.push(Finding { details: details.take(), ..Finding::new(path, message) });
    }
}

fn break_sides(base: &Base<'_>, out: &mut Vec<Breach>) {
    out.push(edit::with_blocks(
        base,
        "messages/content/image",
        json!([image("image/png", PNG_8001)]),
    ));
    let mut many = vec![image("image/png", PNG); MANY_IMAGES];
    many.push(image("image/png", PNG_2001));
    out.push(edit::with_blocks(base, "messages/content/image/many", json!(many)));
}

fn check_oversized(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    view::each_block(ask.body, &mut |place, block| {
        let wish = block.get("transformations").and_then(|wishes| wishes.get("oversized_image"));
        if view::kind(block) != "image" || wish.is_none_or(|wish| wish != "error") {
            return;
        }
        let data = block.get("source").and_then(|source| source.get("data")?.as_str());
        if let Some(Look::Image { sides: Some((width, height)), .. }) = data.map(look)
            && width.max(height) > NATIVE_SIDE_MAX
        {
            let message = format!(
                "image of {width} x {height} pixels is oversized and `oversized_image` is \"error\""
            );
            out.push(Finding::new(data_path(place), message));
        }
    });
}

/// An image of one pixel.
pub(super) fn small_image() -> Value {
    image("image/png", PNG)
}

fn image(media_type: &str, data: &str) -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}})
}
