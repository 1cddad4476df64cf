//! What holds a run against a server that costs money.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::live::money;

/// The way to a server: every verb that sends cases takes it.
#[derive(Args, Clone, Debug, Default)]
pub struct WayArgs {
    /// Read the key from this file instead of ANTHROPIC_API_KEY. A key is never an argument, since others see those.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// With --live, also contact this host; by default only api.anthropic.com. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Certificates of authorities (PEM) to trust beside the usual ones, for gateways that have their own.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Take the address for the name and ask no name server; it must be permitted all the same.
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = known)]
    pub resolve: Vec<(String, IpAddr)>,
}

/// What may be spent: every verb that may ask a server that costs money takes it.
#[derive(Args, Clone, Debug, Default)]
pub struct BudgetArgs {
    /// Send nothing that might cost more than this in all. Needs --price-input and --price-output: prices change, and
    /// none are built in.
    #[arg(long, value_name = "USD", value_parser = money::nanos)]
    pub budget_usd: Option<u64>,
    /// Send nothing that might use more input and output tokens than this in all. A live run without a budget has one
    /// of 500,000.
    #[arg(long, value_name = "N")]
    pub budget_tokens: Option<u64>,
    /// Requests per minute at most: `30` or `30/min`.
    #[arg(long, value_name = "N/min", value_parser = rate)]
    pub rate: Option<u32>,
    /// The dearest price of input that may apply (cache writes are dearer than reads), in USD per million tokens.
    #[arg(long, value_name = "USD", value_parser = money::per_token, requires = "price_output")]
    pub price_input: Option<u64>,
    /// The dearest price of output that may apply, in USD per million tokens.
    #[arg(long, value_name = "USD", value_parser = money::per_token, requires = "price_input")]
    pub price_output: Option<u64>,
}

#[derive(Args, Clone, Debug, Default)]
pub struct LiveArgs {
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// Show by rule where the answers of two servers differ: `mock,live`. Without --target the live side is read from
    /// its ledgers.
    #[arg(long, value_name = "A,B", value_enum, value_delimiter = ',')]
    pub compare: Vec<Side>,
    /// The day of live ledgers, written or read (YYYY-MM-DD); by default today for writing, and the latest there is for
    /// reading.
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub as_of: Option<String>,
}

/// One side of a comparison.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Side {
    Live,
    Mock,
}

/// Reads `30` or `30/min`.
pub(crate) fn rate(text: &str) -> Result<u32, String> {
    let digits = text.strip_suffix("/min").unwrap_or(text);
    match digits.parse() {
        Ok(per_minute) if per_minute > 0 => Ok(per_minute),
        _ => Err(format!("`{text}` is not a rate such as 30/min")),
    }
}

fn known(text: &str) -> Result<(String, IpAddr), String> {
    let (name, address) = text.split_once('=').ok_or("expected NAME=ADDRESS")?;
    let address = address.parse().map_err(|error| format!("`{address}`: {error}"))?;
    Ok((name.to_owned(), address))
}

fn date(text: &str) -> Result<String, String> {
    match mock::Now::at_date(text).map(|now| now.date()) {
        Some(date) if date == text => Ok(date),
        _ => Err(format!("`{text}` is not a date such as 2026-11-22")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_dates_are_read() {
        assert_eq!((rate("30"), rate("30/min")), (Ok(30), Ok(30)));
        for text in ["0", "-1", "30/s", "fast"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!(date("2026-11-22"), Ok("2026-11-22".to_owned()));
        for text in ["2026-02-30", "2026-1-2", "22.11.2026", "../../etc"] {
            assert!(date(text).is_err(), "{text}");
        }
    }
}
