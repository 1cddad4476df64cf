//! Bodies under a content coding, unpacked for whoever has to look inside.
//!
//! What unpacks to more than a limit is not unpacked at all, since a few bytes can stand for any number; and of
//! several codings one upon the other none is, since nobody sends that. What broke off is unpacked as far as it came.
//! All decoders are of Rust, so that bytes of strangers can break off an unpacking and nothing else.

use std::io::Read;

use brotli_decompressor::Decompressor;
use classify::Headers;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

/// The longest line of a stream, four times: what unpacks to more is an attack on whoever looks.
const UNPACKED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The working memory of the decoder, as its authors propose it.
const BROTLI_BUFFER_BYTES: usize = 4096;

/// What HTTP permits (RFC 9659); it is set aside before the first byte is unpacked.
const ZSTD_WINDOW_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What is wrong with a packed body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// It is damaged or broke off; what came before.
    Broken(Vec<u8>),
    TooMuch,
    /// A coding that is not read here.
    Unknown,
}

/// The coding that the head names, where the body bears it out: archives name it and hold the text without it.
pub fn coding(headers: &Headers, body: &[u8]) -> Option<String> {
    let named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
    let named: Vec<_> = named.map(|(_, value)| value.trim().to_ascii_lowercase()).collect();
    let named = named.join(", ");
    (!matches!(&*named, "" | "identity") && !is_text(body)).then_some(named)
}

/// The coding that a body has by its first bytes, whatever the head says. Not all can be told so.
pub fn coding_by_magic(body: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 2] = [(b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")];
    MAGIC.into_iter().find(|(magic, _)| body.starts_with(magic)).map(|(_, name)| name)
}

/// The body without its coding.
pub fn unpack(coding: &str, body: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut out = Vec::new();
    match coding {
        "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(body), &mut out)?,
        "deflate" if is_zlib(body) => inflate(ZlibDecoder::new(body), &mut out)?,
        // Some leave the envelope away, which browsers forgive.
        "deflate" => inflate(DeflateDecoder::new(body), &mut out)?,
        "br" => inflate(Decompressor::new(body, BROTLI_BUFFER_BYTES), &mut out)?,
        "zstd" => zstd(body, &mut out)?,
        _ => return Err(Trouble::Unknown),
    }
    Ok(out)
}

/// Frames one after the other, of which each takes some bytes.
fn zstd(mut body: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
    while !body.is_empty() {
        match StreamingDecoder::new_with_max_window_size(&mut body, ZSTD_WINDOW_BYTES_MAX) {
            Ok(frame) => inflate(frame, out)?,
            Err(_) => return Err(Trouble::Broken(std::mem::take(out))),
        }
    }
    Ok(())
}

fn inflate(from: impl Read, out: &mut Vec<u8>) -> Result<(), Trouble> {
    let room = (UNPACKED_BYTES_MAX + 1).saturating_sub(out.len() as u64);
    let read = from.take(room).read_to_end(out);
    if out.len() as u64 > UNPACKED_BYTES_MAX {
        return Err(Trouble::TooMuch);
    }
    read.map(drop).map_err(|_| Trouble::Broken(std::mem::take(out)))
}

/// Method and check of the envelope.
fn is_zlib(body: &[u8]) -> bool {
    let is_head = |first: u8, second: u8| {
        first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31)
    };
    matches!(body, [first, second, ..] if is_head(*first, *second))
}

/// A packed body holds bytes that no text does, also where a coding repeats text as it is.
fn is_text(body: &[u8]) -> bool {
    // A body that was cut may end within a character.
    let is_utf8 =
        std::str::from_utf8(body).map_or_else(|error| error.error_len().is_none(), |_| true);
    let is_of_text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
    is_utf8 && body.iter().all(is_of_text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] =
        b"{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"a a a a a a\"}}";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut to = GzEncoder::new(Vec::new(), Compression::default());
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    /// By each coding: `br` and `zstd` hold the text as it is, which is a way of packing, too.
    fn packed() -> Vec<(&'static str, Vec<u8>)> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT).unwrap();
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(TEXT).unwrap();
        let length = u8::try_from(TEXT.len()).unwrap();
        // One segment whose size is one byte, and one last raw block.
        let head = [0x28, 0xb5, 0x2f, 0xfd, 0x20, length, length << 3 | 1, length >> 5, 0];
        let zstd = [&head, TEXT].concat();
        // Window bits 16, no last block, its length in 16 bits, not packed; and an empty last block.
        let bits = u32::from(length - 1) << 4 | 1 << 20;
        let br = [&bits.to_le_bytes()[..3], TEXT, &[3]].concat();
        vec![
            ("gzip", gzip(TEXT)),
            ("x-gzip", [gzip(&TEXT[..9]), gzip(&TEXT[9..])].concat()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", deflate.finish().unwrap()),
            ("zstd", [&zstd[..], &zstd].concat()),
            ("br", br),
        ]
    }

    #[test]
    fn codings_are_taken_off() {
        for (coding, body) in packed() {
            let expected = if coding == "zstd" { [TEXT, TEXT].concat() } else { TEXT.to_vec() };
            assert_eq!(unpack(coding, &body), Ok(expected), "{coding}");
            assert!(!is_text(&body), "{coding}");
        }
        assert_eq!(unpack("compress", b"\x1f\x9d"), Err(Trouble::Unknown));
        assert_eq!(unpack("gzip, gzip", &gzip(&gzip(TEXT))), Err(Trouble::Unknown));
    }

    #[test]
    fn what_broke_off_or_is_damaged_ends_there() {
        for (coding, body) in packed() {
            for end in 1..body.len() {
                match unpack(coding, &body[..end]) {
                    // Between two members there is nothing to miss.
                    Ok(out) | Err(Trouble::Broken(out)) => {
                        assert!([TEXT, TEXT].concat().starts_with(&out), "{coding} {end}");
                    }
                    other => panic!("{coding} {end}: {other:?}"),
                }
            }
            for at in 0..body.len() {
                for bit in 0..8 {
                    let mut damaged = body.clone();
                    damaged[at] ^= 1 << bit;
                    let _anything_but_a_panic = unpack(coding, &damaged);
                }
            }
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = gzip(&vec![b'a'; usize::try_from(UNPACKED_BYTES_MAX).unwrap() + 1]);
        assert!(bomb.len() < 100_000);
        assert_eq!(unpack("gzip", &bomb), Err(Trouble::TooMuch));
        // Two frames of 127 runs of one byte, which is the most that a block may hold.
        let head = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
        let run = |is_last: u8| [2 | is_last, 0, 0x10, b'a'];
        let frame = [&head[..], &run(0).repeat(400), &run(1)].concat();
        assert_eq!(unpack("zstd", &frame.repeat(2)), Err(Trouble::TooMuch));
    }

    #[test]
    fn the_body_has_the_last_word() {
        let check = |name: &'static str, body: &[u8], expected: Option<&str>| {
            let headers = Headers(vec![("Content-Encoding".into(), name.into())]);
            assert_eq!(coding(&headers, body).as_deref(), expected, "{name}");
        };
        check("GZIP ", &gzip(TEXT), Some("gzip"));
        check("gzip, br", &gzip(TEXT), Some("gzip, br"));
        check("gzip", TEXT, None);
        check("br", &"{\"ü".as_bytes()[..3], None);
        check("identity", &gzip(TEXT), None);
        assert_eq!(coding_by_magic(&gzip(TEXT)), Some("gzip"));
        assert_eq!(coding_by_magic(TEXT), None);
    }
}
