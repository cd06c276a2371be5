//! Margin ratios of the last fifteen minutes, for the curve in the detail pane.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::model::{Decimal, PositionId, SessionState, SessionTime};
use crate::tui::figures;

/// Session time between samples.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Samples kept: fifteen minutes of them.
pub const SAMPLES: usize = 180;

/// Margin ratios over time, by position.
#[derive(Clone, Debug, Default)]
pub struct History {
    due: SessionTime,
    by_position: BTreeMap<PositionId, VecDeque<Option<Decimal>>>,
}

impl History {
    /// Takes a sample of each position when one is due.
    pub fn sample(&mut self, state: &SessionState) {
        if state.now < self.due {
            return;
        }
        self.due = state.now.plus(SAMPLE_EVERY);
        self.by_position.retain(|id, _| state.positions.by_id(*id).is_some());
        for position in state.positions.open() {
            let samples = self.by_position.entry(position.id).or_default();
            samples.push_back(figures::danger(state, position).ratio_pct);
            if samples.len() > SAMPLES {
                samples.pop_front();
            }
        }
    }

    /// The samples of a position, oldest first.
    pub fn of(&self, id: PositionId) -> impl ExactSizeIterator<Item = Option<Decimal>> {
        self.by_position.get(&id).map(|samples| samples.iter().copied()).unwrap_or_default()
    }
}
