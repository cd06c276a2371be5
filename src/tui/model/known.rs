//! Whether what is on the screen is known, and as of when, whatever the link says of itself. While it is not,
//! "none" is "?" and figures carry their age.

use std::time::Duration;

use super::Model;
use crate::model::{Chore, PositionKey, SessionTime, Symbol, escape_controls};
use crate::tui::format;

/// How well something is known, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// The exchange told of them lately.
    Yes,
    /// It has not been heard for longer than the limit: they are so old.
    Old(Duration),
    /// Not since this start.
    NotYet,
}

impl Known {
    /// Whether what is shown may be taken for the truth.
    pub fn is_known(self) -> bool {
        self == Self::Yes
    }

    /// How many there are: `3`; while they are not known at least those that are here, `3?`, and none is `?`.
    pub fn count(self, here: usize) -> String {
        match (here, self.is_known()) {
            (here, true) => here.to_string(),
            (0, false) => format::UNKNOWN.to_owned(),
            (here, false) => format!("{here}{}", format::UNKNOWN),
        }
    }

    /// A figure, marked while it is not known: `12.50?`.
    pub fn figure(self, words: String) -> String {
        if self.is_known() || words.ends_with(format::UNKNOWN) { words } else { words + format::UNKNOWN }
    }

    /// `as of 34 s ago`; `None` while they are known.
    pub fn as_of(self) -> Option<String> {
        match self {
            Self::Yes => None,
            Self::Old(age) => Some(format!("as of {} ago", format::seconds(age))),
            Self::NotYet => Some("not read since the start".to_owned()),
        }
    }
}

impl Model {
    /// How well the account's positions are known.
    pub fn positions_known(&self) -> Known {
        let state = self.shown();
        let limit = self.setup.positions_limit;
        match state.positions_as_of() {
            _ if state.positions_known(self.now.session, limit) => Known::Yes,
            Some(as_of) => Known::Old(self.now.session.since(as_of)),
            None => Known::NotYet,
        }
    }

    /// How well the working orders are known: by the lists of the exchange.
    pub fn orders_known(&self) -> Known {
        let state = self.shown();
        let listed = self.known_since(state.upkeep.chore(Chore::PollOrders).done_at, self.setup.orders_limit);
        // Nothing is asked where none works: whether the exchange answers, the positions say.
        if state.orders.working_count() > 0 { listed } else { listed.max(self.positions_known()) }
    }

    /// How well the price of a contract is known. One that nobody trades may be silent for a while; where all of
    /// them are silent, nothing arrives.
    pub fn price_known(&self, symbol: &Symbol) -> Known {
        let (state, limit) = (self.shown(), self.setup.prices_limit);
        // Without a price its figures are "?" already.
        let Some(age) = state.quote_age(symbol, self.now.session) else { return Known::Yes };
        if age > limit || !self.stream_known().is_known() { Known::Old(age) } else { Known::Yes }
    }

    /// How well the prices are known that the figures depend on; without positions: whether any arrive.
    pub fn prices_known(&self) -> Known {
        let open = self.shown().positions.open().map(|position| self.price_known(&position.key.symbol));
        open.max().unwrap_or_else(|| self.stream_known())
    }

    /// How well the balances are known. They are asked for beside the positions.
    pub fn account_known(&self) -> Known {
        let unanswered = self.shown().upkeep.unanswered.get(&Chore::ReadAccount);
        let since = unanswered.map(|unanswered| unanswered.since);
        since.map_or(Known::Yes, |since| self.known_since(Some(since), self.setup.positions_limit))
    }

    /// How well the money is known: equity, profit and margin depend on all of it.
    pub fn figures_known(&self) -> Known {
        self.positions_known().max(self.prices_known()).max(self.account_known())
    }

    fn stream_known(&self) -> Known {
        let last = self.shown().upkeep.link.last_quote_at;
        last.map_or(Known::Yes, |last| self.known_since(Some(last), self.setup.prices_limit / 2))
    }

    fn known_since(&self, at: Option<SessionTime>, limit: Duration) -> Known {
        match at.map(|at| self.now.session.since(at)) {
            Some(age) if age <= limit => Known::Yes,
            Some(age) => Known::Old(age),
            None => Known::NotYet,
        }
    }

    /// How many positions are open: `3`; while they are not known at least those that are here, `3?`, and
    /// none is `?`.
    pub fn open_count(&self) -> String {
        self.positions_known().count(self.shown().positions.open_count())
    }

    /// What stands where there are no positions.
    pub fn no_positions(&self) -> String {
        let trouble = self.positions_trouble().map_or_else(String::new, |why| format!(": {why}"));
        match self.positions_known() {
            Known::Yes => "no open positions".to_owned(),
            Known::Old(age) => {
                format!(
                    "{} positions: the exchange was last heard {} ago{trouble}",
                    format::UNKNOWN,
                    format::seconds(age)
                )
            }
            Known::NotYet => {
                format!("{} positions: the exchange has not told of them since the start{trouble}", format::UNKNOWN)
            }
        }
    }

    /// Why the positions could not be read, as last told; harmless text.
    pub fn positions_trouble(&self) -> Option<String> {
        let upkeep = &self.shown().upkeep;
        let unanswered = upkeep.unanswered.get(&Chore::SyncPositions).map(|unanswered| unanswered.error.clone());
        let error = unanswered.or_else(|| upkeep.chore(Chore::SyncPositions).error);
        error.map(|error| escape_controls(&error).into_owned())
    }

    /// What is not certain of a position; `None` when nothing is.
    pub fn doubt_of(&self, key: &PositionKey) -> Option<String> {
        let doubt = self.shown().upkeep.unconfirmed.get(key)?;
        let now = self.now.session;
        let since = |at| format::seconds(now.since(at));
        Some(match (doubt.differs_since, doubt.missing) {
            (Some(at), _) => format!("the exchange's size or entry differs for {}", since(at)),
            (None, Some(missing)) => format!("a list of the exchange lacked it {} ago", since(missing.told_at)),
            (None, None) => "the exchange has not confirmed it".to_owned(),
        })
    }
}
