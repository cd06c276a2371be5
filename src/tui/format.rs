//! Numbers, times and texts as they stand on the screen. What is not known is `?`.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::{Decimal, Price, Qty, SessionTime, Usdt, escape_controls};

/// What stands where a number is not known.
pub const UNKNOWN: &str = "?";

/// With thousands separators and so many decimals.
pub fn grouped(value: Decimal, decimals: u32) -> String {
    let rounded = value.round_dp(decimals);
    let text = format!("{:.*}", usize::try_from(decimals).unwrap_or_default(), rounded.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::with_capacity(text.len().saturating_add(8));
    if rounded.is_sign_negative() && !rounded.is_zero() {
        out.push('-');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && whole.len().saturating_sub(i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Money with two decimals.
pub fn money(value: Usdt) -> String {
    grouped(value.0, 2)
}

/// Money with its sign, `+` included.
pub fn signed(value: Usdt) -> String {
    let text = money(value);
    if value.0.round_dp(2) > Decimal::ZERO { format!("+{text}") } else { text }
}

/// Money in a few characters: `412k`, `1.8M`.
pub fn short_money(value: Usdt) -> String {
    let size = value.0.abs();
    let scaled = |divisor: i64| value.0 / Decimal::from(divisor);
    if size >= Decimal::from(10_000_000) {
        format!("{}M", grouped(scaled(1_000_000), 0))
    } else if size >= Decimal::from(1_000_000) {
        format!("{}M", grouped(scaled(1_000_000), 1))
    } else if size >= Decimal::from(10_000) {
        format!("{}k", grouped(scaled(1_000), 0))
    } else {
        grouped(value.0, 0)
    }
}

/// A price with the decimals of its tick; without a tick as it is.
pub fn price(value: Price, tick: Option<Decimal>) -> String {
    let decimals = tick.map_or_else(|| value.0.normalize().scale().min(8), |tick| tick.normalize().scale());
    grouped(value.0, decimals)
}

/// A quantity with the decimals of its step; without a step as it is.
pub fn quantity(value: Qty, step: Option<Decimal>) -> String {
    let decimals = step.map_or_else(|| value.0.normalize().scale().min(8), |step| step.normalize().scale());
    grouped(value.0, decimals)
}

/// A percentage with so many decimals, without the sign for plus.
pub fn percent(value: Decimal, decimals: u32) -> String {
    format!("{}%", grouped(value, decimals))
}

/// A percentage with its sign.
pub fn signed_percent(value: Decimal, decimals: u32) -> String {
    let text = percent(value, decimals);
    if value.round_dp(decimals) > Decimal::ZERO { format!("+{text}") } else { text }
}

/// An age: `00:41`, `1h02m`, `3d04h`.
pub fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if days > 0 {
        format!("{days}d{:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else {
        format!("{minutes:02}:{:02}", seconds % 60)
    }
}

/// A short span: `84 ms`, `1.2 s`, `2 min`.
pub fn span(span: Duration) -> String {
    let millis = span.as_millis();
    if millis < 1_000 {
        format!("{millis} ms")
    } else if millis < 60_000 {
        format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
    } else if millis < 3_600_000 {
        format!("{} min", millis / 60_000)
    } else {
        format!("{} h", millis / 3_600_000)
    }
}

/// An age in whole units: `34 s`, `2 min`, `3 h`.
pub fn seconds(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 120 {
        format!("{seconds} s")
    } else if seconds < 7_200 {
        format!("{} min", seconds / 60)
    } else {
        format!("{} h", seconds / 3_600)
    }
}

/// Time of day in UTC: `14:22:07`.
pub fn clock(at: SessionTime) -> String {
    let day = at.secs().rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", day / 3_600, day % 3_600 / 60, day % 60)
}

/// Columns that a text takes.
pub fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Text from outside: harmless, and cut to so many columns with the mark of a cut.
pub fn outside(text: &str, columns: u16, ellipsis: &str) -> String {
    cut(&escape_controls(text), columns, ellipsis)
}

/// Cut to so many columns, with the mark of a cut.
pub fn cut(text: &str, columns: u16, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = usize::from(columns.saturating_sub(width(ellipsis)));
    let mut out = String::new();
    let mut used = 0_usize;
    for c in text.chars() {
        used = used.saturating_add(c.width().unwrap_or_default());
        if used > room {
            break;
        }
        out.push(c);
    }
    if columns > 0 {
        out.push_str(ellipsis);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn money_has_separators_and_no_negative_zero() {
        assert_eq!(money(Usdt(d("184220.114"))), "184,220.11");
        assert_eq!(money(Usdt(d("-1234567.8"))), "-1,234,567.80");
        assert_eq!(money(Usdt(d("-0.001"))), "0.00");
        assert_eq!(signed(Usdt(d("0.5"))), "+0.50");
        assert_eq!(short_money(Usdt(d("412345"))), "412k");
        assert_eq!(short_money(Usdt(d("1840000"))), "1.8M");
        assert_eq!(short_money(Usdt(d("9412.7"))), "9,413");
    }

    #[test]
    fn prices_keep_the_decimals_of_their_tick() {
        assert_eq!(price(Price(d("58930")), Some(d("0.1"))), "58,930.0");
        assert_eq!(price(Price(d("0.5129")), Some(d("0.00010"))), "0.5129");
        assert_eq!(quantity(Qty(d("31")), Some(d("0.01"))), "31.00");
    }

    #[test]
    fn text_from_outside_is_escaped_before_it_is_cut() {
        assert_eq!(outside("a\u{1b}[2J", 20, "…"), "a\\u{1b}[2J");
        assert_eq!(outside("余额不足 balance", 7, "…"), "余额不…");
        assert_eq!(width(&outside("余额不足", 6, "…")), 5);
    }

    #[test]
    fn spans_and_ages_are_short() {
        assert_eq!(age(Duration::from_secs(2_890)), "48:10");
        assert_eq!(age(Duration::from_secs(3_725)), "1h02m");
        assert_eq!(span(Duration::from_millis(84)), "84 ms");
        assert_eq!(span(Duration::from_millis(1_240)), "1.2 s");
    }
}
