//! What the history pane shows: one page of the past, and what is asked next. What is wanted is a
//! question made from the pane's own state; it is sent when it differs from the one asked last.

use std::time::Duration;

use super::{Pane, RowId};
use crate::model::{PastFrom, PastPage, PastQuery, PastRow, PastSort, PastTable, SessionTime};

/// Rows of a page: many screens, and few enough to be held and read in a moment.
pub const PAST_PAGE: usize = 200;

/// Where the selection goes when a page comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Landing {
    /// To the first row.
    #[default]
    First,
    /// To the last row.
    Last,
    /// It stays with its row.
    Same,
}

/// The history pane.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts about a page that have nothing to do with one another")]
pub struct Past {
    /// Which table.
    pub table: PastTable,
    /// Names of the places where the past is kept.
    pub sources: Vec<String>,
    /// Which of them is asked.
    pub source: usize,
    /// What rows are sorted by.
    pub sort: PastSort,
    /// Against its own direction.
    pub reversed: bool,
    /// Where the page begins or ends.
    pub from: PastFrom,
    /// The rows of the page, of the table that was asked.
    pub rows: Vec<PastRow>,
    /// The table that the rows are of.
    pub rows_of: PastTable,
    /// Whether there is nothing before them.
    pub at_start: bool,
    /// Whether there is nothing after them.
    pub at_end: bool,
    /// Number of the page, counted from the first; `None` when it was reached from the end.
    pub page: Option<u64>,
    /// When the page came, in the session's time.
    pub read_at: Option<SessionTime>,
    /// Why it did not.
    pub error: Option<String>,
    /// Whether all of the selected row is shown.
    pub detail: bool,
    /// The pane that had the keyboard before.
    pub before: Pane,
    landing: Landing,
    next_page: Option<u64>,
    reloads: u64,
    asked: Option<Asked>,
    ticket: u64,
}

/// A question under way, or answered.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    query: PastQuery,
    source: usize,
    reloads: u64,
    at: Duration,
    answered: bool,
}

impl Default for Past {
    fn default() -> Self {
        Self {
            table: PastTable::Orders,
            sources: Vec::new(),
            source: 0,
            sort: PastSort::Time,
            reversed: false,
            from: PastFrom::Start,
            rows: Vec::new(),
            rows_of: PastTable::Orders,
            at_start: true,
            at_end: true,
            page: Some(1),
            read_at: None,
            error: None,
            detail: false,
            before: Pane::Positions,
            landing: Landing::First,
            next_page: Some(1),
            reloads: 0,
            asked: None,
            ticket: 0,
        }
    }
}

impl Past {
    /// From the beginning again: another table, order, filter or place.
    pub fn restart(&mut self) {
        self.turn(PastFrom::Start, Landing::First, Some(1));
    }

    /// The same page again, as it is now.
    pub fn reload(&mut self) {
        self.landing = Landing::Same;
        self.reloads = self.reloads.saturating_add(1);
    }

    /// To another page.
    fn turn(&mut self, from: PastFrom, landing: Landing, page: Option<u64>) {
        self.from = from;
        self.landing = landing;
        self.next_page = page;
    }

    /// To the page after this one, if there is one.
    pub fn next_page(&mut self) {
        if let Some(last) = self.rows.last()
            && !self.at_end
            && !self.is_waiting()
        {
            let from = PastFrom::After(last.place.clone());
            self.turn(from, Landing::First, self.page.map(|page| page.saturating_add(1)));
        }
    }

    /// To the page before this one, if there is one.
    pub fn previous_page(&mut self) {
        if let Some(first) = self.rows.first()
            && !self.at_start
            && !self.is_waiting()
        {
            let from = PastFrom::Before(first.place.clone());
            self.turn(from, Landing::Last, self.page.map(|page| page.saturating_sub(1)));
        }
    }

    /// To the first page or the last one.
    pub fn end_page(&mut self, first: bool) {
        if first && !self.at_start {
            self.restart();
        } else if !first && !self.at_end {
            self.turn(PastFrom::End, Landing::Last, None);
        }
    }

    /// To the table beside this one.
    pub fn step_table(&mut self, forward: bool) {
        let all = PastTable::ALL;
        let step = if forward { 1 } else { all.len().saturating_sub(1) };
        let place = all.iter().position(|table| *table == self.table).unwrap_or_default().saturating_add(step);
        if let Some(table) = place.checked_rem(all.len()).and_then(|place| all.get(place)) {
            self.table = *table;
            self.sort = PastSort::Time;
            self.reversed = false;
            self.restart();
        }
    }

    /// To the place beside this one.
    pub fn step_source(&mut self) {
        self.source = self.source.saturating_add(1).checked_rem(self.sources.len()).unwrap_or_default();
        self.restart();
    }

    /// Sorts by the next column, or turns the direction around.
    pub fn step_sort(&mut self, next: bool) {
        if next {
            let sorts = self.table.sorts();
            let place = sorts.iter().position(|sort| *sort == self.sort).unwrap_or_default().saturating_add(1);
            let next = place.checked_rem(sorts.len()).and_then(|place| sorts.get(place));
            self.sort = next.copied().unwrap_or_default();
            self.reversed = false;
        } else {
            self.reversed = !self.reversed;
        }
        self.restart();
    }

    /// The question to be sent now, with its number and place, when it was not asked yet.
    pub fn question(&mut self, filter: &str, now: Duration) -> Option<(usize, u64, PastQuery)> {
        if let Some(asked) = &self.asked
            && asked.query.containing != filter
        {
            self.restart();
        }
        let query = PastQuery {
            table: self.table,
            containing: filter.to_owned(),
            sort: self.sort,
            reversed: self.reversed,
            from: self.from.clone(),
            limit: PAST_PAGE,
            ..PastQuery::default()
        };
        let same = |asked: &Asked| asked.query == query && asked.source == self.source && asked.reloads == self.reloads;
        if self.asked.as_ref().is_some_and(same) {
            return None;
        }
        self.ticket = self.ticket.saturating_add(1);
        self.asked =
            Some(Asked { query: query.clone(), source: self.source, reloads: self.reloads, at: now, answered: false });
        Some((self.source, self.ticket, query))
    }

    /// Takes an answer, unless a newer question was asked meanwhile; says where the selection goes.
    pub fn answer(&mut self, ticket: u64, page: Result<PastPage, String>, now: SessionTime) -> Option<Landing> {
        if ticket != self.ticket {
            return None;
        }
        let asked = self.asked.as_mut()?;
        asked.answered = true;
        let table = asked.query.table;
        match page {
            Ok(page) => {
                (self.at_start, self.at_end) = match &asked.query.from {
                    PastFrom::Start => (true, !page.more),
                    PastFrom::After(_) => (false, !page.more),
                    PastFrom::Before(_) => (!page.more, false),
                    PastFrom::End => (!page.more, true),
                };
                // Reached from behind, the first page is known by what is not before it.
                self.page = if self.at_start { Some(1) } else { self.next_page };
                self.rows = page.rows;
                self.rows_of = table;
                self.error = None;
                self.read_at = Some(now);
            }
            Err(why) => {
                self.rows.clear();
                self.rows_of = table;
                (self.at_start, self.at_end) = (true, true);
                self.error = Some(why);
            }
        }
        Some(self.landing)
    }

    /// Since when an answer is waited for.
    pub fn waiting_since(&self) -> Option<Duration> {
        self.asked.as_ref().filter(|asked| !asked.answered).map(|asked| asked.at)
    }

    /// Whether an answer is waited for.
    pub fn is_waiting(&self) -> bool {
        self.waiting_since().is_some()
    }

    /// The rows as the table behind the pane knows them.
    pub fn row_ids(&self) -> Vec<RowId> {
        self.rows.iter().map(|row| RowId::Past(row.place.clone())).collect()
    }

    /// A row of the page.
    pub fn row(&self, id: &RowId) -> Option<&PastRow> {
        match id {
            RowId::Past(place) => self.rows.iter().find(|row| row.place == *place),
            _ => None,
        }
    }
}
