//! An exit that stands: where the position is to go, who wants it, what it waits for.

use ratatui::style::Style;

use super::canvas::Canvas;
use super::step;
use crate::model::{CommandId, SessionState, Target, escape_controls};
use crate::tui::format;
use crate::tui::theme::Role;

/// Refusals in a row from which on an exit is in trouble; the engine raises its alert then too.
const TROUBLE: u32 = 3;

/// `closing`, or `reducing to 0.0100`.
fn place(state: &SessionState, target: &Target) -> String {
    if target.is_flat() {
        return "closing".to_owned();
    }
    match state.contracts.get(&target.key.symbol) {
        Some(spec) => {
            format!("reducing to {}", format::quantity(spec.quantity(target.to), Some(step(spec))))
        }
        None => format!("reducing to {} contracts", target.to),
    }
}

fn refusals(target: &Target) -> Option<String> {
    match target.refusals {
        0 => None,
        1 => Some("1 refusal".to_owned()),
        n => Some(format!("{n} refusals")),
    }
}

/// What it waits for: `3 refusals, waits for the next try: too frequent (510)`.
pub fn waits(target: &Target) -> String {
    let waits = match &target.waits_for {
        Some(what) => format!("waits for {}", escape_controls(what)),
        None => "on its way".to_owned(),
    };
    match refusals(target) {
        Some(refusals) => format!("{refusals}, {waits}"),
        None => waits,
    }
}

/// `closing by operator`.
pub fn wanted(state: &SessionState, target: &Target) -> String {
    // A flatten says which command it is; people want to know whose.
    let command = target.by.strip_prefix("flatten ").and_then(|id| CommandId::new(id).ok());
    let by = match command.and_then(|id| state.command(&id)) {
        Some(record) => format!("{} (flatten)", record.command.by),
        None => target.by.clone(),
    };
    format!("{} by {}", place(state, target), escape_controls(&by))
}

/// The most that so many columns hold whole: from all of it down to `close` or `part`, with a mark when
/// it does not get on.
pub fn cell(state: &SessionState, target: &Target, columns: u16) -> String {
    let wanted = wanted(state, target);
    let with_refusals = |words: String| refusals(target).map_or(words.clone(), |n| format!("{words}, {n}"));
    let mark = if target.refusals > 0 { "!" } else { "" };
    let word = if target.is_flat() { "close" } else { "part" };
    let all = [
        format!("{wanted}, {}", waits(target)),
        with_refusals(wanted),
        with_refusals(place(state, target)),
        format!("{word}{mark}"),
    ];
    let [.., shortest] = &all;
    all.iter().find(|words| format::width(words) <= columns).unwrap_or(shortest).clone()
}

/// Its look.
pub fn style(target: &Target, canvas: &Canvas<'_>) -> Style {
    canvas.style(if target.refusals >= TROUBLE { Role::Crit } else { Role::Warn })
}
