//! Keys while nothing asks, and the way of a key to where it belongs.

use std::time::Duration;

use crossterm::event::KeyCode;

use super::{Effect, Exit, commands, facts, fingers, typing};
use crate::model::{AlertKind, OrderNo, Severity, StopPolicy};
use crate::tui::keymap::{Act, Found, Press};
use crate::tui::model::{BannerItem, Frozen, Mode, Model, Notice, Pane, RowId};
use crate::tui::view::layout;

/// Within this time the second Ctrl-C asks to quit, and the second Ctrl-Z suspends.
const TWICE: Duration = Duration::from_secs(2);
/// The question of `q` must have been open for so long before it is answered.
const QUIET: Duration = Duration::from_millis(150);

/// A key.
pub fn press(model: &mut Model, press: Press, effects: &mut Vec<Effect>) {
    if model.fingers.count(model.key_at) {
        return fingers::burst(model);
    }
    if press == Press::ctrl('c') {
        return interrupt(model, effects);
    }
    match &model.mode {
        Mode::Prompt(_) => commands::answer(model, press, effects),
        Mode::Quit { opened } => {
            let opened = *opened;
            quit(model, press, opened, effects);
        }
        Mode::Filter { .. } => typing::filter(model, press, effects),
        Mode::Palette(_) => {
            if let Some(act) = typing::palette(model, press) {
                chosen(model, act, effects);
            }
        }
        Mode::Help(_) => typing::help(model, press),
        Mode::Normal => normal(model, press, effects),
    }
}

fn say(model: &mut Model, text: impl Into<String>, severity: Severity) {
    model.notice = Some(Notice::new(text, severity, model.now.real));
}

fn normal(model: &mut Model, press: Press, effects: &mut Vec<Effect>) {
    let mut keys = std::mem::take(&mut model.fingers.chord);
    keys.push(press);
    let found = match model.keymap.find(&keys, model.focus) {
        // The second key begins something new when it does not end what the first began.
        Found::Nothing if keys.len() > 1 => {
            keys = vec![press];
            model.keymap.find(&keys, model.focus)
        }
        found => found,
    };
    match found {
        Found::Begins => model.fingers.chord = keys,
        Found::Nothing => {}
        Found::Row(row) => {
            let Some(act) = row.act else { return };
            match facts::allowed(model, row) {
                Ok(()) => {
                    model.notice = None;
                    perform(model, act, effects);
                }
                Err(why) => {
                    let text = format!("{}: {why}", crate::tui::keymap::shown(&keys));
                    say(model, text, Severity::Info);
                }
            }
        }
    }
}

/// An action from the palette.
fn chosen(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    match facts::why_off(model, act) {
        None => perform(model, act, effects),
        Some(why) => say(model, format!("{}: {why}", act.name()), Severity::Info),
    }
}

fn perform(model: &mut Model, act: Act, effects: &mut Vec<Effect>) {
    match act {
        Act::Halt => commands::halt(model),
        Act::CancelOrder => commands::cancel_order(model),
        Act::CancelSet => commands::cancel_set(model),
        Act::Pause => commands::pause(model),
        Act::Resume => commands::resume(model),
        Act::Reset => commands::reset(model),
        Act::Flatten => commands::flatten(model),
        Act::WithdrawExit => commands::withdraw_exit(model),
        Act::Ack => commands::ack(model, effects),
        Act::AckAll => commands::ack_all(model),
        Act::Go => go(model),
        Act::Filter => typing::begin_filter(model),
        Act::Sort | Act::SortDirection if model.focus == Pane::History => model.past.step_sort(act == Act::Sort),
        Act::Sort | Act::SortDirection => sort(model, act == Act::Sort),
        Act::Mark => {
            let focus = model.focus;
            let table = model.table_mut(focus);
            table.toggle_mark();
            table.move_by(1, true);
        }
        Act::Zoom => model.zoom = !model.zoom,
        Act::Detail if model.focus == Pane::History => model.past.detail = !model.past.detail,
        Act::Detail => detail(model),
        Act::Freeze => freeze(model),
        Act::Palette => model.mode = Mode::Palette(crate::tui::model::Palette::default()),
        Act::Help => model.mode = Mode::Help(crate::tui::model::Help::default()),
        Act::Back => back(model),
        Act::Quit => model.mode = Mode::Quit { opened: model.now.real },
        Act::Interrupt => interrupt(model, effects),
        Act::Suspend => suspend(model, effects),
        Act::Copy => copy(model, effects),
        Act::Focus(pane) => focus(model, pane),
        Act::NextPane | Act::PreviousPane => next_pane(model, act == Act::NextPane),
        Act::Up | Act::Down | Act::PageUp | Act::PageDown | Act::First | Act::Last => move_rows(model, act),
        Act::NextTable | Act::PreviousTable => model.past.step_table(act == Act::NextTable),
        Act::Reload => model.past.reload(),
        Act::Source => model.past.step_source(),
        Act::Yes | Act::YesAndCancel => {}
    }
}

fn sort(model: &mut Model, next: bool) {
    let focus = model.focus;
    let table = model.table_mut(focus);
    if next {
        table.next_sort();
    } else {
        table.reverse_sort();
    }
    model.reorder();
}

fn move_rows(model: &mut Model, act: Act) {
    let focus = model.focus;
    let page = usize::from(layout::layout(model).rows_of(focus));
    if focus == Pane::History {
        return super::past::move_rows(model, act, page);
    }
    let table = model.table_mut(focus);
    match act {
        Act::Up => table.move_by(1, false),
        Act::Down => table.move_by(1, true),
        Act::PageUp => table.move_by(page, false),
        Act::PageDown => table.move_by(page, true),
        Act::First => table.move_by(usize::MAX, false),
        _ => table.move_by(usize::MAX, true),
    }
}

/// Moves the keyboard; detail and audit come over the alerts where they have no place of their own.
pub fn focus(model: &mut Model, pane: Pane) {
    if pane == Pane::History && model.focus != Pane::History {
        model.past.before = model.focus;
        model.past.reload();
    }
    model.focus = pane;
    model.table_mut(pane).pinned = true;
    if matches!(pane, Pane::Positions | Pane::Orders | Pane::Alerts) {
        model.detail_of = pane;
    }
    match pane {
        Pane::Detail | Pane::Audit => model.overlay = Some(pane),
        Pane::Alerts => model.overlay = None,
        Pane::Positions | Pane::Orders | Pane::History => {}
        // In one column the breakers stand beside the alerts.
        Pane::Breakers => {
            if layout::layout(model).of(Pane::Breakers).is_none() {
                model.overlay = None;
            }
        }
    }
}

fn next_pane(model: &mut Model, forward: bool) {
    if model.focus == Pane::History {
        return focus(model, model.past.before);
    }
    let mut pane = model.focus.step(forward);
    if pane == Pane::History {
        pane = pane.step(forward);
    }
    if !model.zoom {
        let layout = layout::layout(model);
        for _ in Pane::ALL {
            if layout.of(pane).is_some() {
                break;
            }
            pane = pane.step(forward);
        }
    }
    focus(model, pane);
}

fn detail(model: &mut Model) {
    if layout::has_side_panes(model.size) && !model.zoom {
        focus(model, Pane::Detail);
        return;
    }
    model.zoom = false;
    model.overlay = if model.overlay == Some(Pane::Detail) { None } else { Some(Pane::Detail) };
    // The alerts make room for it: the keyboard goes with the pane that took their place.
    if model.focus == Pane::Alerts || model.focus == Pane::Breakers {
        model.focus = if model.overlay.is_some() { Pane::Detail } else { Pane::Alerts };
    }
}

fn back(model: &mut Model) {
    let focus_now = model.focus;
    if focus_now == Pane::History && (model.past.detail || model.table(focus_now).filter.is_empty()) {
        if !std::mem::take(&mut model.past.detail) {
            focus(model, model.past.before);
        }
    } else if model.zoom && focus_now != Pane::History {
        model.zoom = false;
    } else if model.overlay.is_some() && focus_now != Pane::History {
        model.overlay = None;
        if matches!(focus_now, Pane::Detail | Pane::Audit) {
            let to = model.detail_of;
            focus(model, to);
        }
    } else if !model.table(focus_now).filter.is_empty() {
        model.table_mut(focus_now).filter.clear();
        model.reorder();
    } else if !model.table(focus_now).marks.is_empty() {
        model.table_mut(focus_now).marks.clear();
    } else if model.frozen.take().is_some() {
        model.reorder();
    } else {
        let key = model.keymap.key_for(Act::Quit, focus_now);
        say(model, format!("nothing to go back from; {key} quits"), Severity::Info);
    }
}

fn freeze(model: &mut Model) {
    model.frozen = match model.frozen.take() {
        Some(_) => None,
        None => Some(Frozen { since: model.now.real, state: model.state.clone() }),
    };
    model.reorder();
}

fn go(model: &mut Model) {
    let Some(BannerItem::Session(id)) = model.banner.head else {
        return focus(model, Pane::Alerts);
    };
    let Some(alert) = model.state.alerts.get(id) else { return };
    let of_position = alert.position.or_else(|| {
        let symbol = alert.symbol.as_ref()?;
        model.state.positions.open().find(|position| position.key.symbol == *symbol).map(|position| position.id)
    });
    let order = alert.key.subject.trim_start_matches('#').parse::<u64>().ok().map(OrderNo);
    let about_order =
        matches!(alert.key.kind, AlertKind::OrderRejected | AlertKind::OrderUnknown | AlertKind::CancelUnconfirmed);
    let (pane, row) = match (alert.key.kind, order, of_position) {
        (AlertKind::BreakerOpen, ..) => (Pane::Breakers, None),
        (_, Some(no), _) if about_order => (Pane::Orders, Some(RowId::Order(no))),
        (_, _, Some(position)) => (Pane::Positions, Some(RowId::Position(position))),
        _ => (Pane::Alerts, Some(RowId::Alert(id))),
    };
    model.zoom = false;
    focus(model, pane);
    let table = model.table_mut(pane);
    if let Some(row) = row {
        // A filter must not hide where one was sent.
        if !table.rows.contains(&row) {
            table.filter.clear();
        }
        table.choose(row);
    }
    model.reorder();
}

fn copy(model: &mut Model, effects: &mut Vec<Effect>) {
    let state = model.shown();
    let text = match &model.table(model.focus).selected {
        Some(RowId::Order(no)) => state.orders.get(*no).map(|order| order.client_id.to_string()),
        Some(RowId::Position(id)) => state.positions.by_id(*id).map(|position| position.key.to_string()),
        Some(RowId::Alert(id)) => state.alerts.get(*id).map(|alert| alert.message.clone()),
        Some(RowId::Command(id)) => Some(id.to_string()),
        Some(RowId::Class(class)) => Some(class.to_string()),
        Some(RowId::Limit(limit)) => Some(limit.word().to_owned()),
        Some(row @ RowId::Past(_)) => super::past::id_of(model, row),
        Some(RowId::Local(_)) | None => None,
    };
    if let Some(text) = text {
        let text = crate::model::escape_controls(&text).into_owned();
        say(model, format!("copied {text}"), Severity::Info);
        effects.push(Effect::Copy(text));
    }
}

fn interrupt(model: &mut Model, effects: &mut Vec<Effect>) {
    let now = model.now.real;
    let twice = model.fingers.interrupted.is_some_and(|before| now.saturating_sub(before) < TWICE);
    model.fingers.interrupted = Some(now);
    if !twice {
        let key = model.keymap.key_for(Act::Quit, model.focus);
        return say(model, format!("{key} ends or leaves; Ctrl-C again within 2 s asks too"), Severity::Info);
    }
    model.fingers.interrupted = None;
    if model.setup.same_process {
        model.mode = Mode::Quit { opened: now };
    } else {
        effects.push(Effect::Leave(Exit::Detached));
    }
}

fn suspend(model: &mut Model, effects: &mut Vec<Effect>) {
    let now = model.now.real;
    let twice = model.fingers.suspended.is_some_and(|before| now.saturating_sub(before) < TWICE);
    model.fingers.suspended = Some(now);
    if model.setup.same_process && !twice {
        let text = "suspending stops the session too, stops included: Ctrl-Z again within 2 s does it";
        return say(model, text, Severity::Warning);
    }
    model.fingers.suspended = None;
    effects.push(Effect::Suspend);
}

fn quit(model: &mut Model, press: Press, opened: Duration, effects: &mut Vec<Effect>) {
    if press.code == KeyCode::Esc {
        model.mode = Mode::Normal;
        return;
    }
    if model.key_at.saturating_sub(opened) < QUIET {
        return;
    }
    let exit = match (press.letter(), model.setup.same_process) {
        (Some('c'), true) => Some(Exit::Stop(StopPolicy::CancelEntries)),
        (Some('l'), true) => Some(Exit::Stop(StopPolicy::Leave)),
        (Some('d'), false) => Some(Exit::Detached),
        _ => None,
    };
    match exit {
        Some(exit) => effects.push(Effect::Leave(if model.ended { Exit::SessionEnded } else { exit })),
        None if press.code == KeyCode::Enter => {}
        None => model.mode = Mode::Normal,
    }
}
