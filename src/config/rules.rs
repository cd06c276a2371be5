//! What must hold between settings.

use super::error::ConfigError;
use super::load::Loaded;
use super::{Settings, span};

/// A rule: the setting that is blamed, its value, what it must be; `None` when it holds.
type Rule = fn(&Settings) -> Option<(&'static str, String, String)>;

const RULES: &[Rule] = &[
    |s| {
        let (reserved, all) = (s.orders.reserved_for_exits, s.orders.max_working);
        (reserved >= all).then(|| {
            ("orders.reserved_for_exits", reserved.to_string(), format!("less than orders.max_working, which is {all}"))
        })
    },
    |s| {
        let (first, max) = (s.orders.retry_first, s.orders.retry_max);
        (first > max).then(|| {
            ("orders.retry_first", span::show(first), format!("at most orders.retry_max, which is {}", span::show(max)))
        })
    },
    |s| {
        let (first, max) = (s.exchange.reconnect_first, s.exchange.reconnect_max);
        (first > max).then(|| {
            let due = format!("at most exchange.reconnect_max, which is {}", span::show(max));
            ("exchange.reconnect_first", span::show(first), due)
        })
    },
    |s| {
        let (ping, stall) = (s.exchange.ping_interval, s.exchange.stall_after);
        (ping >= stall).then(|| {
            let due = format!("less than exchange.stall_after, which is {}", span::show(stall));
            ("exchange.ping_interval", span::show(ping), due)
        })
    },
    |s| {
        let (critical, warning) = (s.liquidation.ratio_critical_pct, s.liquidation.ratio_warning_pct);
        (critical >= warning).then(|| {
            let due = format!("less than liquidation.ratio_warning_pct, which is {warning}");
            ("liquidation.ratio_critical_pct", critical.to_string(), due)
        })
    },
    |s| {
        let (critical, warning) = (s.liquidation.share_critical_pct, s.liquidation.share_warning_pct);
        (critical >= warning).then(|| {
            let due = format!("less than liquidation.share_warning_pct, which is {warning}");
            ("liquidation.share_critical_pct", critical.to_string(), due)
        })
    },
    |s| {
        let tiers = s.liquidation.distance_tiers_pct;
        let [medium, high, critical] = tiers;
        let falling = medium > high && high > critical;
        (!falling).then(|| {
            let shown = tiers.map(|tier| tier.to_string()).join(", ");
            ("liquidation.distance_tiers_pct", format!("[{shown}]"), "falling: medium, high, critical".into())
        })
    },
];

/// Checks all the rules.
///
/// # Errors
/// The first one that does not hold.
pub fn check(loaded: &Loaded) -> Result<(), ConfigError> {
    for rule in RULES {
        if let Some((key, value, allowed)) = rule(&loaded.settings) {
            return Err(ConfigError::NotAllowed { origin: loaded.origin(key), key: key.into(), value, allowed });
        }
    }
    Ok(())
}
