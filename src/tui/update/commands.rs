//! From a key to a prompt, from a prompt to a command.

use std::time::Duration;

use super::Effect;
use crate::model::{Action, AlertId, Command, CommandId, LinkState, OrderNo, RiskLimit, Severity};
use crate::tui::confirm::{self, Answer, Armed, Gates, Prompt, Sender, Subject, Target};
use crate::tui::format;
use crate::tui::keymap::{Act, Press};
use crate::tui::model::{BannerItem, Mode, Model, Notice, Pane, RowId};
use crate::tui::view::layout;

/// Time between attempts to deliver a halt.
const RETRY: Duration = Duration::from_secs(1);

/// The gates as they stand.
pub fn gates(model: &Model) -> Gates {
    Gates {
        ended: model.ended,
        link_up: matches!(model.state.upkeep.link.state, LinkState::Up),
        data_age: model.data_age(),
        frozen: model.frozen.is_some(),
        rows_visible: model.rows_visible(),
        read_only: model.setup.read_only,
        burst: model.fingers.in_burst(model.key_at),
        settled: model.key_at.saturating_sub(model.settled),
    }
}

fn say(model: &mut Model, text: impl Into<String>, severity: Severity) {
    model.notice = Some(Notice::new(text, severity, model.now.real));
}

fn sender(model: &mut Model) -> Option<Sender> {
    let number = model.flights.reserve();
    let id = CommandId::new(&format!("{}-{number}", model.setup.prefix)).ok()?;
    Some(Sender { id, number, by: model.setup.operator.clone() })
}

fn open(model: &mut Model, subject: Subject) {
    if let Err(gate) = gates(model).check(&subject) {
        return say(model, format!("refused: {gate}"), Severity::Warning);
    }
    let action = subject.action(false);
    if let Some(flight) = model.flights.same(&action) {
        let age = format::span(model.now.real.saturating_sub(flight.sent));
        let text = format!("c{} {} in flight {age}", flight.number, action.summary());
        return say(model, text, Severity::Info);
    }
    let Some(sender) = sender(model) else {
        return say(model, "the name of this dashboard makes no command id", Severity::Warning);
    };
    model.notice = None;
    model.mode = Mode::Prompt(Box::new(Prompt::open(subject, sender, model.now.real)));
}

/// `c`: the marked orders, else the selected one.
pub fn cancel_order(model: &mut Model) {
    let marks = model.table(Pane::Orders).marks.clone();
    let wanted: Vec<OrderNo> = if marks.is_empty() {
        model.selected_order().into_iter().collect()
    } else {
        marks.iter().filter_map(|row| if let RowId::Order(no) = row { Some(*no) } else { None }).collect()
    };
    if let [no] = wanted.as_slice()
        && let Some(flight) = model.flights.cancelling(*no)
    {
        let age = format::span(model.now.real.saturating_sub(flight.sent));
        let text = format!("c{} cancel {no} in flight {age}", flight.number);
        return say(model, text, Severity::Info);
    }
    let targets = targets(model, &wanted);
    if targets.is_empty() {
        return say(model, "no working order is chosen", Severity::Info);
    }
    open(model, Subject::Cancel { targets });
}

fn targets(model: &Model, wanted: &[OrderNo]) -> Vec<Target> {
    let state = &model.state;
    wanted
        .iter()
        .filter_map(|no| state.orders.get(*no))
        .filter(|order| order.is_working() && order.cancel.is_none() && model.flights.cancelling(order.no).is_none())
        .map(|order| Target::of(state, order))
        .collect()
}

/// `C`: the working orders that the filter shows, or all.
pub fn cancel_set(model: &mut Model) {
    let table = model.table(Pane::Orders);
    let filter = table.filter.clone();
    let wanted: Vec<OrderNo> = if filter.is_empty() {
        model.state.orders.working().map(|order| order.no).collect()
    } else {
        table.rows.iter().filter_map(|row| if let RowId::Order(no) = row { Some(*no) } else { None }).collect()
    };
    let targets = targets(model, &wanted);
    if targets.is_empty() {
        return say(model, "no working order without a cancel on its way", Severity::Info);
    }
    let scope = if filter.is_empty() {
        "all that work".to_owned()
    } else {
        format!("filter \"{}\"", crate::model::escape_controls(&filter))
    };
    open(model, Subject::CancelSet { targets, scope });
}

/// `p`.
pub fn pause(model: &mut Model) {
    let entries = model.state.orders.working_entries();
    open(model, Subject::Pause { entries });
}

/// `P`.
pub fn resume(model: &mut Model) {
    open(model, Subject::Resume);
}

/// `b`: the selected breaker or limit.
pub fn reset(model: &mut Model) {
    match model.table(Pane::Breakers).selected {
        Some(RowId::Class(class)) => open(model, Subject::ResetBreaker(class)),
        Some(RowId::Limit(limit @ (RiskLimit::DailyLoss | RiskLimit::Drawdown))) => {
            open(model, Subject::ResetLimit(limit));
        }
        _ => {}
    }
}

/// `X`.
pub fn halt(model: &mut Model) {
    let subject = Subject::halt(&model.state);
    open(model, subject);
}

/// `F`.
pub fn flatten(model: &mut Model) {
    let subject = Subject::flatten(&model.state, model.positions_known().is_known());
    open(model, subject);
}

/// `w`: the exit of the selected position.
pub fn withdraw_exit(model: &mut Model) {
    let key = model.selected_position().map(|position| position.key.clone());
    match key.and_then(|key| Subject::withdraw_exit(&model.state, &key)) {
        Some(subject) => open(model, subject),
        None => say(model, "no exit of the selected position is under way", Severity::Info),
    }
}

/// `a`: the alert in the banner, and only that one.
pub fn ack(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.now.real < model.banner.deaf_until {
        return say(model, "new alert: read it, then press the key again", Severity::Warning);
    }
    match model.banner.head {
        Some(BannerItem::Local(id)) => see_local(model, &[id]),
        Some(BannerItem::Session(id)) => {
            let action = Action::Acknowledge { alerts: vec![id] };
            if let Some(flight) = model.flights.same(&action) {
                let age = format::span(model.now.real.saturating_sub(flight.sent));
                let text = format!("c{} ack in flight {age}", flight.number);
                return say(model, text, Severity::Info);
            }
            if model.setup.read_only {
                return say(model, "refused: this dashboard is read-only", Severity::Warning);
            }
            if let Some(sender) = sender(model) {
                let armed = confirm::acknowledge(vec![id], &sender);
                depart(model, armed, sender.number, false, effects);
            }
        }
        None => {}
    }
}

fn see_local(model: &mut Model, ids: &[u64]) {
    for alert in &mut model.banner.local {
        if ids.contains(&alert.id) {
            alert.seen = true;
        }
    }
    model.reorder();
}

/// `A`: all alerts in sight, with those folded into them.
pub fn ack_all(model: &mut Model) {
    let height = layout::layout(model).rows_of(Pane::Alerts);
    let table = model.table(Pane::Alerts);
    let in_sight: Vec<RowId> = table.rows.iter().skip(table.offset).take(usize::from(height)).cloned().collect();
    let mut alerts: Vec<AlertId> = Vec::new();
    let mut local: Vec<u64> = Vec::new();
    for row in &in_sight {
        match row {
            RowId::Alert(id) => {
                let Some(shown) = model.state.alerts.get(*id) else { continue };
                let waiting = model.state.alerts.unacknowledged().filter(|alert| alert.severity > Severity::Info);
                let same = waiting.filter(|alert| {
                    alert.id == *id
                        || !alert.is_liquidation()
                            && alert.key.kind == shown.key.kind
                            && alert.symbol == shown.symbol
                            && alert.severity == shown.severity
                });
                alerts.extend(same.map(|alert| alert.id));
            }
            RowId::Local(id) => local.push(*id),
            _ => {}
        }
    }
    see_local(model, &local);
    alerts.sort_unstable();
    alerts.dedup();
    if !alerts.is_empty() {
        open(model, Subject::AcknowledgeAll { alerts });
    }
}

/// A key while a prompt asks.
pub fn answer(model: &mut Model, press: Press, effects: &mut Vec<Effect>) {
    // The banner's key works while a word is typed; as a letter it would be part of the word.
    let meaning = model.keymap.in_prompt(press);
    let also_ack = press.letter().is_none()
        && matches!(
            model.keymap.find(&[press], model.focus),
            crate::tui::keymap::Found::Row(row) if row.act == Some(Act::Ack)
        );
    if also_ack {
        return ack(model, effects);
    }
    let gates = gates(model);
    let now = model.key_at;
    let Mode::Prompt(prompt) = &mut model.mode else { return };
    match prompt.press(press, meaning, &gates, now) {
        Answer::Stay => {}
        Answer::Close => {
            model.mode = Mode::Normal;
            model.reorder();
            say(model, "nothing was sent", Severity::Info);
        }
        Answer::Fire(armed) => {
            let (number, protective) = (prompt.sender.number, prompt.subject.is_protective());
            model.mode = Mode::Normal;
            model.table_mut(Pane::Orders).marks.clear();
            model.reorder();
            depart(model, armed, number, protective, effects);
        }
    }
}

fn depart(model: &mut Model, armed: Armed<Command>, number: u64, protective: bool, effects: &mut Vec<Effect>) {
    model.flights.depart(armed.get(), number, protective, model.now.real);
    effects.push(Effect::Send(armed));
}

/// A command that could not be delivered: a halt is tried again until it is, anything else is given
/// up, and said so.
pub fn not_delivered(model: &mut Model, armed: Armed<Command>) {
    let now = model.now.real;
    if armed.get().action == Action::Halt {
        let tries = model.undelivered.as_ref().map_or(1, |halt| halt.tries.saturating_add(1));
        let text = format!("HALT not delivered, retry {tries}");
        model.banner.raise("halt", Severity::Critical, text, model.now);
        model.undelivered = Some(Undelivered { armed, due: now.saturating_add(RETRY), tries });
        return;
    }
    let summary = armed.get().action.summary();
    model.flights.give_up(&armed.get().id);
    let text = format!("{summary} was not delivered: the session does not answer");
    model.banner.raise("undelivered", Severity::Critical, text, model.now);
}

/// A halt that the session has not got yet.
#[derive(Clone, Debug)]
pub struct Undelivered {
    armed: Armed<Command>,
    due: Duration,
    tries: u32,
}

/// Tries an undelivered halt again.
pub fn retry(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(halt) = &mut model.undelivered else { return };
    if model.state.command(&halt.armed.get().id).is_some() {
        model.undelivered = None;
        model.banner.withdraw("halt");
        return;
    }
    if model.now.real >= halt.due {
        halt.due = model.now.real.saturating_add(RETRY);
        effects.push(Effect::Send(halt.armed.clone()));
    }
}
