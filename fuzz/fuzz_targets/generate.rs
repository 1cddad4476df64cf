//! The target `generate`: glue and nothing else.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| probity_fuzz::generate::run(bytes));

#[cfg(not(fuzzing))]
fn main() {}
