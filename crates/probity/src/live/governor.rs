//! Whether the next request may be sent: budget, rate, and what the server itself has asked for. Pure; the time is an
//! argument.
//!
//! A request is admitted only if everything spent, everything set aside and its own worst case fit the budget
//! together. What is refused for that stays refused, and cheaper ones after it may still pass. Where only what is set
//! aside stands in the way it waits, because most requests use far less than their worst case.

use super::Limits;
use super::money::Tokens;

/// A server that refuses ten in a row over load will refuse the eleventh.
pub const BUSY_IN_ROW_MAX: u32 = 10;
/// A run of which a fifth says nothing is worth little, and costs the server as much as any other.
const BUSY_SHARE_MAX: u64 = 5;
/// Below this many answers a share is chance.
const ANSWERS_MIN: u64 = 20;
/// Resets of limits per minute are over well within this; who asks for more wants us gone.
pub const WAIT_MS_MAX: u64 = 5 * 60 * 1_000;
/// What a minute has.
const MINUTE_MS: u64 = 60_000;

/// What is done with money and time.
#[derive(Clone, Debug, Default)]
pub struct Governor {
    limits: Limits,
    /// As answered.
    pub spent: Tokens,
    /// Worst cases of requests without an answer.
    aside: Tokens,
    pub sent: u64,
    answered: u64,
    pub busy: u64,
    busy_in_row: u32,
    /// The next request keeps the rate from here on.
    next_ms: u64,
    /// The server wants nothing before this.
    not_before_ms: u64,
    pub end: Option<End>,
}

/// May it be sent?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// Yes, and its worst case is set aside.
    Send,
    /// Its worst case does not fit into what is left.
    TooDear,
    /// Not yet: ask again at this time.
    Until(u64),
    /// Not yet: ask again when another request has been answered.
    AfterAnswer,
    /// No, and nothing else either.
    Stop,
}

/// Why no more is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Too many answers were about load or rate.
    Busy { busy: u64, answered: u64 },
    /// The server asked for a longer wait than a run has.
    LongWait { ms: u64 },
    /// The account's own limit is reached.
    SpendLimited,
}

/// What an answer says to the governor.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// What it used.
    pub used: Tokens,
    /// It was about load or rate.
    pub is_busy: bool,
    pub is_spend_limited: bool,
    /// Nothing is wanted before this time.
    pub not_before_ms: Option<u64>,
}

impl Governor {
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Asks for a request with this worst case.
    pub fn ask(&mut self, worst: Tokens, now_ms: u64) -> Word {
        if self.end.is_some() {
            return Word::Stop;
        }
        if !self.could_fit(worst) {
            return Word::TooDear;
        }
        if !self.fits(self.spent + self.aside + worst) {
            return Word::AfterAnswer;
        }
        let until_ms = self.next_ms.max(self.not_before_ms);
        if now_ms < until_ms {
            if WAIT_MS_MAX < until_ms - now_ms {
                self.end = Some(End::LongWait { ms: until_ms - now_ms });
                return Word::Stop;
            }
            return Word::Until(until_ms);
        }
        if let Some(per_minute) = self.limits.per_minute {
            self.next_ms = now_ms + MINUTE_MS.div_ceil(u64::from(per_minute.max(1)));
        }
        self.aside += worst;
        self.sent += 1;
        Word::Send
    }

    /// Whether there is room for it once everything on its way has cost nothing.
    pub fn could_fit(&self, worst: Tokens) -> bool {
        self.fits(self.spent + worst)
    }

    /// Takes what came of a request that was sent with this worst case.
    pub fn settle(&mut self, worst: Tokens, seen: Seen) {
        self.aside -= worst;
        self.spent += seen.used;
        self.answered += 1;
        self.not_before_ms = self.not_before_ms.max(seen.not_before_ms.unwrap_or(0));
        if seen.is_spend_limited {
            self.end = Some(End::SpendLimited);
        }
        if !seen.is_busy {
            self.busy_in_row = 0;
            return;
        }
        self.busy += 1;
        self.busy_in_row += 1;
        let is_share = ANSWERS_MIN <= self.answered && self.answered < self.busy * BUSY_SHARE_MAX;
        if self.end.is_none() && (is_share || BUSY_IN_ROW_MAX <= self.busy_in_row) {
            self.end = Some(End::Busy { busy: self.busy, answered: self.answered });
        }
    }

    fn fits(&self, tokens: Tokens) -> bool {
        let within = |limit: Option<u64>, amount: u64| limit.is_none_or(|limit| amount <= limit);
        within(self.limits.tokens_max, tokens.total())
            && self.limits.money.is_none_or(|money| money.prices.of(tokens) <= money.nanos_max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::live::Money;
    use crate::live::money::Prices;

    fn limits(tokens_max: u64) -> Limits {
        Limits { tokens_max: Some(tokens_max), ..Limits::default() }
    }

    const fn tokens(input: u64, output: u64) -> Tokens {
        Tokens { input, output }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_may_fit_later_waits() {
        let mut governor = Governor::new(limits(100));
        assert_eq!(governor.ask(tokens(60, 16), 0), Word::Send);
        assert_eq!(governor.ask(tokens(60, 16), 0), Word::AfterAnswer);
        assert_eq!(governor.ask(tokens(90, 16), 0), Word::TooDear);
        assert_eq!(governor.ask(tokens(20, 4), 0), Word::Send);
        governor.settle(tokens(60, 16), Seen { used: tokens(20, 1), ..Seen::default() });
        assert_eq!(governor.ask(tokens(50, 5), 0), Word::Send);
        governor.settle(tokens(20, 4), Seen::default());
        governor.settle(tokens(50, 5), Seen { used: tokens(50, 5), ..Seen::default() });
        assert_eq!(governor.spent, tokens(70, 6));
        assert_eq!(governor.ask(tokens(20, 5), 0), Word::TooDear);
        assert_eq!(governor.ask(Tokens::default(), 0), Word::Send);
    }

    #[test]
    fn money_is_a_budget_too() {
        let money = Money { nanos_max: 1_000, prices: Prices { input: 3, output: 15 } };
        let mut governor = Governor::new(Limits { money: Some(money), ..Limits::default() });
        assert_eq!(governor.ask(tokens(334, 0), 0), Word::TooDear);
        assert_eq!(governor.ask(tokens(300, 6), 0), Word::Send);
    }

    #[test]
    fn a_rate_is_kept_and_the_server_s_wish_too() {
        let mut governor = Governor::new(Limits { per_minute: Some(30), ..Limits::default() });
        let none = Tokens::default();
        assert_eq!(governor.ask(none, 1_000), Word::Send);
        assert_eq!(governor.ask(none, 1_500), Word::Until(3_000));
        assert_eq!(governor.ask(none, 3_000), Word::Send);
        governor.settle(none, Seen { not_before_ms: Some(9_000), ..Seen::default() });
        assert_eq!(governor.ask(none, 5_000), Word::Until(9_000));
        governor.settle(none, Seen { not_before_ms: Some(1 << 40), ..Seen::default() });
        assert_eq!(governor.ask(none, 9_000), Word::Stop);
        assert!(matches!(governor.end, Some(End::LongWait { .. })));
    }

    #[test]
    fn a_busy_server_is_left_alone() {
        let check = |answers: &[bool], expected: Option<End>| {
            let mut governor = Governor::new(Limits::default());
            for &is_busy in answers {
                governor.settle(Tokens::default(), Seen { is_busy, ..Seen::default() });
            }
            assert_eq!(governor.end, expected, "{answers:?}");
        };
        check(&[true; 9], None);
        check(&[true; 10], Some(End::Busy { busy: 10, answered: 10 }));
        let fifth = |count: usize| (0..count).map(|at| at % 5 == 0).collect::<Vec<_>>();
        check(&fifth(100), Some(End::Busy { busy: 5, answered: 21 }));
        let sixth = |count: usize| (0..count).map(|at| at % 6 == 5).collect::<Vec<_>>();
        check(&sixth(600), None);
    }

    #[test]
    fn a_spend_limit_ends_the_run() {
        let mut governor = Governor::new(Limits::default());
        governor.settle(Tokens::default(), Seen { is_spend_limited: true, ..Seen::default() });
        assert_eq!(governor.ask(Tokens::default(), 0), Word::Stop);
    }

    proptest! {
        /// Answers come in any order, use anything up to their worst case, and may say they are busy or give a time.
        #[test]
        fn the_budget_is_never_exceeded(
            tokens_max in 0_u64..5_000,
            nanos_max in 0_u64..50_000,
            asked in prop::collection::vec((0_u64..900, 0_u64..300, 0_u64..=100, any::<bool>(), 0_usize..5), 0..200),
        ) {
            let prices = Prices { input: 3, output: 15 };
            let money = Some(Money { nanos_max, prices });
            let limits = Limits { tokens_max: Some(tokens_max), money, per_minute: Some(600), prices: None };
            let mut governor = Governor::new(limits);
            let mut open: Vec<(Tokens, Seen)> = Vec::new();
            let mut now_ms = 0;
            let mut sent_at: Option<u64> = None;
            for (input, output, share, is_busy, answers) in asked {
                let worst = tokens(input, output);
                match governor.ask(worst, now_ms) {
                    Word::Send => {
                        prop_assert!(sent_at.is_none_or(|at| at + 100 <= now_ms), "the rate is kept");
                        sent_at = Some(now_ms);
                        let used = tokens(input * share / 100, output * share / 100);
                        open.push((worst, Seen { used, is_busy, ..Seen::default() }));
                    }
                    Word::Until(at) => {
                        prop_assert!(now_ms < at && at <= now_ms + WAIT_MS_MAX);
                        now_ms = at;
                    }
                    Word::TooDear | Word::AfterAnswer | Word::Stop => {}
                }
                let could_be = open.iter().fold(governor.spent, |sum, (worst, _)| sum + *worst);
                prop_assert!(could_be.total() <= tokens_max);
                prop_assert!(prices.of(could_be) <= nanos_max);
                for _ in 0..answers.min(open.len()) {
                    let (worst, seen) = open.swap_remove(answers % open.len());
                    governor.settle(worst, seen);
                }
            }
        }

        /// Whatever an answer claims, nothing more is sent than what is left allows.
        #[test]
        fn an_answer_over_its_worst_case_ends_the_spending(
            claims in prop::collection::vec((0_u64..200, 0_u64..10_000), 1..100),
        ) {
            let mut governor = Governor::new(limits(1_000));
            for (worst, used) in claims {
                let before = governor.spent.total();
                if governor.ask(tokens(worst, 0), 0) == Word::Send {
                    prop_assert!(before + worst <= 1_000);
                    governor.settle(tokens(worst, 0), Seen { used: tokens(used, 0), ..Seen::default() });
                }
            }
        }
    }
}
