//! Points in time as people write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use crate::model::SessionTime;

/// What is said of a text that is no time.
const HOW: &str =
    "write a time as 2026-11-23T14:22:07Z, 2026-11-23 14:22, 2026-11-23 (UTC), or how long ago: 90s, 30m, 2h, 3d, 1w";

/// A point in time: RFC 3339, a date or a date and time in UTC, or so long before `now`.
///
/// # Errors
/// In words, with what can be written.
pub fn parse(text: &str, now: SessionTime) -> Result<SessionTime, String> {
    let text = text.trim();
    let found = ago(text, now).or_else(|| calendar(text));
    found.ok_or_else(|| format!("is no time: {HOW}"))
}

fn ago(text: &str, now: SessionTime) -> Option<SessionTime> {
    let unit = text.chars().next_back()?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let back = number.parse::<i64>().ok()?.checked_mul(seconds)?.checked_mul(1_000_000)?;
    now.micros().checked_sub(back).map(SessionTime::from_micros)
}

fn calendar(text: &str) -> Option<SessionTime> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(SessionTime::from_micros(at.timestamp_micros()));
    }
    let utc = |at: NaiveDateTime| SessionTime::from_micros(at.and_utc().timestamp_micros());
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(utc(day.and_time(NaiveTime::MIN)));
    }
    let text = text.replacen(' ', "T", 1);
    let text = text.strip_suffix('Z').unwrap_or(&text);
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SessionTime = SessionTime::from_secs(1_795_443_727);

    fn shown(text: &str) -> String {
        parse(text, NOW).unwrap().exact()
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(shown("2026-11-23T14:22:07Z"), "2026-11-23T14:22:07.000000Z");
        assert_eq!(shown("2026-11-23T15:22:07.25+01:00"), "2026-11-23T14:22:07.250000Z");
        assert_eq!(shown("2026-11-23"), "2026-11-23T00:00:00.000000Z");
        assert_eq!(shown("2026-11-23 14:22"), "2026-11-23T14:22:00.000000Z");
        assert_eq!(shown("2026-11-23T14:22:07.000001"), "2026-11-23T14:22:07.000001Z");
        assert_eq!(parse("90s", NOW), Ok(SessionTime::from_secs(1_795_443_637)));
        assert_eq!(parse("2h", NOW), Ok(SessionTime::from_secs(1_795_436_527)));
        assert_eq!(parse(" 1w ", NOW), Ok(SessionTime::from_secs(1_794_838_927)));
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_can_be_written() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-30",
            "25:00",
            "-2h",
            "2 h",
            "h",
            "1.5h",
            "99999999999999w",
            "1é",
            "2026-11-23T25:00",
        ] {
            let why = parse(text, NOW).unwrap_err();
            assert!(why.contains("30m, 2h, 3d"), "{text}: {why}");
        }
    }
}
