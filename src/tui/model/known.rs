//! Whether the positions on the screen are known, and as of when. While they are not, "none" is "?".

use std::time::Duration;

use super::Model;
use crate::model::{Chore, PositionKey, escape_controls};
use crate::tui::format;

/// How well the account's positions are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// How many positions are open: `3`; while they are not known at least those that are here, `3?`, and
    /// none is `?`.
    pub fn open_count(&self) -> String {
        match (self.shown().positions.open_count(), self.positions_known().is_known()) {
            (open, true) => open.to_string(),
            (0, false) => format::UNKNOWN.to_owned(),
            (open, false) => format!("{open}{}", format::UNKNOWN),
        }
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
