//! Circuit breakers, and the risk limits below them.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Canvas, Span};
use super::{gauge, joined, pane_frame, row_ground};
use crate::model::{BreakerState, CallClass, Decimal, RiskLimit, div, escape_controls};
use crate::tui::model::{Model, Pane, RowId};
use crate::tui::theme::Role;
use crate::tui::{figures, format};

/// Columns of a name.
const NAME: u16 = 11;

pub fn draw(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    let table = model.table(Pane::Breakers);
    let inner = pane_frame(model, Pane::Breakers, None, area, &facts(model, canvas), canvas);
    let rows = usize::from(inner.height);
    let mut y = inner.y;
    for (i, row) in table.rows.iter().skip(table.offset).take(rows).enumerate() {
        if y >= inner.bottom() {
            return;
        }
        // Room between the two kinds, where there is room.
        let first_limit = matches!(row, RowId::Limit(RiskLimit::DailyLoss)) && i > 0;
        if first_limit && rows > table.rows.len() {
            y = y.saturating_add(1);
        }
        let line = Rect { y, height: 1, ..inner };
        let selected = table.selected.as_ref() == Some(row);
        let cursor = row_ground(model, Pane::Breakers, selected, line, canvas);
        canvas.put(line.x, y, cursor, 1, canvas.style(Role::Focus));
        match row {
            RowId::Class(class) => breaker(model, *class, line, canvas),
            RowId::Limit(limit) => self::limit(model, *limit, line, canvas),
            _ => {}
        }
        y = y.saturating_add(1);
    }
    if y < inner.bottom() {
        last_failure(model, Rect { y, height: inner.bottom().saturating_sub(y), ..inner }, canvas);
    }
}

fn facts(model: &Model, canvas: &Canvas<'_>) -> Vec<Span> {
    let state = model.shown();
    let open = state.breakers.values().filter(|breaker| breaker.state != BreakerState::Closed).count();
    let tripped = state.limits.len();
    let mut parts: Vec<Span> = Vec::new();
    if open > 0 {
        parts.push((format!("{open} open"), canvas.style(Role::Crit)));
    }
    if tripped > 0 {
        parts.push((format!("{tripped} tripped"), canvas.style(Role::Crit)));
    }
    if parts.is_empty() {
        parts.push(("all closed".to_owned(), Style::new()));
    }
    joined(parts, canvas)
}

fn bar_width(line: Rect, words: u16) -> u16 {
    line.width.saturating_sub(NAME).saturating_sub(words).saturating_sub(5).min(24)
}

fn breaker(model: &Model, class: CallClass, line: Rect, canvas: &mut Canvas<'_>) {
    let breaker = model.shown().breaker(class);
    let since = breaker.since.map(|since| model.now.session.since(since)).unwrap_or_default();
    let (word, role) = match breaker.state {
        BreakerState::Closed if breaker.failures > 0 => (format!("{} failed", breaker.failures), Role::Warn),
        BreakerState::Closed => ("ok".to_owned(), Role::Normal),
        BreakerState::Open => (format!("OPEN {}", format::age(since)), Role::Crit),
        BreakerState::HalfOpen => (format!("TRYING {}", breaker.successes), Role::Warn),
    };
    let full = Decimal::from(model.setup.breaker_failures.max(1));
    let share = match breaker.state {
        BreakerState::Open => Decimal::ONE,
        BreakerState::HalfOpen => Decimal::new(5, 1),
        BreakerState::Closed => div(Decimal::from(breaker.failures), full).unwrap_or(Decimal::ONE),
    };
    measure(class.word(), Some(share), &word, role, line, canvas);
}

fn limit(model: &Model, limit: RiskLimit, line: Rect, canvas: &mut Canvas<'_>) {
    let state = model.shown();
    let used = match limit {
        RiskLimit::DailyLoss => figures::day_loss_pct(state),
        RiskLimit::Drawdown => figures::drawdown_pct(state),
    };
    let most = model.setup.limits.map(|limits| match limit {
        RiskLimit::DailyLoss => limits.daily_loss_pct,
        RiskLimit::Drawdown => limits.drawdown_pct,
    });
    let share = used.zip(most).and_then(|(used, most)| div(used, most));
    let amount = used.map_or_else(|| format::UNKNOWN.to_owned(), |used| format::grouped(used, 1));
    let of = most.map(|most| format!("/{}", format::grouped(most.normalize(), most.normalize().scale().min(1))));
    let amount = format!("{amount}{}%", of.unwrap_or_default());
    let tripped = state.limits.contains_key(&limit);
    let (word, role) = if tripped {
        ("TRIPPED".to_owned(), Role::Crit)
    } else if share.is_some_and(|share| share >= Decimal::new(8, 1)) {
        (amount, Role::Warn)
    } else {
        (amount, Role::Normal)
    };
    let share = if tripped { Some(Decimal::ONE) } else { share };
    measure(limit.word(), share, &word, role, line, canvas);
}

fn measure(name: &str, share: Option<Decimal>, word: &str, role: Role, line: Rect, canvas: &mut Canvas<'_>) {
    const WORDS: u16 = 12;
    let style = canvas.style(role);
    let name_style = canvas.style(if role == Role::Normal { Role::Text } else { role });
    canvas.put(line.x.saturating_add(1), line.y, name, NAME, name_style);
    let bar = line.x.saturating_add(2).saturating_add(NAME);
    let columns = bar_width(line, WORDS);
    gauge::draw(canvas, bar, line.y, columns, share, style);
    let at = bar.saturating_add(columns).saturating_add(1);
    canvas.put_right(at, line.y, word, WORDS.min(line.right().saturating_sub(at)), style);
}

/// Why the last breaker opened, or the limit tripped, below all.
fn last_failure(model: &Model, area: Rect, canvas: &mut Canvas<'_>) {
    let state = model.shown();
    let style = canvas.style(Role::Muted);
    let limits = state.limits.values().map(|tripped| tripped.reason.clone());
    let breakers = state
        .breakers
        .values()
        .filter(|breaker| breaker.state != BreakerState::Closed)
        .filter_map(|breaker| breaker.last_failure.clone());
    let mut y = area.y.saturating_add(1);
    for reason in limits.chain(breakers) {
        if y >= area.bottom() {
            return;
        }
        canvas.put(area.x.saturating_add(1), y, &escape_controls(&reason), area.width.saturating_sub(2), style);
        y = y.saturating_add(1);
    }
    let held: u64 = state.breakers.values().map(|breaker| breaker.rejected_calls).sum();
    let failed: u64 = state.breakers.values().map(|breaker| breaker.failed_calls).sum();
    let calls: u64 = state.breakers.values().map(|breaker| breaker.succeeded_calls).sum();
    let mut words = vec![format!("{calls} calls, {failed} failed, {held} held back")];
    let silence = state.upkeep.link.silence.as_ref().filter(|silence| silence.until > model.now.session);
    words.extend(silence.map(|silence| {
        format!("silence until {}, asked by {}", format::clock(silence.until), escape_controls(&silence.asked_by))
    }));
    words.extend(state.upkeep.link.clock.map(|clock| format!("exchange's clock {:+} ms", clock.offset_us / 1_000)));
    for text in words {
        if y < area.bottom() {
            canvas.put(area.x.saturating_add(1), y, &text, area.width.saturating_sub(2), style);
            y = y.saturating_add(1);
        }
    }
}
