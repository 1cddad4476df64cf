//! What must hold for any bytes, one property per module, as plain functions that panic where it does not.
//!
//! A target in `fuzz_targets/` is the line that hands a fuzzer's bytes to one of them, and the smoke test below
//! hands them the committed files and some thousand near misses, so that the properties are tried on stable with
//! every `cargo test`. The functions know nothing of the fuzzer. The price is that they cannot tell it which inputs
//! are worth keeping.

pub mod classify;
pub mod generate;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Enough for every seed to be met at every step of its reader, and a second or two.
    const NEAR_MISSES_PER_SEED: usize = 40;

    /// Runs the property over the target's committed files, nothing at all, and near misses of each.
    fn smoke(target: &str, run: fn(&[u8])) {
        let seeds = files(&format!("corpus/{target}"));
        assert!(!seeds.is_empty(), "fuzz/corpus/{target} holds no seed");
        run(&[]);
        let mut dice = Dice(1);
        for file in seeds.iter().chain(&files(&format!("regressions/{target}"))) {
            println!("{}", file.display());
            let seed = fs::read(file).unwrap();
            run(&seed);
            for _ in 0..NEAR_MISSES_PER_SEED {
                run(&near_miss(&seed, &mut dice));
            }
        }
    }

    /// The seed after one to four edits: a byte changed, a piece left out, a piece twice, an end cut off.
    fn near_miss(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=dice.below(4) {
            let (a, b) = (dice.below(bytes.len() + 1), dice.below(bytes.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            match dice.below(4) {
                0 if start < end => bytes[start] = dice.below(256) as u8,
                1 => drop(bytes.drain(start..end.min(start + 16))),
                2 => bytes.extend_from_within(start..end),
                _ => bytes.truncate(end),
            }
        }
        bytes
    }

    /// The files of a folder beside this crate, sorted; none if it is not there.
    fn files(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = fs::read_dir(folder).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// A linear congruential generator: the same near misses on every machine.
    struct Dice(u64);

    impl Dice {
        /// A number below `end`; 0 if there is none.
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) as usize % end.max(1)
        }
    }

    #[test]
    fn classify_smoke() {
        smoke("classify", classify::run);
    }

    #[test]
    fn generate_smoke() {
        smoke("generate", generate::run);
    }
}
