//! Where the bytes of the seeded draws come from.

/// Bytes a draw may use: the longest conversations use about a quarter of it.
const DRAW_BYTES: usize = 4096;

/// How the bytes of a draw are spread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bytes {
    Plain,
    /// Half of them high. High bytes say yes to what is optional, so such a draw has most of what can be had.
    Rich,
}

/// FNV-1a: chooses samples, so it has to be the same for ever, and tells names apart within a run.
pub(super) fn short_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The bytes of one draw: SplitMix64, because it is the same ten lines in every language and for ever.
pub(super) fn seeded_bytes(seed: u64, index: u64, kind: Bytes) -> [u8; DRAW_BYTES] {
    let mut state = seed ^ index.wrapping_mul(0xD1B5_4A32_D192_ED03);
    let mut bytes = [0; DRAW_BYTES];
    for chunk in bytes.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    if kind == Bytes::Rich {
        for byte in &mut bytes {
            *byte |= 0xC0 * (*byte & 1);
        }
    }
    bytes
}
