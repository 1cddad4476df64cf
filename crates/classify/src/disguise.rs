//! Texts that mean something else than their status says.
//!
//! A 400 that speaks of a rate limit is cured by waiting, one that speaks of the credit balance by paying;
//! only the text tells them from a 400 that is cured by changing the request. One table, one function; the
//! price is that a message which quotes such words from the request is taken for one.

/// What a message turns out to be about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Disguise {
    /// The account has no credit left.
    Billing,
    /// The output was stopped by a content filter.
    ContentFilter,
    /// Too much in too short a time: waiting cures it.
    RateLimit,
    /// A spend limit: nothing helps before the date in the message, unless the limit is raised.
    SpendLimit,
}

/// One text fragment, in lower case, and what it gives away.
pub struct Tell {
    pub fragment: &'static str,
    pub means: Disguise,
}

/// Fragments in order of weight: the earlier row wins where a message holds two, so that a spend limit which
/// points to the page about rate limits stays a spend limit.
pub const TELLS: [Tell; 10] = [
    // Rate limit page, tier spend cap: "You have reached your API usage limits: …", 429 or 400.
    tell("reached your api usage limits", Disguise::SpendLimit),
    // Rate limit page, own limit of the organisation: "You have reached your specified API usage limits…", 400.
    tell("reached your specified api usage limits", Disguise::SpendLimit),
    // Same page, own limit of a workspace: "… your specified workspace API usage limits…", 400.
    tell("specified workspace api usage limits", Disguise::SpendLimit),
    // Seen in the wild since 2024: "Your credit balance is too low to access the Anthropic API. …", 400.
    tell("credit balance is too low", Disguise::Billing),
    // Seen in the wild since 2024: "Output blocked by content filtering policy", 400.
    tell("blocked by content filtering policy", Disguise::ContentFilter),
    // The API's 429 text, which gateways pass on under a 400: "… your organization's rate limit of N …".
    tell("rate limit", Disguise::RateLimit),
    // Gateways that put the error type into the text: "rate_limit_error: …", "rate_limit_exceeded".
    tell("rate_limit_e", Disguise::RateLimit),
    // Gateways with a hyphen: "you are being rate-limited".
    tell("rate-limit", Disguise::RateLimit),
    // The reason phrase of 429, used as a message by proxies.
    tell("too many requests", Disguise::RateLimit),
    // Cloud gateways that throttle: "Too many tokens, please wait before trying again."
    tell("too many tokens, please wait", Disguise::RateLimit),
];

/// What `message` is really about, if it is not what its status says.
pub fn disguise(message: &str) -> Option<Disguise> {
    let bytes = &message.as_bytes()[..message.len().min(SCAN_BYTES_MAX)];
    let mut best = TELLS.len();
    for at in 0..bytes.len() {
        let first = bytes[at].to_ascii_lowercase();
        if !FIRST[first as usize] {
            continue;
        }
        let hit = TELLS[..best].iter().position(|tell| starts_with(&bytes[at..], tell.fragment));
        best = hit.unwrap_or(best);
    }
    TELLS.get(best).map(|tell| tell.means)
}

/// The API's own messages put the tell into the first sentence; what follows may be the caller's own text.
const SCAN_BYTES_MAX: usize = 1024;

/// Whether any fragment begins with that byte: most places in a message are dismissed by one look.
const FIRST: [bool; 256] = {
    let mut first = [false; 256];
    let mut idx = 0;
    while idx < TELLS.len() {
        first[TELLS[idx].fragment.as_bytes()[0] as usize] = true;
        idx += 1;
    }
    first
};

const fn tell(fragment: &'static str, means: Disguise) -> Tell {
    Tell { fragment, means }
}

fn starts_with(bytes: &[u8], fragment: &str) -> bool {
    bytes.get(..fragment.len()).is_some_and(|head| head.eq_ignore_ascii_case(fragment.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: Option<Disguise>) {
        assert_eq!(disguise(message), expected, "{message}");
    }

    #[test]
    fn every_tell_is_in_lower_case_and_found_in_any_case() {
        for tell in &TELLS {
            assert_eq!(tell.fragment, tell.fragment.to_ascii_lowercase());
            check(&format!("… {}.", tell.fragment.to_ascii_uppercase()), Some(tell.means));
        }
    }

    #[test]
    fn messages() {
        check("", None);
        check("messages.0.content: Field required", None);
        check("prompt is too long: 200049 tokens > 200000 maximum", None);
        check(
            "Your credit balance is too low to access the Anthropic API.",
            Some(Disguise::Billing),
        );
        check("Output blocked by content filtering policy", Some(Disguise::ContentFilter));
        check("Rate limit reached, see the message", Some(Disguise::RateLimit));
        check(
            "You have reached your specified workspace API usage limits. See rate limits.",
            Some(Disguise::SpendLimit),
        );
        check(
            "See rate limits. You have reached your API usage limits: …",
            Some(Disguise::SpendLimit),
        );
        check(&format!("{}rate limit", " ".repeat(SCAN_BYTES_MAX)), None);
    }
}
