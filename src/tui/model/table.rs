//! A table: rows by id, a selection that follows its row wherever it goes, marks, a filter.

use std::collections::BTreeSet;

use super::Pane;
use crate::model::{AlertId, CallClass, CommandId, OrderNo, PastPlace, PositionId, RiskLimit};

/// What a row stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowId {
    /// A position, open or latched after its liquidation.
    Position(PositionId),
    /// An order.
    Order(OrderNo),
    /// A circuit breaker.
    Class(CallClass),
    /// A risk limit.
    Limit(RiskLimit),
    /// An alert of the session; the newest of its fold.
    Alert(AlertId),
    /// An alert of this dashboard alone.
    Local(u64),
    /// A command.
    Command(CommandId),
    /// A row of the past.
    Past(PastPlace),
}

/// What a table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Nearest to liquidation.
    Danger,
    /// Contract.
    Symbol,
    /// Worth at the mark price.
    Size,
    /// Unrealised profit.
    Profit,
    /// Number of the order: the newest first.
    Number,
    /// Buy or sell.
    Side,
    /// Limit price.
    Price,
    /// State.
    State,
}

impl Column {
    /// The columns that a pane can be sorted by, the first one by default.
    pub const fn of(pane: Pane) -> &'static [Self] {
        match pane {
            Pane::Positions => &[Self::Danger, Self::Symbol, Self::Size, Self::Profit],
            Pane::Orders => &[Self::Number, Self::Symbol, Self::Side, Self::Price, Self::State],
            _ => &[],
        }
    }

    /// Its name in the title.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Danger => "danger",
            Self::Symbol => "symbol",
            Self::Size => "size",
            Self::Profit => "uPnL",
            Self::Number => "newest",
            Self::Side => "side",
            Self::Price => "price",
            Self::State => "state",
        }
    }
}

/// How a table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub column: Column,
    /// Against the column's own direction.
    pub reversed: bool,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Whose it is.
    pub pane: Pane,
    /// Its rows in order.
    pub rows: Vec<RowId>,
    /// The selected row.
    pub selected: Option<RowId>,
    /// The marked rows.
    pub marks: BTreeSet<RowId>,
    /// The first row in sight.
    pub offset: usize,
    /// How it is sorted; `None` where there is but one order.
    pub sort: Option<Sort>,
    /// Only rows with this text are shown; empty shows all.
    pub filter: String,
    /// How many rows there are without the filter.
    pub total: usize,
    /// Whether the selection is somebody's choice. Until then it is the first row, whichever that
    /// is; a pane that gets the keyboard is pinned to the row it shows.
    pub pinned: bool,
    /// The place the selection had, for when its row goes.
    place: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self::of(Pane::Positions)
    }
}

impl Table {
    /// The table of a pane.
    pub fn of(pane: Pane) -> Self {
        Self {
            pane,
            rows: Vec::new(),
            selected: None,
            marks: BTreeSet::new(),
            offset: 0,
            sort: Column::of(pane).first().map(|column| Sort { column: *column, reversed: false }),
            filter: String::new(),
            total: 0,
            pinned: false,
            place: 0,
        }
    }

    /// Where the selected row is.
    pub fn place(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.rows.iter().position(|row| row == selected)
    }

    /// Takes rows in their order. The selection stays on its row; when the row is gone it takes the
    /// one that now stands in its place. With `hold` rows keep the order they have, those that are
    /// gone leave, and new ones come last.
    pub fn take_rows(&mut self, rows: Vec<RowId>, hold: bool) {
        if hold {
            let fresh: BTreeSet<&RowId> = rows.iter().collect();
            self.rows.retain(|row| fresh.contains(row));
            let present: BTreeSet<&RowId> = self.rows.iter().collect();
            let new: Vec<RowId> = rows.iter().filter(|row| !present.contains(row)).cloned().collect();
            self.rows.extend(new);
        } else {
            self.rows = rows;
        }
        if !self.marks.is_empty() {
            let present: BTreeSet<&RowId> = self.rows.iter().collect();
            self.marks.retain(|mark| present.contains(mark));
        }
        match self.place() {
            _ if !self.pinned => self.select(0),
            Some(place) => self.place = place,
            None => self.select(self.place),
        }
    }

    /// Selects the row at a place, or the last one.
    pub fn select(&mut self, place: usize) {
        self.place = place.min(self.rows.len().saturating_sub(1));
        self.selected = self.rows.get(self.place).cloned();
    }

    /// Selects a row by somebody's choice; it is found in place when rows are taken next.
    pub fn choose(&mut self, row: RowId) {
        self.selected = Some(row);
        self.pinned = true;
    }

    /// Moves the selection.
    pub fn move_by(&mut self, rows: usize, down: bool) {
        self.pinned = true;
        let place = self.place().unwrap_or(self.place);
        self.select(if down { place.saturating_add(rows) } else { place.saturating_sub(rows) });
    }

    /// Moves the window so that the selection is in it and no space below is wasted.
    pub fn scroll_to_selected(&mut self, height: u16) {
        let height = usize::from(height.max(1));
        let place = self.place().unwrap_or_default();
        if place < self.offset {
            self.offset = place;
        } else if place >= self.offset.saturating_add(height) {
            self.offset = place.saturating_add(1).saturating_sub(height);
        }
        self.offset = self.offset.min(self.rows.len().saturating_sub(height));
    }

    /// Marks the selected row, or takes its mark away.
    pub fn toggle_mark(&mut self) {
        if let Some(selected) = &self.selected
            && !self.marks.remove(selected)
        {
            self.marks.insert(selected.clone());
        }
    }

    /// Sorts by the next column.
    pub fn next_sort(&mut self) {
        let columns = Column::of(self.pane);
        if let Some(sort) = &mut self.sort {
            let place = columns.iter().position(|column| *column == sort.column).unwrap_or_default();
            let next = place.saturating_add(1).checked_rem(columns.len()).unwrap_or_default();
            if let Some(column) = columns.get(next) {
                *sort = Sort { column: *column, reversed: false };
            }
        }
    }

    /// Turns the direction around.
    pub fn reverse_sort(&mut self) {
        if let Some(sort) = &mut self.sort {
            sort.reversed = !sort.reversed;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(numbers: &[u64]) -> Vec<RowId> {
        numbers.iter().map(|no| RowId::Order(OrderNo(*no))).collect()
    }

    proptest! {
        #[test]
        fn selection_follows_its_id_through_any_reorder(
            first in prop::collection::btree_set(0_u64..50, 1..30),
            second in prop::collection::btree_set(0_u64..50, 1..30),
            order in any::<u64>(),
            pick in any::<prop::sample::Index>(),
            hold in any::<bool>(),
        ) {
            let first: Vec<u64> = first.into_iter().collect();
            let mut second: Vec<u64> = second.into_iter().collect();
            second.sort_by_key(|no| no.wrapping_mul(order | 1));
            let mut table = Table::of(Pane::Orders);
            table.take_rows(rows(&first), false);
            table.select(pick.index(first.len()));
            table.pinned = true;
            let before = table.selected.clone();
            table.take_rows(rows(&second), hold);
            if rows(&second).contains(before.as_ref().unwrap()) {
                prop_assert_eq!(&table.selected, &before);
            }
            let selected = table.selected.clone().unwrap();
            prop_assert!(table.rows.contains(&selected));
            prop_assert_eq!(table.rows.len(), second.len());
            table.scroll_to_selected(5);
            let place = table.place().unwrap();
            prop_assert!((table.offset..table.offset + 5).contains(&place));
        }
    }

    #[test]
    fn held_rows_keep_their_order() {
        let mut table = Table::of(Pane::Orders);
        table.take_rows(rows(&[3, 1, 2]), false);
        table.take_rows(rows(&[1, 2, 4, 3]), true);
        assert_eq!(table.rows, rows(&[3, 1, 2, 4]));
    }

    #[test]
    fn marks_leave_with_their_rows() {
        let mut table = Table::of(Pane::Orders);
        table.take_rows(rows(&[3, 1]), false);
        table.pinned = true;
        table.toggle_mark();
        table.take_rows(rows(&[1]), false);
        assert!(table.marks.is_empty());
        assert_eq!(table.selected, Some(RowId::Order(OrderNo(1))));
    }
}
