//! Choices drawn from bytes.
//!
//! When the bytes run out every choice is its first, and first choices are the smallest: an empty input draws the
//! smallest valid request, with no special case.

use arbitrary::Unstructured;

pub(super) struct Source<'a, 'b>(pub(super) &'a mut Unstructured<'b>);

impl Source<'_, '_> {
    /// A number below `count`, which must not be 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        if count <= 256 {
            let byte: u8 = self.0.arbitrary().unwrap_or(0);
            // Scaled rather than taken modulo: a slight bias, and one byte per choice.
            usize::from(byte) * count / 256
        } else {
            let wide: u16 = self.0.arbitrary().unwrap_or(0);
            usize::from(wide) * count / 65_536
        }
    }

    /// True in about `parts` of 256 cases; false once the bytes are out.
    pub(super) fn chance(&mut self, parts: u8) -> bool {
        let byte: u8 = self.0.arbitrary().unwrap_or(0);
        byte > u8::MAX - parts
    }

    pub(super) fn pick<'t, T>(&mut self, choices: &'t [T]) -> &'t T {
        &choices[self.below(choices.len())]
    }

    /// A number between the bounds, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.int_in_range(low..=high.max(low)).unwrap_or(low)
    }
}
