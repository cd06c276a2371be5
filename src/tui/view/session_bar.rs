//! Row 1: which money, who, whether it trades, whether data arrives.

use std::time::Duration;

use ratatui::layout::Rect;

use super::canvas::{Canvas, Field, Span, draw_fields, fit, width};
use super::sink;
use crate::model::{Control, Environment, FlattenStep, LinkState, Phase, SessionState};
use crate::tui::format;
use crate::tui::model::{Known, Model};
use crate::tui::theme::Role;

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    if area.height == 0 {
        return;
    }
    let state = model.shown();
    let mut fields = vec![environment(state, canvas), control(model, canvas)];
    fields.insert(1, label(state, canvas));
    fields.extend(feed(model, canvas));
    fields.extend(trouble(state, canvas));
    fields.extend(sink::field(model, canvas));
    let clock: Span = (format!("{}Z ", format::clock(model.now.session)), canvas.style(Role::Muted));
    let clock_width = width(std::slice::from_ref(&clock));
    let room = area.width.saturating_sub(clock_width).saturating_sub(2);
    let with_clock = area.width >= 40;
    let fields = fit(fields, 2, if with_clock { room } else { area.width });
    draw_fields(canvas, area.x, area.y, area.right(), 2, &fields);
    if with_clock {
        canvas.put(area.right().saturating_sub(clock_width), area.y, &clock.0, clock_width, clock.1);
    }
}

fn environment(state: &SessionState, canvas: &Canvas<'_>) -> Field {
    let environment = state.info.as_ref().map_or(Environment::Paper, |info| info.environment);
    let role = match environment {
        Environment::Live => Role::EnvLive,
        Environment::Paper => Role::EnvPaper,
        Environment::Replay => Role::EnvReplay,
    };
    Field::new(0, vec![(format!(" {} ", environment.word()), canvas.style(role))])
}

fn label(state: &SessionState, canvas: &Canvas<'_>) -> Field {
    let style = canvas.style(Role::Text);
    let muted = canvas.style(Role::Muted);
    let ellipsis = canvas.glyphs().ellipsis;
    let Some(info) = &state.info else { return Field::new(5, vec![(String::new(), style)]) };
    let label = format::outside(&info.label, 28, ellipsis);
    let long = vec![(label.clone(), style), (format!(" {} {}", canvas.glyphs().dot, info.id), muted)];
    Field::new(4, long).or(vec![(label, style)])
}

fn control(model: &Model, canvas: &Canvas<'_>) -> Field {
    let state = model.shown();
    let glyphs = canvas.glyphs();
    let loud = canvas.style(Role::Prompt);
    let calm = canvas.style(Role::Normal);
    if model.ended {
        return Field::new(0, vec![(" ENDED ".to_owned(), canvas.style(Role::Banner))]);
    }
    if let Some(flatten) = &state.flatten {
        let place = FlattenStep::PLAN.iter().position(|step| *step == flatten.step).unwrap_or_default();
        let steps = FlattenStep::PLAN.len();
        let text = format!(" FLATTENING {}/{steps} ", place.saturating_add(1));
        return Field::new(0, vec![(text, loud)]);
    }
    match (state.phase, state.control) {
        (Phase::Starting, Control::Running) => starting(model, canvas),
        (Phase::Stopping, _) => Field::new(0, vec![(" STOPPING ".to_owned(), loud)]),
        (Phase::Stopped, _) => Field::new(0, vec![(" STOPPED ".to_owned(), loud)]),
        (_, Control::Running) => {
            let mut long = vec![(format!("{} RUNNING", glyphs.running), calm)];
            if let Some(wait) = state.entries_wait_for(model.now.session) {
                long.push((format!(" entries wait for {}", wait.what), canvas.style(Role::Pending)));
            }
            Field::new(0, long).or(vec![("RUN".to_owned(), calm)])
        }
        (_, control) => {
            let glyph = if control == Control::Paused { glyphs.paused } else { glyphs.halted };
            let word = control.word().to_uppercase();
            let by = state.control_note.as_deref().map(|note| format::outside(note, 24, glyphs.ellipsis));
            let short = vec![(format!(" {word} "), loud)];
            let long = by.map_or_else(|| format!(" {glyph} {word} "), |by| format!(" {glyph} {word} by {by} "));
            Field::new(0, vec![(long, loud)]).or(short)
        }
    }
}

/// A start that does not come about says what it waits for.
fn starting(model: &Model, canvas: &Canvas<'_>) -> Field {
    /// A question that is out for so long is named.
    const LONG: Duration = Duration::from_secs(2);
    let pending = canvas.style(Role::Pending);
    let short = vec![("STARTING".to_owned(), pending)];
    let wait = model
        .shown()
        .start_waits_for()
        .filter(|wait| wait.trouble || wait.asked_at.is_some_and(|asked| model.now.session.since(asked) >= LONG));
    let Some(wait) = wait else { return Field::new(0, short) };
    let reason = format::outside(&wait.reason, 60, canvas.glyphs().ellipsis);
    let words = format!(" waits for {}: ", wait.what.replace('_', " "));
    let long =
        vec![("STARTING".to_owned(), pending), (words, canvas.style(Role::Muted)), (reason, canvas.style(Role::Warn))];
    Field::new(0, long).or(short)
}

fn feed(model: &Model, canvas: &Canvas<'_>) -> Vec<Field> {
    let state = model.shown();
    let glyphs = canvas.glyphs();
    let (muted, text) = (canvas.style(Role::Muted), canvas.style(Role::Normal));
    let (warn, crit) = (canvas.style(Role::Warn), canvas.style(Role::Crit));
    let link = match &state.upkeep.link.state {
        LinkState::Up => {
            let trip =
                state.upkeep.link.clock.map(|clock| format!(" {} ms", clock.round_trip_us / 1_000)).unwrap_or_default();
            Field::new(2, vec![("feed ".to_owned(), muted), (format!("{}{trip}", glyphs.alive), text)])
                .or(vec![("feed ".to_owned(), muted), (glyphs.alive.to_owned(), text)])
        }
        LinkState::Connecting => {
            Field::new(2, vec![("feed ".to_owned(), muted), (format!("{} connecting", glyphs.dead), warn)])
        }
        LinkState::Down { attempt, .. } => {
            let long = format!("{} DOWN, try {attempt}", glyphs.dead);
            Field::new(1, vec![("feed ".to_owned(), muted), (long, crit)])
                .or(vec![("feed ".to_owned(), muted), ("DOWN".to_owned(), crit)])
        }
    };
    let mut fields = vec![link];
    let age = model.data_age();
    if age >= Duration::from_secs(2) && !model.ended {
        let style = if age >= Duration::from_secs(10) { crit } else { warn };
        fields.push(Field::new(1, vec![("data ".to_owned(), muted), (format::span(age), style)]));
    }
    let named = [("prices", "px", model.prices_known()), ("positions", "pos", model.positions_known())];
    fields.extend(named.into_iter().filter_map(|(long, short, known)| old(model, long, short, known, canvas)));
    // Asked for beside the positions: said apart when it alone is missing.
    if model.positions_known().is_known() {
        fields.extend(old(model, "account", "acct", model.account_known(), canvas));
    }
    fields
}

/// What the exchange has not told of lately; a start says so by itself.
fn old(model: &Model, name: &str, name_short: &str, known: Known, canvas: &Canvas<'_>) -> Option<Field> {
    if known.is_known() || model.ended || model.shown().phase == Phase::Starting {
        return None;
    }
    let (muted, unknown) = (canvas.style(Role::Muted), canvas.style(Role::Unknown));
    let (long, short) = match known {
        Known::Old(age) => {
            (format!("? {}", format::seconds(age)), format!("?{}", format::seconds(age).replace(' ', "")))
        }
        _ => ("? not read".to_owned(), "?".to_owned()),
    };
    let long = vec![(format!("{name} "), muted), (long, unknown)];
    Some(Field::new(1, long).or(vec![(format!("{name_short} "), muted), (short, unknown)]))
}

fn trouble(state: &SessionState, canvas: &Canvas<'_>) -> Vec<Field> {
    let mut fields = Vec::new();
    if state.upkeep.journal_error.is_some() {
        fields.push(Field::new(1, vec![(" JOURNAL FAILED ".to_owned(), canvas.style(Role::Banner))]));
    }
    if state.counters.dropped > 0 {
        let text = format!("dropped {}", state.counters.dropped);
        fields.push(Field::new(6, vec![(text, canvas.style(Role::Warn))]));
    }
    fields
}

#[cfg(test)]
mod tests {
    use crate::model::{Chore, ChoreState, Event, Record};
    use crate::tui::testkit::Stage;
    use crate::tui::theme::Depth;

    #[test]
    fn a_start_that_does_not_come_about_says_in_the_bar_what_it_waits_for() {
        let mut stage = Stage::new((120, 40), "cockpit", Depth::TrueColour, false).unwrap();
        let bar = |stage: &mut Stage| stage.screen().first().cloned().unwrap_or_default();
        assert!(bar(&mut stage).contains("STARTING") && !bar(&mut stage).contains("waits for"));
        let at = stage.now().session;
        let chore = |chore, state| Record { seq: 0, at, event: Event::ChoreMoved { chore, state } };
        let told = ChoreState { done_at: Some(at), ..ChoreState::default() };
        let failed = ChoreState { error: Some("key refused\u{1b}[2J (402)".into()), ..ChoreState::default() };
        stage.records(vec![chore(Chore::Contracts, told), chore(Chore::PositionMode, failed)]);
        let said = bar(&mut stage);
        assert!(said.contains("STARTING waits for position mode: key refused"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
}
