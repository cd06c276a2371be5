//! Rows of a list that were not understood: each is told once, with its text, and changes nothing else.

use crate::engine::alerting::{NewAlert, clear, raise};
use crate::engine::turn::Turn;
use crate::model::{AlertKey, AlertKind, Listing, Severity};

/// Tells the rows of a list that could not be read, and clears what was told of rows that are gone.
pub(in crate::engine) fn told<T>(turn: &mut Turn, name: &str, list: &Listing<T>, severity: Severity) {
    let prefix = format!("{name}: ");
    let mut standing = Vec::new();
    for row in &list.unreadable {
        let subject = format!("{prefix}{}", row.symbol.as_deref().unwrap_or("?"));
        if standing.contains(&subject) {
            continue;
        }
        let like = list.unreadable.iter().filter(|other| other.symbol == row.symbol).count();
        let message = format!(
            "{like} of the rows in {name} cannot be read, and nothing is concluded from what that list lacks: {}: {}",
            row.why, row.text
        );
        let key = AlertKey { kind: AlertKind::VenueAnswerUnknown, subject: subject.clone() };
        // The same row in each list of the day is one alert.
        if turn.state().alerts.active(&key).is_none_or(|known| known.message != message) {
            raise(turn, NewAlert::holds(AlertKind::VenueAnswerUnknown, &subject, severity, message));
        }
        standing.push(subject);
    }
    let over: Vec<String> = turn
        .state()
        .alerts
        .all()
        .filter(|alert| alert.is_active() && alert.key.kind == AlertKind::VenueAnswerUnknown)
        .map(|alert| alert.key.subject.clone())
        .filter(|subject| subject.starts_with(&prefix) && !standing.contains(subject))
        .collect();
    for subject in over {
        clear(turn, AlertKind::VenueAnswerUnknown, subject);
    }
}
