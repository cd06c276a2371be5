//! Conditions on keys: `order.live && !order.pending`. A condition that does not hold also says
//! why, for the help and the footer.

use std::fmt;

/// What a condition can ask about, with the reason when it should hold and does not, and the reason
/// when it should not hold and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Rows are large enough to be seen.
    RowsVisible,
    /// A row is selected.
    RowSelected,
    /// The pane can be sorted.
    TableSortable,
    /// Rows of the pane can be marked.
    TableMarks,
    /// The selected row is an order.
    OrderSelected,
    /// That order still works.
    OrderLive,
    /// A cancel of it is on its way.
    OrderPending,
    /// Some order works.
    OrdersAny,
    /// The session takes new exposure.
    SessionRunning,
    /// There are no positions and no working orders.
    SessionFlat,
    /// An exit of the selected position stands.
    ExitStanding,
    /// No flatten is under way.
    FlattenIdle,
    /// The selected breaker is open, or the limit has tripped.
    BreakerTripped,
    /// The banner shows an alert.
    AlertBanner,
    /// Some alert is not acknowledged.
    AlertsUnseen,
    /// The history fills the screen.
    HistoryOpen,
    /// The past is kept in more than one place.
    HistorySources,
}

const FACTS: [(Fact, &str, &str, &str); 17] = [
    (Fact::RowsVisible, "rows.visible", "too small a window to see the target", "rows are in sight"),
    (Fact::RowSelected, "row.selected", "no row is selected", "a row is selected"),
    (Fact::TableSortable, "table.sortable", "this pane has one order only", "this pane can be sorted"),
    (Fact::TableMarks, "table.marks", "only orders can be marked", "rows can be marked"),
    (Fact::OrderSelected, "order.selected", "no order is selected", "an order is selected"),
    (Fact::OrderLive, "order.live", "the order has ended", "the order still works"),
    (Fact::OrderPending, "order.pending", "no cancel is on its way", "a cancel is already on its way"),
    (Fact::OrdersAny, "orders.any", "there are no working orders", "there are working orders"),
    (Fact::SessionRunning, "session.running", "the session is not running", "the session is running"),
    (Fact::SessionFlat, "session.flat", "there are positions or orders", "there is nothing to flatten"),
    (Fact::ExitStanding, "exit.standing", "no exit of the selected position is under way", "an exit is under way"),
    (Fact::FlattenIdle, "flatten.idle", "a flatten is under way", "no flatten is under way"),
    (Fact::BreakerTripped, "breaker.tripped", "it is not open", "it is open"),
    (Fact::AlertBanner, "alert.banner", "no alert waits to be acknowledged", "an alert waits"),
    (Fact::AlertsUnseen, "alerts.unseen", "all alerts are acknowledged", "alerts wait"),
    (Fact::HistoryOpen, "history.open", "the history is not open", "the history fills the screen"),
    (Fact::HistorySources, "history.sources", "QuestDB is not configured", "QuestDB is configured"),
];

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// A fact.
    Is(Fact),
    /// Not.
    Not(Box<Self>),
    /// Both.
    And(Box<Self>, Box<Self>),
    /// At least one.
    Or(Box<Self>, Box<Self>),
}

impl When {
    /// Reads a condition.
    ///
    /// # Errors
    /// Says which word is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = tokens(text)?;
        tokens.reverse();
        let parsed = either(&mut tokens)?;
        match tokens.last() {
            None => Ok(parsed),
            Some(token) => Err(format!("{token:?} is not expected in the condition {text:?}")),
        }
    }

    /// Whether it holds; if not, why.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn check(&self, holds: &dyn Fn(Fact) -> bool) -> Result<(), &'static str> {
        match self {
            Self::Always => Ok(()),
            Self::Is(fact) => {
                if holds(*fact) {
                    Ok(())
                } else {
                    Err(fact.reason().0)
                }
            }
            Self::Not(inner) => match inner.check(holds) {
                Ok(()) => Err(inner.as_fact().map_or("not now", |fact| fact.reason().1)),
                Err(_) => Ok(()),
            },
            Self::And(a, b) => a.check(holds).and_then(|()| b.check(holds)),
            Self::Or(a, b) => a.check(holds).or_else(|_| b.check(holds)),
        }
    }

    fn as_fact(&self) -> Option<Fact> {
        match self {
            Self::Is(fact) => Some(*fact),
            _ => None,
        }
    }
}

impl Fact {
    fn reason(self) -> (&'static str, &'static str) {
        FACTS.iter().find(|(fact, ..)| *fact == self).map_or(("not now", "not now"), |(_, _, off, on)| (off, on))
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(FACTS.iter().find(|(fact, ..)| fact == self).map_or("?", |(_, name, ..)| name))
    }
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut out: Vec<String> = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            ' ' | '\t' => {}
            '(' | ')' | '!' => out.push(c.to_string()),
            '&' | '|' if letters.next_if_eq(&c).is_some() => out.push(format!("{c}{c}")),
            c if c.is_ascii_alphanumeric() => {
                let mut word = String::from(c);
                while let Some(c) = letters.next_if(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
                    word.push(c);
                }
                out.push(word);
            }
            other => return Err(format!("{other:?} is not expected in the condition {text:?}")),
        }
    }
    Ok(out)
}

fn either(tokens: &mut Vec<String>) -> Result<When, String> {
    let mut left = both(tokens)?;
    while tokens.last().is_some_and(|token| token == "||") {
        tokens.pop();
        left = When::Or(Box::new(left), Box::new(both(tokens)?));
    }
    Ok(left)
}

fn both(tokens: &mut Vec<String>) -> Result<When, String> {
    let mut left = one(tokens)?;
    while tokens.last().is_some_and(|token| token == "&&") {
        tokens.pop();
        left = When::And(Box::new(left), Box::new(one(tokens)?));
    }
    Ok(left)
}

fn one(tokens: &mut Vec<String>) -> Result<When, String> {
    match tokens.pop().as_deref() {
        Some("!") => Ok(When::Not(Box::new(one(tokens)?))),
        Some("(") => {
            let inner = either(tokens)?;
            match tokens.pop().as_deref() {
                Some(")") => Ok(inner),
                _ => Err("a bracket is not closed".to_owned()),
            }
        }
        Some(name) => {
            FACTS.iter().find(|(_, known, ..)| *known == name).map(|(fact, ..)| When::Is(*fact)).ok_or_else(|| {
                let known: Vec<&str> = FACTS.iter().map(|(_, known, ..)| *known).collect();
                format!("{name:?} is not a condition; known are {}", known.join(", "))
            })
        }
        None => Err("the condition ends too early".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_fails_says_why() {
        let when = When::parse("order.live && !order.pending").unwrap();
        let only = |true_ones: &'static [Fact]| move |fact: Fact| true_ones.contains(&fact);
        assert_eq!(when.check(&only(&[Fact::OrderLive])), Ok(()));
        assert_eq!(when.check(&only(&[])), Err("the order has ended"));
        let pending = when.check(&only(&[Fact::OrderLive, Fact::OrderPending]));
        assert_eq!(pending, Err("a cancel is already on its way"));
    }

    #[test]
    fn brackets_and_or_bind_as_usual() {
        let when = When::parse("!(orders.any || rows.visible) || session.flat && alert.banner").unwrap();
        assert!(when.check(&|_| false).is_ok());
        assert!(when.check(&|fact| fact == Fact::OrdersAny).is_err());
        assert!(when.check(&|_| true).is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        for text in ["order.alive", "order.live &&", "order.live & x", "(order.live", "order.live order.live", ""] {
            assert!(When::parse(text).is_err(), "{text}");
        }
        assert!(When::parse("order.alive").unwrap_err().contains("order.live"));
    }
}
