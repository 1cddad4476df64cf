//! Tokens and what they cost, in integers: a budget must not be exceeded by a rounding.

use std::fmt;
use std::ops::{Add, AddAssign, SubAssign};

/// In one US dollar.
const NANOS: u64 = 1_000_000_000;
const TOKENS_PER_PRICE: u64 = 1_000_000;
/// More digits than any price list shows.
const DECIMALS_MAX: usize = 9;

/// Tokens as a request uses them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tokens {
    /// From a cache or not.
    pub input: u64,
    pub output: u64,
}

impl Tokens {
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

impl Add for Tokens {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
        }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Tokens {
    fn sub_assign(&mut self, other: Self) {
        self.input = self.input.saturating_sub(other.input);
        self.output = self.output.saturating_sub(other.output);
    }
}

/// What a token costs, in billionths of a dollar: 3 USD per million are 3,000.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Prices {
    pub input: u64,
    pub output: u64,
}

impl Prices {
    pub fn of(self, tokens: Tokens) -> u64 {
        let input = tokens.input.saturating_mul(self.input);
        input.saturating_add(tokens.output.saturating_mul(self.output))
    }
}

/// Billionths of a dollar, shown in dollars and cents, rounded up to a hundredth of a cent.
#[derive(Clone, Copy, Debug)]
pub struct Usd(pub u64);

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.0.div_ceil(NANOS / 10_000);
        let (dollars, parts) = (parts / 10_000, parts % 10_000);
        match parts % 100 {
            0 => write!(f, "{dollars}.{:02} USD", parts / 100),
            _ => write!(f, "{dollars}.{parts:04} USD"),
        }
    }
}

/// Reads dollars: `2`, `0.25`.
pub fn nanos(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not an amount in US dollars such as 0.25");
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > DECIMALS_MAX {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let decimals: u64 = format!("{decimals:0<DECIMALS_MAX$}").parse().map_err(|_| wrong())?;
    whole.checked_mul(NANOS).and_then(|nanos| nanos.checked_add(decimals)).ok_or_else(wrong)
}

/// Reads a price per million tokens as one per token, rounded up.
pub fn per_token(text: &str) -> Result<u64, String> {
    nanos(text).map(|nanos| nanos.div_ceil(TOKENS_PER_PRICE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let check =
            |text: &str, expected: Option<u64>| assert_eq!(nanos(text).ok(), expected, "{text}");
        check("2", Some(2_000_000_000));
        check("0.25", Some(250_000_000));
        check("0.000000001", Some(1));
        for text in
            ["", ".", "1.", ".5", "-1", "1e3", "0.0000000001", "99999999999999999999", "1,5"]
        {
            check(text, None);
        }
        assert_eq!((per_token("3"), per_token("0.0001")), (Ok(3_000), Ok(1)));
        let shown = [0, 1, 250_000_000, 1_234_500_000].map(|nanos| Usd(nanos).to_string());
        assert_eq!(shown, ["0.00 USD", "0.0001 USD", "0.25 USD", "1.2345 USD"]);
    }

    #[test]
    fn a_price_is_of_both_directions() {
        let prices = Prices { input: 3_000, output: 15_000 };
        assert_eq!(prices.of(Tokens { input: 1_000_000, output: 100_000 }), 4_500_000_000);
        assert_eq!(prices.of(Tokens { input: u64::MAX, output: u64::MAX }), u64::MAX);
    }
}
