//! The copy in QuestDB, in the session bar: a few quiet words when it is well, and when it is not,
//! what is wrong and how much it lacks.

use std::time::Duration;

use super::canvas::{Canvas, Field};
use crate::model::{Decimal, SinkPhase, SinkStatus};
use crate::tui::format;
use crate::tui::model::Model;
use crate::tui::theme::Role;

/// Lag that is worth a look although everything works.
const LATE: u64 = 60;

/// The field, when there is a copy.
pub fn field(model: &Model, canvas: &Canvas<'_>) -> Option<Field> {
    let sink = model.sink.as_ref()?;
    let (muted, warn) = (canvas.style(Role::Muted), canvas.style(Role::Warn));
    let lag = lag(sink);
    if let Some(word) = trouble(sink) {
        let short = vec![(format!("QuestDB {word}"), warn)];
        return Some(Field::new(1, vec![(format!("QuestDB {word}, {lag}"), warn)]).or(short));
    }
    let style = if sink.seconds() >= LATE { warn } else { muted };
    let long = vec![("QuestDB ".to_owned(), muted), (lag, style)];
    Some(if sink.seconds() >= LATE { Field::new(2, long) } else { Field::new(6, long) })
}

/// What is wrong, in a word or two.
fn trouble(sink: &SinkStatus) -> Option<String> {
    if sink.phase == SinkPhase::Refused {
        return Some("REFUSED".to_owned());
    }
    if sink.phase == SinkPhase::Down {
        return Some("DOWN".to_owned());
    }
    if let Some(table) = sink.tables.iter().find(|table| table.suspended) {
        return Some(format!("SUSPENDED {}", table.name));
    }
    match sink.dead_letters() {
        0 => None,
        letters => Some(format!("{letters} refused")),
    }
}

fn lag(sink: &SinkStatus) -> String {
    match (sink.phase, sink.rows()) {
        (SinkPhase::Starting, 0) => "connecting".to_owned(),
        (_, 0) => "up to date".to_owned(),
        (_, rows) => {
            let rows = format::grouped(Decimal::from(rows), 0);
            match sink.seconds() {
                0 => format!("{rows} rows behind"),
                seconds => format!("{rows} rows {} behind", format::span(Duration::from_secs(seconds))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SinkTable;

    fn sink(phase: SinkPhase, rows: u64, seconds: u64) -> SinkStatus {
        let table = SinkTable { name: "live_orders".into(), rows, seconds, ..SinkTable::default() };
        SinkStatus { phase, problem: None, schema: Some(17), tables: vec![table] }
    }

    #[test]
    fn what_is_well_is_quiet_and_what_is_not_says_what() {
        assert_eq!(trouble(&sink(SinkPhase::Up, 5, 1)), None);
        assert_eq!(lag(&sink(SinkPhase::Up, 0, 0)), "up to date");
        assert_eq!(
            lag(&sink(SinkPhase::Down, 12_345, 61)),
            format!("12,345 rows {} behind", format::span(Duration::from_secs(61)))
        );
        assert_eq!(trouble(&sink(SinkPhase::Down, 0, 0)).as_deref(), Some("DOWN"));
        assert_eq!(trouble(&sink(SinkPhase::Refused, 0, 0)).as_deref(), Some("REFUSED"));
        let mut stuck = sink(SinkPhase::Up, 9, 9);
        stuck.tables[0].suspended = true;
        assert_eq!(trouble(&stuck).as_deref(), Some("SUSPENDED live_orders"));
        let mut refused = sink(SinkPhase::Up, 0, 0);
        refused.tables[0].dead_letters = 2;
        assert_eq!(trouble(&refused).as_deref(), Some("2 refused"));
    }
}
