//! One batch: sent as a whole; when the server refuses a row, that row is found and put aside, and
//! the rest is sent.

use questdb::ingress::Buffer;

use super::encode::{Batch, describe, next_batch, single_rows};
use super::error::QuestDbError;
use super::pace::Size;
use super::sender::{Failure, Rows};
use super::source::{DeadLetter, Range, Source};
use super::tables::Target;

/// Rows that a server may refuse one after the other before it is the server that is wrong.
const REFUSED_IN_A_ROW: u64 = 20;

/// What sending a batch came to.
#[derive(Debug)]
pub enum Delivered {
    /// There was nothing to send.
    Nothing,
    /// Rows are settled.
    Rows,
}

/// Why a batch was not settled.
#[derive(Debug)]
pub struct Undelivered {
    /// The reason.
    pub error: QuestDbError,
    /// Rows that may be stored there now or later all the same.
    pub doubt: Option<Range>,
}

impl<E: Into<QuestDbError>> From<E> for Undelivered {
    fn from(error: E) -> Self {
        Self { error: error.into(), doubt: None }
    }
}

/// The way of one table.
pub struct Lane {
    /// The table.
    pub target: &'static Target,
    /// Rows of a request.
    pub size: Size,
    /// Rows that were refused since the last that was taken.
    refused: u64,
    buffer: Buffer,
    /// The batch after the one that is sent, read while the server is busy with that.
    ahead: Option<Batch>,
    spare: Buffer,
}

impl Lane {
    /// A lane for a table.
    pub fn new(target: &'static Target) -> Self {
        Self { target, size: Size::default(), refused: 0, buffer: Rows::buffer(), ahead: None, spare: Rows::buffer() }
    }

    /// Drops what was read ahead: it may be old by the time that the server is back.
    pub fn forget(&mut self) {
        self.ahead = None;
    }

    /// Sends the next batch and settles it.
    ///
    /// # Errors
    /// When it could not be sent, or not be settled here; it is sent again next time either way.
    pub fn deliver(&mut self, source: &mut Source, to: &mut Rows) -> Result<Delivered, Undelivered> {
        let next = match self.ahead.take() {
            Some(batch) => {
                std::mem::swap(&mut self.buffer, &mut self.spare);
                Some(batch)
            }
            None => next_batch(source, self.target, None, self.size.rows(), &mut self.buffer)?,
        };
        let Some(Batch { range, rows, mut dead, full }) = next else { return Ok(Delivered::Nothing) };
        let mut ahead = None;
        let mut size = self.size;
        size.taken(full);
        let sent = if full {
            let (buffer, spare) = (&self.buffer, &mut self.spare);
            let (sent, read) = std::thread::scope(|scope| {
                let sending = scope.spawn(|| to.send(buffer));
                let read = next_batch(source, self.target, Some(range.to), size.rows(), spare);
                (sending.join(), read)
            });
            // What could not be read is read, and told, next time.
            ahead = read.unwrap_or(None);
            sent.unwrap_or_else(|_| {
                let error = QuestDbError::Thread("that sends ended unexpectedly".into());
                Err(Failure::InDoubt(error))
            })
        } else {
            to.send(&self.buffer)
        };
        match sent {
            Ok(()) => {
                if !rows.is_empty() {
                    self.refused = 0;
                }
            }
            Err(Failure::Refused { line, why }) => {
                self.part(source, to, &rows, line, &why, &mut dead).map_err(|error| in_doubt(error, &range))?;
            }
            Err(failure) => {
                self.size.failed();
                return Err(in_doubt(failure, &range));
            }
        }
        source.settle(self.target, &range, &dead)?;
        self.ahead = ahead;
        self.size = size;
        Ok(Delivered::Rows)
    }

    /// Sends what was refused in parts, down to the rows that are to blame.
    fn part(
        &mut self,
        source: &Source,
        to: &mut Rows,
        rows: &[i64],
        line: Option<usize>,
        why: &str,
        dead: &mut Vec<DeadLetter>,
    ) -> Result<(), Failure> {
        let store = |error: crate::store::StoreError| Failure::Unsent(error.into());
        if let [row] = rows {
            self.refused = self.refused.saturating_add(1);
            if self.refused > REFUSED_IN_A_ROW {
                let (table, count) = (self.target.name, self.refused.saturating_sub(1));
                return Err(Failure::Unsent(QuestDbError::RefusesAll { table, count, why: why.to_owned() }));
            }
            let (rev, key) = describe(source, self.target, *row).map_err(store)?;
            dead.push(DeadLetter { row: *row, rev, key, message: why.to_owned() });
            return Ok(());
        }
        // The line that is named goes alone, to be sure; without one, halves.
        let named = line.and_then(|line| line.checked_sub(1)).filter(|at| *at < rows.len());
        let (first, second, third) = match named {
            Some(at) => {
                let (before, rest) = rows.split_at(at);
                let (alone, after) = rest.split_at(1);
                (before, alone, after)
            }
            None => {
                let (left, right) = rows.split_at(rows.len() / 2);
                (left, right, &[][..])
            }
        };
        for part in [first, second, third] {
            if part.is_empty() {
                continue;
            }
            single_rows(source, self.target, part, &mut self.buffer).map_err(store)?;
            match to.send(&self.buffer) {
                Ok(()) => self.refused = 0,
                Err(Failure::Refused { line, why }) => self.part(source, to, part, line, &why, dead)?,
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }
}

fn in_doubt(failure: Failure, range: &Range) -> Undelivered {
    match failure {
        Failure::InDoubt(error) => Undelivered { error, doubt: Some(*range) },
        Failure::Unsent(error) => Undelivered { error, doubt: None },
        Failure::Refused { why, .. } => {
            let error = QuestDbError::Answer { what: "rows".into(), why };
            Undelivered { error, doubt: None }
        }
    }
}
